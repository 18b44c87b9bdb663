package dirsource

import (
	"context"
	"os"
	"time"

	"weir/sync/source"
)

// fault is an error that Next returned and that was not overcome since.
type fault struct {
	err  *source.Error
	wait time.Duration // until the next try, doubled each time
	due  time.Time
}

// Next returns what the directory holds once it differs from prev, as
// source.Source says. After a fault it waits before it looks again, one second
// and doubled up to thirty, or until an event; it returns the same fault only
// at the end of such a wait. The first success after a fault is returned even
// when it is equal to prev, so that the caller sees the fault end.
func (s *Source) Next(ctx context.Context, prev *source.Snapshot) (*source.Snapshot, error) {
	for {
		why, err := s.await(ctx, prev)
		if err != nil {
			return nil, err
		}
		looked := time.Now()
		list, err := s.settle(ctx, why)
		if err != nil {
			return nil, err
		}
		s.schedule(list, why)
		if problem := s.refused(prev, list); problem != nil {
			if s.report(problem) {
				return nil, problem
			}
			continue
		}
		if snap := s.accept(prev, list); snap != nil {
			snap.Looked, snap.Found = looked, time.Now()
			return snap, nil
		}
	}
}

// await blocks until there is a reason to look at the tree.
func (s *Source) await(ctx context.Context, prev *source.Snapshot) (trigger, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-s.closed:
		return 0, os.ErrClosed
	default:
	}
	due, why := s.due(prev)
	if why == first {
		return first, nil
	}
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-s.watch.wake:
		return event, nil
	case <-timer.C:
		return why, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-s.closed:
		return 0, os.ErrClosed
	}
}

// due returns when the tree is looked at without an event, and why.
func (s *Source) due(prev *source.Snapshot) (time.Time, trigger) {
	switch {
	case s.fault != nil:
		return s.fault.due, retry
	case s.last == nil, prev == nil, prev.Revision != s.last.revision:
		return time.Time{}, first
	case s.rehash.Before(s.rescan):
		return s.rehash, rehash
	}
	return s.rescan, rescan
}

// schedule sets when the next look without an event is due.
func (s *Source) schedule(list *listing, why trigger) {
	wait := s.opt.Rescan
	if s.watch.degraded() != "" || list.racy() {
		wait = min(wait, degradedRescan)
	}
	s.rescan = time.Now().Add(wait)
	if why == rehash {
		s.rehash = time.Now().Add(s.opt.Rehash)
	}
}

// refused returns why what was found cannot be the next snapshot.
func (s *Source) refused(prev *source.Snapshot, list *listing) *source.Error {
	if list.fault != nil {
		return list.fault
	}
	return doubt(prev, s.last, list)
}

// report takes note of a fault and says whether the caller shall hear of it.
func (s *Source) report(problem *source.Error) bool {
	now := time.Now()
	if s.fault == nil || !sameFault(s.fault.err, problem) {
		s.fault = &fault{err: problem, wait: s.opt.retryFirst, due: now.Add(s.opt.retryFirst)}
		return true
	}
	if now.Before(s.fault.due) {
		return false
	}
	s.fault.wait = min(2*s.fault.wait, s.opt.retryMost)
	s.fault.due = now.Add(s.fault.wait)
	return true
}

// accept makes the listing the last good one, and returns its snapshot where
// the caller has to see it.
func (s *Source) accept(prev *source.Snapshot, list *listing) *source.Snapshot {
	list.revise()
	s.watch.settled(list)
	healed := s.fault != nil
	s.last, s.fault = list, nil
	s.checked.Store(time.Now().UnixNano())
	if prev != nil && prev.Revision == list.revision && !healed {
		return nil
	}
	return list.snapshot(s.opt.Name)
}
