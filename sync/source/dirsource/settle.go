package dirsource

import (
	"context"
	"errors"
	"os"
	"time"

	"weir/sync/source"
)

// trigger is why the tree is looked at.
type trigger int

const (
	first  trigger = iota // the caller has not got what is there: do not wait
	event                 // something may have changed
	rescan                // it is time to
	rehash                // it is time to read every file
	retry                 // the last look found a fault
)

var errUnstable = errors.New("files kept changing while they were looked at")

// settling is the search for a state of the tree that can be trusted: two
// scans in a row that agree, with quiet between the last change and the second.
// The first runs during the quiet, and the second ends with it, so a change
// counts when the quiet is over and not two scans later.
type settling struct {
	s       *Source
	ctx     context.Context
	began   time.Time
	changed time.Time // when the last change is known to have been noticed
	prior   *listing
	scanned time.Time // when prior was begun
	// unsteady is the path that two scans last disagreed on.
	unsteady string
}

// settle scans until the tree can be trusted. The error is the context's.
func (s *Source) settle(ctx context.Context, why trigger) (*listing, error) {
	st := &settling{s: s, ctx: ctx, began: time.Now()}
	st.changed = st.began
	if why == event {
		st.changed = s.watch.lastEvent()
		if err := st.sleep(st.changed.Add(s.opt.Quiet / 5)); err != nil {
			return nil, err
		}
	}
	if err := st.look(s.last, why == rehash); err != nil {
		return nil, err
	}
	if s.last != nil && st.prior.agrees(s.last) {
		return st.prior, nil
	}
	if why == first {
		if done, err := st.confirm(); done || err != nil {
			return st.prior, err
		}
	}
	return st.converge()
}

// converge takes pairs of scans until one counts.
func (st *settling) converge() (*listing, error) {
	for {
		if err := st.calm(st.s.early()); err != nil {
			return nil, err
		}
		begun := time.Now()
		done, err := st.confirm()
		if err != nil {
			return nil, err
		}
		if done {
			if err := st.calm(0); err != nil {
				return nil, err
			}
			if st.late() || st.s.watch.lastEvent().Before(begun) {
				return st.prior, nil
			}
		}
		if time.Since(st.began) > st.s.opt.Rescan+st.s.opt.Longest {
			return st.giveUp(), nil
		}
	}
}

// confirm scans again, and reports whether that agrees with the scan before.
func (st *settling) confirm() (bool, error) {
	before := st.prior
	if err := st.look(before, false); err != nil {
		return false, err
	}
	if before.confirms(st.prior, st.s.last) {
		return true, nil
	}
	st.changed = st.scanned
	if st.prior.fault == nil && before.fault == nil {
		st.unsteady = before.difference(st.prior)
	}
	return false, nil
}

// look takes one scan, which becomes the one before the next.
func (st *settling) look(old *listing, reread bool) error {
	begun := time.Now()
	list, err := st.s.scan(st.ctx, old, reread)
	if err != nil {
		return err
	}
	st.prior, st.scanned = list, begun
	st.s.cost = time.Since(begun)
	st.s.opt.scanned()
	return nil
}

// early is how much before the end of the quiet the second scan begins.
func (s *Source) early() time.Duration { return min(s.cost, s.opt.Quiet/2) }

// late reports whether the tree has been busy so long that a change counts
// without quiet.
func (st *settling) late() bool { return time.Since(st.began) >= st.s.opt.Longest }

// calm waits until the tree has been quiet, or busy for too long; between two
// scans there is a quiet's length even then, lest both see the same half of a
// file.
func (st *settling) calm(early time.Duration) error {
	for {
		since := st.changed
		if last := st.s.watch.lastEvent(); last.After(since) {
			since = last
		}
		end := since.Add(st.s.opt.Quiet)
		if longest := later(st.began.Add(st.s.opt.Longest), st.scanned.Add(st.s.opt.Quiet)); end.After(longest) {
			end = longest
		}
		end = end.Add(-early)
		if !end.After(time.Now()) {
			return nil
		}
		if err := st.sleep(end); err != nil {
			return err
		}
	}
}

func (st *settling) sleep(until time.Time) error {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-st.ctx.Done():
		return st.ctx.Err()
	case <-st.s.closed:
		return os.ErrClosed
	}
}

// giveUp makes a fault of a tree that never comes to rest, so that it is seen
// and not waited for in silence.
func (st *settling) giveUp() *listing {
	if st.prior.fault == nil {
		st.prior.fault = &source.Error{Code: source.CodeUnstable, Path: st.unsteady, Err: errUnstable}
	}
	return st.prior
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
