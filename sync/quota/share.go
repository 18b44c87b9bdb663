package quota

import (
	"context"
	"time"

	"weir/sync/call"
)

// Desk is where processes keep the books of one account's operations.
type Desk interface {
	// Update lets f read and change the book of an operation, which nobody else
	// does meanwhile, and keeps what f made of it. It may call f again with the
	// book as it is then, where it could not be kept. An error other than ctx's
	// means that the books cannot be used now.
	Update(ctx context.Context, operation string, f func(b *Book, now Instant)) error
	// Now is the instant by the clock that Update has.
	Now() Instant
}

// giveTime bounds how long the end of a call is being written: without it the
// slot expires by itself.
const giveTime = time.Second

// Share makes a shared budget of a desk, for one process with a number that no
// other has.
func Share(d Desk, process int64) call.Shared { return &shared{desk: d, process: process} }

type shared struct {
	desk    Desk
	process int64
}

var _ call.Shared = (*shared)(nil)

// Take asks the book until it has a slot.
func (s *shared) Take(ctx context.Context, want call.Want) (call.Slot, error) {
	since := s.desk.Now().After(-want.Waited)
	for {
		taken := slot{desk: s.desk, operation: want.Operation}
		var again time.Duration
		err := s.desk.Update(ctx, want.Operation, func(b *Book, now Instant) {
			want.Waited = since.Until(now)
			taken.number, taken.from, again = b.Take(now, s.process, want)
			taken.taken, taken.part, taken.within = now, b.Part(), b.within(taken.from, want)
		})
		if err != nil {
			return nil, err
		}
		if taken.number != 0 {
			return &taken, nil
		}
		want.Unseen, want.Apart = false, false // said once
		if err := pause(ctx, again); err != nil {
			return nil, err
		}
	}
}

// slot is one of a book's.
type slot struct {
	desk      Desk
	operation string
	number    int64
	taken     Instant
	from      Instant // when it is free
	part      float64
	within    bool
}

// Part is the part of the windows that may be used.
func (s *slot) Part() float64 { return s.part }

// Longest reports whether the slot's number is one of those that are for whoever
// has waited longest.
func (s *slot) Longest() bool { return longest(s.number) }

// Within reports whether the calls of all processes were within the documented
// windows.
func (s *slot) Within() bool { return s.within }

// Ready waits until the slot is free, and reports whether it was taken a moment
// ago.
func (s *slot) Ready(ctx context.Context) bool {
	if wait := s.desk.Now().Until(s.from); wait > 0 && pause(ctx, wait) != nil {
		return false
	}
	now := s.desk.Now()
	return now >= s.from && s.taken.Until(now) <= call.Fresh
}

// Give writes the end of the call into the book. Where that cannot be done the
// slot stays taken until it expires.
func (s *slot) Give(e call.End) {
	done := s.desk.Now()
	ctx, cancel := context.WithTimeout(context.Background(), giveTime)
	defer cancel()
	_ = s.desk.Update(ctx, s.operation, func(b *Book, now Instant) { b.Give(min(done, now), s.number, e) })
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
