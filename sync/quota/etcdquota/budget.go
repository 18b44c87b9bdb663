package etcdquota

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"weir/sync/boottime"
	"weir/sync/call"
	"weir/sync/etcd"
)

// budget is an account's.
type budget struct {
	desk    *Desk
	account string

	mu         sync.Mutex
	operations map[string]*operation
}

var (
	_ call.Shared = (*budget)(nil)
	_ call.Looker = (*budget)(nil)
)

// operation returns the named one.
func (b *budget) operation(name string) *operation {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.operations[name]
	if !ok {
		o = newOperation(b.desk, b.account, name)
		b.operations[name] = o
	}
	return o
}

// all returns those that were ever called.
func (b *budget) all() []*operation {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.operations))
}

// Usable reports whether slots can be taken now.
func (b *budget) Usable() bool { return b.desk.Trouble() == nil }

// Take waits for a slot of the process's part.
func (b *budget) Take(ctx context.Context, want call.Want) (call.Slot, error) {
	o := b.operation(want.Operation)
	end := o.asks(want.Priority)
	defer end()
	since := boottime.Now().After(-want.Waited)
	for ctx.Err() == nil {
		want.Waited = since.Until(boottime.Now())
		taken, later := o.take(want) //nolint:contextcheck // who follows the sheet does so for longer
		if taken != nil {
			return taken, nil
		}
		later.await(ctx)
	}
	return nil, ctx.Err()
}

// slot is one of a process's part.
type slot struct {
	of     *operation
	side   *side
	lease  *etcd.Lease // the part is the process's while it lasts
	number int64
	taken  boottime.Instant
	from   boottime.Instant // when it is free
	part   float64
	cuts   int64 // the sheet's when it was taken
	within bool
}

var _ call.Lasting = (*slot)(nil)

// Part is the part of the windows that may be used.
func (s *slot) Part() float64 { return s.part }

// Longest reports whether the slot's number is one of those that are for whoever has
// waited longest in this process; among processes that is what lending is for.
func (s *slot) Longest() bool { return s.number%call.LongestEvery == 0 }

// Within reports whether the calls of all processes were surely within the documented
// windows.
func (s *slot) Within() bool { return s.within }

// Left returns for how long the slot may be used at most.
func (s *slot) Left() time.Duration { return s.lease.Left() }

// Ready waits until the slot is free, and reports whether it was taken a moment ago
// and enough of the lease is left for a call.
func (s *slot) Ready(ctx context.Context) bool {
	if d := boottime.Now().Until(s.from); d > 0 {
		wait(ctx, d)
	}
	now := boottime.Now()
	return now >= s.from && s.taken.Until(now) <= call.Fresh && s.lease.Left() >= s.of.desk.least
}

// Give frees the slot.
func (s *slot) Give(e call.End) { s.of.give(s, e) }

// Look tells who else wants the operation. Where this process does not follow the sheet
// it reads it.
func (b *budget) Look(ctx context.Context, want call.Want) (call.View, error) {
	o := b.operation(want.Operation)
	if view, ok := o.look(want); ok {
		return view, nil
	}
	stranger := newSide("")
	if _, err := o.read(ctx, stranger); err != nil {
		return call.View{}, err
	}
	if err := o.meet(ctx, stranger); err != nil {
		return call.View{}, err
	}
	return stranger.look(boottime.Now(), want, b.desk.known), nil
}
