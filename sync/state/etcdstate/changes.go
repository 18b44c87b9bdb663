package etcdstate

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/resource"
	"weir/sync/state"
)

// What a store remembers of what was written since it was opened; who is further behind
// reads everything.
const (
	mostWritten  = 20_000 // IDs
	readWritten  = 2_000  // IDs that are read one by one; more are read with everything
	followerLag  = 2 * time.Second
	watchBackoff = 200 * time.Millisecond
)

// Changes returns what was written of records and acts after a cursor; see state.Store.
// A cursor is a revision of etcd.
func (s *Store) Changes(ctx context.Context, since state.Cursor) (state.Changes, error) {
	var c state.Changes
	err := s.whole(ctx, func() (err error) {
		c, err = s.changes(ctx, since)
		return err
	})
	if err != nil {
		return state.Changes{}, fmt.Errorf("read changes: %w", err)
	}
	return c, nil
}

// changes reads where to go on before what was written, so that what is written
// meanwhile comes again.
func (s *Store) changes(ctx context.Context, since state.Cursor) (state.Changes, error) {
	resp, err := s.conn.Read(ctx, s.key(tickRecords))
	if err == nil {
		err = s.note(resp.Header.ClusterId, resp.Header.Revision)
	}
	if err != nil {
		return state.Changes{}, err
	}
	if len(resp.Kvs) == 0 {
		return state.Changes{}, damaged(tickRecords, fmt.Errorf("it is gone"))
	}
	next := state.Cursor(resp.Kvs[0].ModRevision)
	if since == next {
		return state.Changes{Next: next}, nil
	}
	s.written.start(int64(next))
	ids, known := s.written.between(ctx, int64(since), int64(next))
	if known && len(ids) <= readWritten {
		if c, ok, err := s.some(ctx, ids, next); err != nil || ok {
			return c, err
		}
	}
	records, acts, err := s.remembered(ctx, recordsAt, actsAt)
	return state.Changes{Whole: true, Known: state.KnownOf(records, acts), Next: next}, err
}

// some reads what is remembered of ids; not where a batch is not in its place yet.
func (s *Store) some(ctx context.Context, ids []resource.ID, next state.Cursor) (state.Changes, bool, error) {
	var records []resource.Applied
	var acts []resource.Act
	w := words{}
	for part := range slices.Chunk(ids, mostKeys) {
		ops := []clientv3.Op{clientv3.OpGet(s.key(batchKey))}
		for _, id := range part {
			ops = append(ops, clientv3.OpGet(s.key(recordKey(id))), clientv3.OpGet(s.key(actsOf(id)), clientv3.WithPrefix()))
		}
		resp, err := s.ask(ctx, ops...)
		if err != nil {
			return state.Changes{}, false, err
		}
		if len(resp.Responses[0].GetResponseRange().Kvs) > 0 {
			return state.Changes{}, false, nil
		}
		for _, r := range resp.Responses[1:] {
			for _, kv := range r.GetResponseRange().Kvs {
				if err := remember(&records, &acts, s.below(kv.Key), kv.Value, w); err != nil {
					return state.Changes{}, false, err
				}
			}
		}
	}
	sortActs(acts)
	return state.Changes{Known: state.KnownOf(records, acts, ids...), Next: next}, true, nil
}

// follower remembers what was written of which IDs since it was started, by the ticks
// that are written with them.
type follower struct {
	s   *Store
	key string

	mu      sync.Mutex
	started bool
	floor   int64 // what was written up to this revision it does not know
	seen    int64 // and it has seen all up to this one
	log     []tick
	count   int           // of IDs in log
	grown   chan struct{} // closed when seen has grown
}

// tick is what was written at a revision; nil for anything.
type tick struct {
	revision int64
	ids      []resource.ID
}

func newFollower(s *Store, key string) *follower {
	return &follower{s: s, key: key, grown: make(chan struct{})}
}

// start begins to follow what is written after a revision, once.
func (f *follower) start(after int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.started {
		return
	}
	f.started, f.floor, f.seen = true, after, after
	f.s.aside(f.run)
}

// between returns the IDs that were written after since, and all up to until at least;
// false where that is not known.
func (f *follower) between(ctx context.Context, since, until int64) ([]resource.ID, bool) {
	if !reached(ctx, until, func() (int64, <-chan struct{}) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.seen, f.grown
	}) {
		return nil, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if since < f.floor || since > until {
		return nil, false
	}
	var ids []resource.ID
	for _, t := range slices.Backward(f.log) {
		if t.revision <= since {
			break
		}
		if t.ids == nil {
			return nil, false
		}
		ids = append(ids, t.ids...)
	}
	slices.SortFunc(ids, resource.Compare)
	return slices.Compact(ids), true
}

// reached waits until all up to a revision was seen, as seen says; its channel is closed
// when it says something else.
func reached(ctx context.Context, revision int64, seen func() (int64, <-chan struct{})) bool {
	late := time.NewTimer(followerLag)
	defer late.Stop()
	for {
		at, grown := seen()
		if at >= revision {
			return true
		}
		select {
		case <-grown:
		case <-late.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) {
	f.mu.Lock()
	after := f.seen
	f.mu.Unlock()
	f.s.watch(ctx, f.key, after, nil, func(resp clientv3.WatchResponse) error {
		if resp.CompactRevision > 0 {
			f.lose(resp.CompactRevision - 1)
			return nil
		}
		for _, e := range resp.Events {
			if err := f.take(e.Kv); err != nil {
				return err
			}
		}
		f.see(resp.Header.Revision)
		return nil
	})
}

// lose forgets all up to a revision: it was compacted before it was seen.
func (f *follower) lose(revision int64) {
	f.mu.Lock()
	f.floor, f.log, f.count = revision, nil, 0
	f.mu.Unlock()
	f.see(revision)
}

func (f *follower) see(revision int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = max(f.seen, revision)
	close(f.grown)
	f.grown = make(chan struct{})
}

// take remembers one tick, and forgets old ones.
func (f *follower) take(kv *mvccpb.KeyValue) error {
	t := tick{revision: kv.ModRevision}
	p := parse(tickRecords, kv.Value, nil)
	for len(p.rest) > 0 {
		id, err := resource.ParseID(p.text())
		if err != nil {
			p.fail("it names no ID")
			break
		}
		t.ids = append(t.ids, id)
	}
	if p.end() != nil {
		t.ids = nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log, f.count = append(f.log, t), f.count+max(1, len(t.ids))
	old := 0
	for ; f.count > mostWritten && old < len(f.log); old++ {
		f.count -= max(1, len(f.log[old].ids))
		f.floor = f.log[old].revision
	}
	f.log = slices.Delete(f.log, 0, old)
	return nil
}

// watch hands what is written under a key, after a revision, to f until ctx ends or f
// fails. What was compacted before it was seen is told by a CompactRevision.
func (s *Store) watch(
	ctx context.Context, key string, after int64, opts []clientv3.OpOption, f func(clientv3.WatchResponse) error,
) {
	for ctx.Err() == nil {
		run, stop := context.WithCancel(clientv3.WithRequireLeader(ctx))
		err := func() error {
			for resp := range s.conn.Watch(run, key, append([]clientv3.OpOption{clientv3.WithRev(after + 1)}, opts...)...) {
				if err := resp.Err(); err != nil && resp.CompactRevision == 0 {
					break
				}
				if err := f(resp); err != nil {
					return err
				}
				if resp.CompactRevision > 0 {
					after = resp.CompactRevision - 1
					break
				}
				after = max(after, resp.Header.Revision)
			}
			return nil
		}()
		stop()
		if err != nil {
			return
		}
		sleep(ctx, watchBackoff)
	}
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
