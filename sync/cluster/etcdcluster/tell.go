package etcdcluster

import (
	"context"
	"errors"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/cluster"
)

// tells are the triggers that are being passed on: of a source one at a time, and all
// that come meanwhile as one.
type tells struct {
	mu   sync.Mutex
	turn map[string]chan struct{} // by source: full while one is written
	next map[string]*telling      // by source: the one that is yet to begin
}

type telling struct {
	done chan struct{}
	err  error
}

// Tell passes a trigger on to all members, this one left out.
func (m *Member) Tell(ctx context.Context, t cluster.Trigger) error {
	t.By = m.self.ID
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return errors.New("no member any more")
	}
	one, first := m.tell.join(t.Source)
	if first {
		m.under.Go(func() { m.passOn(m.life, t, one) })
	}
	m.mu.Unlock()
	select {
	case <-one.done:
		return one.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join returns what is yet to be written of a source, and whether it is new.
func (t *tells) join(source string) (*telling, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one := t.next[source]; one != nil {
		return one, false
	}
	if t.turn == nil {
		t.turn, t.next = map[string]chan struct{}{}, map[string]*telling{}
	}
	if t.turn[source] == nil {
		t.turn[source] = make(chan struct{}, 1)
	}
	t.next[source] = &telling{done: make(chan struct{})}
	return t.next[source], true
}

// begin waits until the one before has been written; what comes from now on is another.
func (t *tells) begin(source string) (end func()) {
	t.mu.Lock()
	turn := t.turn[source]
	t.mu.Unlock()
	turn <- struct{}{}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.next, source)
	return func() { <-turn }
}

func (m *Member) passOn(ctx context.Context, t cluster.Trigger, one *telling) {
	defer close(one.done)
	end := m.tell.begin(t.Source)
	defer end()
	name := t.Source
	if name == "" {
		name = cluster.Sources
	}
	_, one.err = m.conn.Do(ctx, nil, []clientv3.Op{clientv3.OpPut(m.key(inTriggers, name), asJSON(t))}, nil)
}
