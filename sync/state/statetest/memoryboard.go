package statetest

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"weir/sync/resource"
	"weir/sync/state"
)

var (
	_ state.Board   = (*Memory)(nil)
	_ state.Watcher = (*Memory)(nil)
)

// Post writes what was seen, and what is not looked at any more; see state.Board.
func (m *Memory) Post(ctx context.Context, _ string, seen []resource.Observation, gone []resource.ID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, o := range seen {
		if err := state.CheckID(o.ID); err != nil {
			return fmt.Errorf("post: %w", err)
		}
	}
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, o := range seen {
		o.At = stored(o.At)
		m.posts[o.ID] = o
		m.posted = append(m.posted, o.ID)
	}
	for _, id := range gone {
		delete(m.posts, id)
		m.posted = append(m.posted, id)
	}
	m.wrote()
	return nil
}

// Posted returns what was posted after a cursor; see state.Board.
func (m *Memory) Posted(ctx context.Context, since state.Cursor) (state.Posts, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := state.Posts{Next: state.Cursor(len(m.posted)) + 1}
	if p.Whole = since < 1 || since > p.Next; p.Whole {
		p.Seen = slices.Collect(maps.Values(m.posts))
	} else {
		news := map[resource.ID]bool{}
		for _, id := range m.posted[since-1:] {
			news[id] = true
		}
		for id := range news {
			if o, there := m.posts[id]; there {
				p.Seen = append(p.Seen, o)
			} else {
				p.Gone = append(p.Gone, id)
			}
		}
	}
	slices.SortFunc(p.Seen, func(a, b resource.Observation) int { return resource.Compare(a.ID, b.ID) })
	slices.SortFunc(p.Gone, resource.Compare)
	return p, ctx.Err()
}

// Watch calls f after something was written; see state.Watcher.
func (m *Memory) Watch(ctx context.Context, f func()) error {
	for {
		m.mu.Lock()
		if m.written == nil {
			m.written = make(chan struct{})
		}
		written := m.written
		m.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-written:
			f()
		}
	}
}

// wrote wakes those who watch. The caller holds m.mu.
func (m *Memory) wrote() {
	if m.written != nil {
		close(m.written)
		m.written = nil
	}
}

// Fenced returns m as a process sees it that may write about an account only while
// leads says so: where it does not, the write is refused with the fault Fenced.
func (m *Memory) Fenced(leads func(account string) bool) state.Store { return &fenced{m, leads} }

type fenced struct {
	*Memory
	leads func(account string) bool
}

// check returns the fault where one of the accounts is not led.
func (f *fenced) check(accounts ...string) error {
	for _, account := range accounts {
		if !f.leads(account) {
			err := fmt.Errorf("account %s is not this process's any more", account)
			return &state.Error{Fault: state.Fenced, Path: "memory", Err: err}
		}
	}
	return nil
}

// Save writes records of accounts that are led.
func (f *fenced) Save(ctx context.Context, records ...resource.Applied) error {
	for _, r := range records {
		if err := f.check(r.ID.Account); err != nil {
			return err
		}
	}
	return f.Memory.Save(ctx, records...)
}

// Forget removes records of accounts that are led.
func (f *fenced) Forget(ctx context.Context, ids ...resource.ID) error {
	for _, id := range ids {
		if err := f.check(id.Account); err != nil {
			return err
		}
	}
	return f.Memory.Forget(ctx, ids...)
}

// Begin writes that an act of an account that is led is about to happen.
func (f *fenced) Begin(ctx context.Context, a resource.Act) error {
	if err := f.check(a.ID.Account); err != nil {
		return err
	}
	return f.Memory.Begin(ctx, a)
}

// Settle writes how an act of an account that is led ended.
func (f *fenced) Settle(ctx context.Context, a resource.Act) error {
	if err := f.check(a.ID.Account); err != nil {
		return err
	}
	return f.Memory.Settle(ctx, a)
}

// Open writes the intent of a call of an account that is led.
func (f *fenced) Open(ctx context.Context, e state.Entry) (int64, error) {
	if err := f.check(e.Account); err != nil {
		return 0, err
	}
	return f.Memory.Open(ctx, e)
}

// Close writes the outcome of a call of an account that is led.
func (f *fenced) Close(ctx context.Context, n int64, o state.Outcome) error {
	f.mu.Lock()
	var err error
	for _, e := range slices.Backward(f.journal) {
		if e.Number == n {
			err = f.check(e.Account)
			break
		}
	}
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.Memory.Close(ctx, n, o)
}

// Post writes what was seen of an account that is led.
func (f *fenced) Post(ctx context.Context, account string, seen []resource.Observation, gone []resource.ID) error {
	if err := f.check(account); err != nil {
		return err
	}
	return f.Memory.Post(ctx, account, seen, gone)
}
