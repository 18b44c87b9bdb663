package gitsource

import (
	"context"
	"os"
	"time"

	"weir/sync/source"
)

// Next returns what the repository holds once it is at another commit than
// prev, as source.Source says. After an error it waits before it looks again,
// five seconds and doubled up to five minutes, or until Poke. Where prev is nil
// and the remote cannot be used, the accepted commit is returned if it is known
// here, and the error by the call after that.
func (s *Source) Next(ctx context.Context, prev *source.Snapshot) (*source.Snapshot, error) {
	s.next.Lock()
	defer s.next.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(s.done, cancel) //nolint:contextcheck // it is that of Close
	defer stop()
	snap, err := s.run(ctx, prev)
	if s.done.Err() != nil {
		return nil, os.ErrClosed
	}
	return snap, err
}

func (s *Source) run(ctx context.Context, prev *source.Snapshot) (*source.Snapshot, error) {
	if owed := s.owed; owed != nil && prev != nil {
		s.owed = nil
		return nil, s.fails(owed)
	}
	for {
		if err := s.await(ctx, prev); err != nil {
			return nil, err
		}
		rev, err := s.look(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return s.instead(ctx, prev, err)
		}
		healed := s.failed
		s.failed, s.owed = false, nil
		moved := prev == nil || prev.Revision != rev.commit.String()
		s.checked.Store(time.Now().UnixNano())
		s.pace.well(time.Now(), moved)
		if moved || healed {
			snap := rev.snapshot(s.opt.Name)
			snap.Looked, snap.Found = s.pace.begun, time.Now()
			return snap, nil
		}
	}
}

// instead returns what Next returns in place of a revision that it could not
// get.
func (s *Source) instead(ctx context.Context, prev *source.Snapshot, err error) (*source.Snapshot, error) {
	if prev == nil {
		s.regain(ctx, err)
		if rev := s.standing(ctx); rev != nil {
			s.owed = err
			return rev.snapshot(s.opt.Name), nil
		}
	}
	return nil, s.fails(err)
}

// fails takes note of an error that Next returns.
func (s *Source) fails(err error) error {
	s.failed = true
	s.pace.ill(time.Now(), answered(err))
	return err
}

// await blocks until it is time to look.
func (s *Source) await(ctx context.Context, prev *source.Snapshot) error {
	if !s.failed && (s.last == nil || prev == nil || prev.Revision != s.last.commit.String()) {
		s.pace.begin(time.Now())
		return ctx.Err()
	}
	for ctx.Err() == nil {
		timer := time.NewTimer(time.Until(s.pace.due))
		select {
		case now := <-timer.C:
			s.pace.begin(now)
			return ctx.Err()
		case <-s.poked:
			s.pace.hurry(time.Now())
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return ctx.Err()
}

// pace says when to look at the remote.
type pace struct {
	opt    *Options
	due    time.Time
	begun  time.Time     // when the last look began
	wait   time.Duration // after the last error, zero after a success
	poked  bool          // the next look was asked for
	pursue time.Duration // to the next look after one that was asked for and found no news
}

// A poke tells of news that a replica may not have yet: the remote is looked
// at after 1, 2, 4 s and so on for about a minute.
const (
	pursueFirst = time.Second
	pursueMost  = 32 * time.Second
)

func (p *pace) begin(now time.Time) { p.begun = now }

// hurry makes the next look due, but not too soon after the last.
func (p *pace) hurry(now time.Time) {
	p.poked = true
	due := p.begun.Add(p.opt.gap)
	if due.Before(now) {
		due = now
	}
	if due.Before(p.due) {
		p.due = due
	}
}

// well takes note of a look that went well.
func (p *pace) well(now time.Time, moved bool) {
	p.wait = 0
	switch {
	case moved, p.pursue > pursueMost:
		p.pursue = 0
	case p.poked:
		p.pursue = pursueFirst
	}
	p.poked = false
	wait := p.jitter(p.opt.Interval)
	if p.pursue > 0 {
		wait = min(wait, p.pursue)
		p.pursue *= 2
	}
	p.due = now.Add(wait)
}

// ill takes note of one that failed. A remote that answered need not be spared
// for longer than the interval: what is refused may be let through any time.
func (p *pace) ill(now time.Time, answered bool) {
	p.poked, p.pursue = false, 0
	p.wait = min(max(2*p.wait, p.opt.retryFirst), p.opt.retryMost)
	wait := p.wait
	if answered {
		wait = min(wait, p.opt.Interval)
	}
	p.due = now.Add(p.jitter(wait))
}

// jitter returns a duration up to a fifth shorter, so that many sources do not
// ask in step.
func (p *pace) jitter(d time.Duration) time.Duration {
	return d - time.Duration(p.opt.random()*float64(d)/5)
}
