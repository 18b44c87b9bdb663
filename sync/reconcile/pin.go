package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/source"
	"weir/sync/state"
)

// Pin says that a revision of a source was rolled back: it is not applied again,
// and any other revision ends that.
type Pin struct {
	Revision string    `json:"revision"`
	Plan     string    `json:"plan,omitempty"` // hash of the one rolled back, "" until that is done
	At       time.Time `json:"at"`
	Text     string    `json:"text"` // all of it, for people

	former string // the revision that was in force before, "" where nobody knows
}

// holder keeps what was rolled back from coming into force, and reports whether
// that or its end has changed what is accepted of f.
type holder func(ctx context.Context, f *feed, tell func(f *feed, accepted bool)) bool

// marks are the store's, at one time.
type marks []state.Mark

// of returns the marks of a source by role.
func (m marks) of(source string) map[state.Role]state.Mark {
	out := map[state.Role]state.Mark{}
	for _, mark := range m {
		if mark.Source == source && source != "" {
			out[mark.Role] = mark
		}
	}
	return out
}

// pin returns the pin of a source, nil for none.
func (m marks) pin(source string) *Pin {
	known := m.of(source)
	pinned := known[state.Pinned]
	if pinned.Revision == "" {
		return nil
	}
	p := &Pin{Revision: pinned.Revision, At: pinned.At, Plan: known[state.Undone].Revision}
	if former := known[state.Former].Revision; former != pinned.Revision {
		p.former = former
	}
	return p
}

// recallMarks reads the marks that a pass goes by. Without them a revision that
// was rolled back could not be told from another, so that there is no pass.
func (r *Reconciler) recallMarks(ctx context.Context) error {
	m, err := r.readMarks(ctx)
	if err != nil {
		return fmt.Errorf("read marks: %w", err)
	}
	r.marks = m
	return nil
}

// notePin remembers that the newest revision of f was rolled back, and lets it be
// looked at: the guard rolled-back holds its plan.
func (r *Reconciler) notePin(_ context.Context, f *feed, _ func(*feed, bool)) bool {
	f.pin = r.marks.pin(f.Follows)
	if f.pin == nil || f.loaded == nil || f.loaded.Revision != f.pin.Revision {
		f.pin = nil
		return false
	}
	f.pin.Text = f.pin.text(f.Name, true)
	return false
}

// holdBack keeps a revision of f that was rolled back from coming into force:
// the one that was in force before does, where the source still has it. The
// caller holds r.mu.
func (r *Reconciler) holdBack(ctx context.Context, f *feed, tell func(*feed, bool)) bool {
	was, now := f.pin, r.marks.pin(f.Follows)
	switch {
	case f.loaded == nil || was == nil && now == nil:
		return false
	case now == nil:
		return r.release(ctx, f, tell)
	case f.accepted.revision == f.loaded.Revision && f.loaded.Revision != now.Revision:
		f.pin = nil // mark removes it, once what is accepted is in force
		r.opts.Logger.Info("another revision ends the pin", "source", f.Name, "pinned", now.Revision)
		return false
	}
	f.pin = now
	changed := r.putFormer(ctx, f)
	now.Text = now.text(f.Name, f.accepted.revision != "")
	if was == nil || was.Plan != now.Plan {
		r.opts.Logger.Warn("a revision was rolled back", "source", f.Name, "revision", now.Revision,
			"in_force", f.accepted.revision, "pin", now.Text)
	}
	return changed || was == nil
}

// release lets the newest revision of f come into force again: somebody has
// removed its pin.
func (r *Reconciler) release(ctx context.Context, f *feed, tell func(*feed, bool)) bool {
	pinned := f.pin.Revision
	f.pin, f.markedAs = nil, ""
	r.opts.Logger.Info("the pin was removed", "source", f.Name, "revision", pinned)
	if f.loaded.Revision != pinned {
		return false
	}
	accepted := r.loadFeed(ctx, f)
	tell(f, accepted)
	return accepted
}

// putFormer makes what was in force before the pinned revision the accepted one,
// or nothing: while the rollback is under way, and where it cannot be had.
func (r *Reconciler) putFormer(ctx context.Context, f *feed) bool {
	was := f.accepted.revision
	h, ok := f.Source.(source.History)
	switch {
	case f.pin.Plan == "" || f.pin.former == "" || !ok:
		f.accepted = edition{}
	case was != f.pin.former:
		f.accepted = r.former(ctx, h, f)
	}
	if f.force.revision == f.pin.Revision {
		f.force = edition{} // nothing falls back to it
	}
	return f.accepted.revision != was
}

// former reads the revision that f goes back to, with r.mu free meanwhile.
func (r *Reconciler) former(ctx context.Context, h source.History, f *feed) edition {
	revision := f.pin.former
	r.mu.Unlock()
	defer r.mu.Lock()
	e, _ := r.editionAt(ctx, h, f, revision)
	return e
}

// text says what the pin is, with what remains in force meanwhile.
func (p *Pin) text(name string, something bool) string {
	at := p.At.UTC().Format(time.RFC3339)
	if p.Plan == "" {
		return fmt.Sprintf("revision %s of source %s is pinned by a rollback that began at %s and has not ended; "+
			"nothing of the source is in force until the next revision, or `weir rollback --unpin`", short(p.Revision), name, at)
	}
	text := fmt.Sprintf("revision %s of source %s is pinned by rollback of %s at %s, goes on with the next revision",
		short(p.Revision), name, short(p.Plan), at)
	if !something {
		text += "; nothing of the source is in force until then"
	}
	return text
}

// shortDigits is how much of a hash people are shown.
const shortDigits = 12

func short(hash string) string {
	kind, digits, ok := strings.Cut(hash, ":")
	if !ok {
		return hash[:min(len(hash), shortDigits)]
	}
	return kind + ":" + short(digits)
}

// shelved reports whether rec is of a source of which nothing is in force because
// its revision was rolled back: it has not left the source.
func (r *Reconciler) shelved(rec resource.Applied) bool {
	pinned := slices.ContainsFunc(r.feeds, func(f *feed) bool { return f.shelves() && f.Name == rec.Origin.Source })
	if !pinned {
		return false
	}
	_, declared := r.desired.set.Get(rec.ID)
	return !declared
}

// shelves reports whether nothing of f is in force because its revision was rolled
// back.
func (f *feed) shelves() bool { return f.pin != nil && f.force.revision == "" }

// pinnedInForce says of what is in force which of it was rolled back: in a
// process that only looks, and where the sources cannot be put together without.
func (r *Reconciler) pinnedInForce() []string {
	var out []string
	for _, f := range r.feeds {
		if f.pin != nil && slices.Contains(strings.Split(r.desired.revision, ","), f.pin.Revision) {
			out = append(out, f.pin.Text)
		}
	}
	return out
}

// removePin removes the pin of a source.
func (r *Reconciler) removePin(ctx context.Context, follows string) error {
	now := time.Now()
	return errors.Join(
		r.setMark(ctx, state.Mark{Source: follows, Role: state.Pinned, At: now}),
		r.setMark(ctx, state.Mark{Source: follows, Role: state.Undone, At: now}),
	)
}

// revokedEvery is how often a plan under way asks whether its revision was rolled
// back meanwhile.
const revokedEvery = time.Second

// revoked is what was last said against a plan under way. Changes ask side by side.
type revoked struct {
	mu    sync.Mutex
	asked time.Time
	why   string
}

// against says why a change of the plan of a revision is not to begin, "" where
// nothing stands against it. What is declared otherwise meanwhile must not be
// removed; what else is not wanted any more the next plan tells.
func (r *Reconciler) against(ctx context.Context, revision string, c plan.Change) string {
	if c.Action == plan.Delete && r.superseded() {
		return "what is declared has changed meanwhile; planned again"
	}
	return r.halted(ctx, revision)
}

// halted says why nothing more of a plan is to begin, "" to go on. Its answer is
// a second old at most.
func (r *Reconciler) halted(ctx context.Context, revision string) string {
	r.revoked.mu.Lock()
	defer r.revoked.mu.Unlock()
	if now := time.Now(); now.Sub(r.revoked.asked) >= revokedEvery {
		r.revoked.asked, r.revoked.why = now, r.revocation(ctx, revision)
	}
	return r.revoked.why
}

// revocation says why a plan of that revision must not be applied: a part of it
// was rolled back. A store that cannot be read stops nothing here, since then no
// call can be written down either.
func (r *Reconciler) revocation(ctx context.Context, revision string) string {
	m, err := r.readMarks(context.WithoutCancel(ctx)) // what is told to stop need not warn
	if err != nil {
		r.opts.Logger.Warn("cannot read what was rolled back", "error", err)
		return ""
	}
	for _, f := range r.opts.Feeds {
		p := marks(m).pin(f.Follows)
		if p != nil && slices.Contains(strings.Split(revision, ","), p.Revision) {
			return p.text(f.Name, true) + "; to apply it all the same: weir rollback --unpin"
		}
	}
	return ""
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
