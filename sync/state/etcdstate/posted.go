package etcdstate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/resource"
	"weir/sync/state"
)

// mostPosted is how many keys a reader of the Board may be behind.
const mostPosted = 20_000

// posted is what is on the Board, as far as who reads it has to know: which keys were
// written since it began, and when each slot was seen.
type posted struct {
	s *Store

	reading sync.Mutex
	tables  map[string]*table // by account; of who reads, under reading

	mu      sync.Mutex
	started bool
	floor   int64
	seen    int64
	changed map[string]int64 // when a key was written last
	grown   chan struct{}
}

// table is what the slots of an account are, as they were read last.
type table struct {
	ids   []resource.ID
	times []int64
}

func newPosted(s *Store) *posted {
	return &posted{s: s, changed: map[string]int64{}, grown: make(chan struct{}), tables: map[string]*table{}}
}

// Posted returns what was posted after a cursor, by any process; see state.Board. A cursor
// is a revision of etcd.
func (s *Store) Posted(ctx context.Context, since state.Cursor) (state.Posts, error) {
	f := s.posted
	f.reading.Lock()
	defer f.reading.Unlock()
	var p state.Posts
	err := s.whole(ctx, func() (err error) {
		p, err = f.read(ctx, since)
		return err
	})
	if err != nil {
		return state.Posts{}, fmt.Errorf("read what was posted: %w", err)
	}
	return p, nil
}

func (f *posted) read(ctx context.Context, since state.Cursor) (state.Posts, error) {
	resp, err := f.s.conn.Read(ctx, f.s.key(tickPosts))
	if err == nil {
		err = f.s.note(resp.Header.ClusterId, resp.Header.Revision)
	}
	if err != nil {
		return state.Posts{}, err
	}
	next := int64(1) // before everything that was posted, and after nothing
	for _, kv := range resp.Kvs {
		next = kv.ModRevision
	}
	if int64(since) == next {
		return state.Posts{Next: since}, nil
	}
	f.start(next)
	keys, known := f.between(ctx, int64(since), next)
	if !known {
		return f.all(ctx, resp.Header.Revision, next)
	}
	return f.some(ctx, keys, next)
}

// start begins to follow what is posted after a revision, once.
func (f *posted) start(after int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.started {
		f.started, f.floor, f.seen = true, after, after
		f.s.aside(f.run)
	}
}

func (f *posted) run(ctx context.Context) {
	f.mu.Lock()
	after := f.seen
	f.mu.Unlock()
	f.s.watch(ctx, f.s.key(postsAt), after, []clientv3.OpOption{clientv3.WithPrefix()}, func(resp clientv3.WatchResponse) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if resp.CompactRevision > 0 {
			f.floor = resp.CompactRevision - 1
			clear(f.changed)
			f.seen = max(f.seen, f.floor)
		} else {
			f.take(resp)
		}
		close(f.grown)
		f.grown = make(chan struct{})
		return nil
	})
}

// take remembers which keys were written, and forgets old ones where they are many. The
// caller holds f.mu.
func (f *posted) take(resp clientv3.WatchResponse) {
	for _, e := range resp.Events {
		if key := f.s.below(e.Kv.Key); !strings.HasPrefix(key, sheetsAt) {
			f.changed[key] = e.Kv.ModRevision
		}
	}
	f.seen = max(f.seen, resp.Header.Revision)
	if len(f.changed) <= mostPosted {
		return
	}
	revisions := slices.Sorted(maps.Values(f.changed))
	f.floor = revisions[len(revisions)/2]
	maps.DeleteFunc(f.changed, func(_ string, revision int64) bool { return revision <= f.floor })
}

// between returns the keys that were written after since, and all up to until at least;
// false where that is not known.
func (f *posted) between(ctx context.Context, since, until int64) ([]string, bool) {
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
	var keys []string
	for key, revision := range f.changed {
		if revision > since {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, true
}

// all reads the whole Board, as it is at one revision.
func (f *posted) all(ctx context.Context, revision, next int64) (state.Posts, error) {
	clear(f.tables)
	p := state.Posts{Whole: true, Next: state.Cursor(next)}
	w := words{}
	err := f.s.walk(ctx, pages{prefix: timesAt, revision: revision}, func(key string, kv *mvccpb.KeyValue) (bool, error) {
		_, err := f.takeTimes(key, kv.Value)
		return true, err
	})
	if err != nil {
		return p, err
	}
	err = f.s.walk(ctx, pages{prefix: seenAt, revision: revision}, func(key string, kv *mvccpb.KeyValue) (bool, error) {
		g, err := readSighting(key, kv.Value, w)
		if err == nil {
			p.Seen = append(p.Seen, f.takeSeen(g))
		}
		return true, err
	})
	sortSeen(p.Seen)
	return p, err
}

func sortSeen(seen []resource.Observation) {
	slices.SortFunc(seen, func(a, b resource.Observation) int { return resource.Compare(a.ID, b.ID) })
}

func (f *posted) table(account string) *table {
	if f.tables[account] == nil {
		f.tables[account] = &table{}
	}
	return f.tables[account]
}

// takeSeen takes over what was seen of a resource, and returns it with its latest time.
func (f *posted) takeSeen(g sighting) resource.Observation {
	t := f.table(g.ID.Account)
	t.room(g.slot + 1)
	t.ids[g.slot] = g.ID
	g.At = latest(g.At, t.times[g.slot])
	return g.Observation
}

func (t *table) room(slots int) {
	if more := slots - len(t.ids); more > 0 {
		t.ids, t.times = append(t.ids, make([]resource.ID, more)...), append(t.times, make([]int64, more)...)
	}
}

// takeTimes takes over a page, and returns the resources that were seen again.
func (f *posted) takeTimes(key string, value []byte) (again []resource.ID, err error) {
	account, page, err := timesPlace(key)
	if err != nil {
		return nil, err
	}
	times, err := readTimes(key, value)
	if err != nil {
		return nil, err
	}
	t := f.table(account)
	t.room(page*pageSlots + len(times))
	for i, milli := range times {
		slot := page*pageSlots + i
		if t.times[slot] != milli && t.ids[slot] != (resource.ID{}) {
			again = append(again, t.ids[slot])
		}
		t.times[slot] = milli
	}
	return again, nil
}

// some reads keys that were written, and what was seen of the resources that were seen
// again.
func (f *posted) some(ctx context.Context, keys []string, next int64) (state.Posts, error) {
	p := state.Posts{Next: state.Cursor(next)}
	ids := map[resource.ID]bool{}
	var pages []string
	for _, key := range keys {
		if strings.HasPrefix(key, timesAt) {
			pages = append(pages, key)
		} else if id, err := resource.ParseID(strings.TrimPrefix(key, seenAt)); err == nil {
			ids[id] = true
		}
	}
	err := f.s.gets(ctx, pages, func(key string, value []byte) error {
		if value == nil {
			return nil
		}
		again, err := f.takeTimes(key, value)
		for _, id := range again {
			ids[id] = true
		}
		return err
	})
	if err != nil {
		return p, err
	}
	var wanted []string
	for id := range ids {
		wanted = append(wanted, seenKey(id))
	}
	slices.Sort(wanted)
	w := words{}
	err = f.s.gets(ctx, wanted, func(key string, value []byte) error {
		if value == nil {
			id, err := resource.ParseID(strings.TrimPrefix(key, seenAt))
			p.Gone = append(p.Gone, id)
			return err
		}
		g, err := readSighting(key, value, w)
		p.Seen = append(p.Seen, f.takeSeen(g))
		return err
	})
	sortSeen(p.Seen)
	slices.SortFunc(p.Gone, resource.Compare)
	return p, err
}

// gets reads keys, some at a time, and hands what is kept under each to f, nil for nothing.
func (s *Store) gets(ctx context.Context, keys []string, f func(key string, value []byte) error) error {
	for part := range slices.Chunk(keys, foldKeys) {
		var ops []clientv3.Op
		for _, key := range part {
			ops = append(ops, clientv3.OpGet(s.key(key)))
		}
		resp, err := s.ask(ctx, ops...)
		if err != nil {
			return err
		}
		for i, key := range part {
			var value []byte
			for _, kv := range resp.Responses[i].GetResponseRange().Kvs {
				value = kv.Value
			}
			if err := f(key, value); err != nil {
				return err
			}
		}
	}
	return nil
}
