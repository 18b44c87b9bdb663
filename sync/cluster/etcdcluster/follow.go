package etcdcluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/boottime"
	"weir/sync/cluster"
	"weir/sync/etcd"
)

// pauses is how often in a lease's time a watch must say that it is alive, and what did
// not succeed is tried again.
const pauses = 10

func (m *Member) pause() time.Duration { return m.opts.Lease / pauses }

// follow keeps the board until ctx ends.
func (m *Member) follow(ctx context.Context, revision int64) {
	for {
		err := m.watch(ctx, revision)
		for err != nil {
			m.behind(err)
			if !rest(ctx, m.pause()) || m.ended(err) {
				return
			}
			revision, err = m.read(ctx)
		}
	}
}

func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// read reads everything, as it is at the revision that it returns.
func (m *Member) read(ctx context.Context) (int64, error) {
	var ops []clientv3.Op
	for _, place := range places {
		ops = append(ops, clientv3.OpGet(m.conn.Key(place, ""), clientv3.WithPrefix()))
	}
	resp, err := m.conn.Do(ctx, nil, ops, nil)
	if err != nil {
		return 0, err
	}
	kvs := map[string][]*mvccpb.KeyValue{}
	for i, place := range places {
		kvs[place] = resp.Responses[i].GetResponseRange().Kvs
	}
	m.mu.Lock()
	before := m.news != 0
	old := m.board.heard()
	m.board.whole(kvs, func(place string) string { return m.conn.Key(place, "") }, resp.Header.Revision)
	missed := m.board.since(old)
	m.current()
	m.change()
	m.mu.Unlock()
	if before {
		m.hear(missed)
	}
	return resp.Header.Revision, nil
}

// watch follows what is written after a revision, and returns why it does no more.
func (m *Member) watch(ctx context.Context, revision int64) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	said := make(chan said)
	for _, place := range places {
		from := m.conn.Watch(ctx, m.conn.Key(place, ""), clientv3.WithPrefix(), clientv3.WithRev(revision+1))
		m.under.Go(func() { pass(ctx, place, from, said) })
	}
	alive := time.NewTicker(m.pause())
	defer alive.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case s := <-said:
			if err := s.fault(); err != nil {
				return err
			}
			m.note(s)
		case <-alive.C:
			if err := m.ask(ctx); err != nil {
				return err
			}
		}
	}
}

// said is what a place's watch says.
type said struct {
	place string
	resp  clientv3.WatchResponse
	end   bool
}

func pass(ctx context.Context, place string, from clientv3.WatchChan, to chan<- said) {
	for end := false; !end; {
		resp, ok := <-from
		end = !ok
		select {
		case to <- said{place, resp, end}:
		case <-ctx.Done():
			end = true
		}
	}
}

func (s said) fault() error {
	if err := s.resp.Err(); err != nil {
		return fmt.Errorf("watch of %s/: %w", s.place, err)
	}
	if s.end {
		return errors.New("the watch ended")
	}
	return nil
}

// note keeps what a watch shows.
func (m *Member) note(s said) {
	m.mu.Lock()
	old := m.board.heard()
	prefix := m.conn.Key(s.place, "")
	for _, e := range s.resp.Events {
		name := nameOf(e.Kv.Key, prefix)
		if e.Type == clientv3.EventTypePut {
			m.board.put(s.place, name, e.Kv)
		} else {
			m.board.remove(s.place, name, e.Kv.ModRevision)
		}
	}
	if m.current() || len(s.resp.Events) > 0 {
		m.change()
	}
	heard := m.board.since(old)
	m.mu.Unlock()
	m.hear(heard)
}

// ask lets the watch say that it is alive, and says so where it has not for too long.
// It asks for something as well: a watch waits for ever on data that was replaced by
// older, and a lease that is there too is renewed.
func (m *Member) ask(ctx context.Context) error {
	m.mu.Lock()
	silent := m.news.Until(boottime.Now())
	m.mu.Unlock()
	if silent > m.opts.Lease/2 {
		m.behind(errors.New("etcd says nothing"))
	}
	ctx, cancel := context.WithTimeout(ctx, m.pause())
	defer cancel()
	_ = m.conn.RequestProgress(ctx) // what comes of it is what counts
	_, err := m.conn.Read(ctx, m.key(inMembers, m.self.ID), clientv3.WithCountOnly())
	if m.ended(err) {
		return err
	}
	return nil
}

// current notes that the watch has said something, and reports whether that is new.
func (m *Member) current() bool {
	m.news = boottime.Now()
	was := m.late
	m.late = ""
	if was != "" {
		m.log.Info("the cluster is seen again")
	}
	return was != ""
}

// behind notes that what is known may be older than it should.
func (m *Member) behind(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.late != "" || m.closed || errors.Is(err, context.Canceled) {
		return
	}
	since := time.Now().Add(-m.news.Until(boottime.Now())).UTC().Format(time.RFC3339)
	m.late = fmt.Sprintf("the cluster is not seen since %s: %v", since, err)
	m.log.Warn("the cluster is not seen, what is shown of it is old", "since", since, "error", err)
	m.change()
}

// ended reports whether err is the end of this process's membership: the data is
// another, so what it leads, and what it knows, is of a past that is no more.
func (m *Member) ended(err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over == nil && etcd.TroubleOf(err) == etcd.Restored {
		m.over = fmt.Errorf("no member any more, a person has to look: %w", err)
		m.log.Error("etcd was restored from a backup, nothing is led any more until weir is started again", "error", err)
		m.change()
	}
	return m.over != nil
}

// hear passes triggers on, those of this process left out.
func (m *Member) hear(triggers []cluster.Trigger) {
	for _, t := range triggers {
		if t.By != m.self.ID && m.opts.Heard != nil {
			m.opts.Heard(t)
		}
	}
}

// heard returns the revision of each trigger.
func (b *board) heard() map[string]int64 {
	out := make(map[string]int64, len(b.triggers))
	for name, h := range b.triggers {
		out[name] = h.written
	}
	return out
}

// since returns the triggers that were written after those revisions.
func (b *board) since(old map[string]int64) []cluster.Trigger {
	var out []cluster.Trigger
	for name, h := range b.triggers {
		if h.written > old[name] {
			out = append(out, h.value)
		}
	}
	return out
}
