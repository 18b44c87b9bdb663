package reconcile

import (
	"context"
	"fmt"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
)

// followSoon is how soon a pass follows what other processes have written.
const followSoon = 200 * time.Millisecond

// following is what others see of the accounts that they lead, as it stands on the
// store's Board. It belongs to the goroutine that runs passes.
type following struct {
	board state.Board // nil where the store has none, or there are no others
	next  state.Cursor
	posts state.Posts // that came since the last pass
	// ahead is when something was seen by the clock of who saw it, where that is later
	// than this process's own.
	ahead map[resource.ID]time.Time
}

func (r *Reconciler) beginFollowing() {
	f := following{ahead: map[resource.ID]time.Time{}}
	if r.opts.Cluster != nil {
		f.board, _ = r.opts.Store.(state.Board)
	}
	r.following, r.poster = f, newPoster(f.board, r.opts.Logger)
}

// watchStore asks for a pass after other processes have written, until ctx ends.
func (r *Reconciler) watchStore(ctx context.Context, w state.Watcher) {
	for ctx.Err() == nil {
		if err := w.Watch(ctx, func() { r.markSoon(followSoon) }); err != nil && ctx.Err() == nil {
			r.opts.Logger.Warn("cannot watch what other processes write; looking again soon", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pauseAfterError):
			r.MarkDirty()
		}
	}
}

// foreign reports whether what is posted of an account counts for the pass under way:
// while others lead it, and once when it is taken over.
func (r *Reconciler) foreign(account string) bool {
	return !r.leads(account) || r.leading.taken[account]
}

// readPosts reads what was posted since the last pass.
func (r *Reconciler) readPosts(ctx context.Context) error {
	f := &r.following
	f.posts = state.Posts{}
	if f.board == nil || r.leadsAll() && len(r.leading.taken) == 0 {
		return nil
	}
	var err error
	if f.posts, err = f.board.Posted(ctx, f.next); err != nil {
		return fmt.Errorf("read what others have seen: %w", err)
	}
	f.next = f.posts.Next
	return nil
}

// takePosts takes over what was posted. What is older than the record of a resource says
// nothing of it: both times are of who leads it.
func (r *Reconciler) takePosts(m memory) {
	f := &r.following
	if f.board == nil {
		return
	}
	now, posted := time.Now(), make(map[resource.ID]bool, len(f.posts.Seen))
	for _, o := range f.posts.Seen {
		if !r.foreign(o.ID.Account) || r.judge(o.ID) == nil {
			continue
		}
		if posted[o.ID] = true; o.At.Before(m.last[o.ID].At) {
			r.unsee(o.ID)
			continue
		}
		r.show(o, now)
	}
	for _, id := range f.posts.Gone {
		if r.foreign(id.Account) {
			r.unsee(id)
		}
	}
	if f.posts.Whole {
		for id := range r.seen.of {
			if r.foreign(id.Account) && !posted[id] {
				r.unsee(id)
			}
		}
	}
	for id := range r.replica.last.touched {
		if r.foreign(id.Account) && !posted[id] && r.seenAt(id).Before(m.last[id].At) {
			r.unsee(id)
		}
	}
	f.posts = state.Posts{}
}

// show takes over what another process has seen.
func (r *Reconciler) show(o resource.Observation, now time.Time) {
	delete(r.following.ahead, o.ID)
	if o.At.After(now) {
		r.following.ahead[o.ID], o.At = o.At, now
	}
	r.seen.put(o.ID, o)
	r.sights.show(o)
}

// unsee forgets what another process has seen.
func (r *Reconciler) unsee(id resource.ID) {
	delete(r.following.ahead, id)
	r.seen.drop(id)
	r.sights.hide(id)
}

// seenAt returns when a resource was seen, by the clock of who saw it.
func (r *Reconciler) seenAt(id resource.ID) time.Time {
	if at, ahead := r.following.ahead[id]; ahead {
		return at
	}
	return r.seen.of[id].At
}

// missing returns by account what nothing was seen of, of the accounts not known whole.
// What is in doubt is read apart.
func (r *Reconciler) missing(m memory) map[string][]resource.Resource {
	out := map[string][]resource.Resource{}
	for _, res := range r.everything(m) {
		_, seen := r.seen.of[res.ID]
		if !seen && !r.scan.known[res.ID.Account] && !r.leading.doubts[res.ID] {
			out[res.ID.Account] = append(out[res.ID.Account], res)
		}
	}
	return out
}

// show is put for what another process has seen: later word of it counts, whatever its
// clock says.
func (s *sights) show(o resource.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.at[o.ID]; one != nil {
		s.air(one, -1)
		one.seen, one.known = o, true
		s.air(one, 1)
		one.group.stale = true
	}
}

// hide forgets what was seen of a resource.
func (s *sights) hide(id resource.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.at[id]; one != nil {
		s.air(one, -1)
		one.seen, one.known = resource.Observation{ID: id}, false
		one.group.stale = true
	}
}

// wake lets those who look for drift see whether it is theirs to do now.
func (s *sights) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell()
}

// overlook forgets what was seen of a resource of which the plan says nothing. Of an
// account that others lead it is kept, as it stands on the board: they may know a
// revision that this process is about to meet.
func (r *Reconciler) overlook(id resource.ID) {
	if !r.leads(id.Account) {
		return
	}
	if _, seen := r.seen.of[id]; seen {
		r.poster.remove(id)
	}
	delete(r.following.ahead, id)
	r.seen.drop(id)
}

// forgetForeign forgets, of accounts that are taken over, what former leaders looked at
// and p does not speak of.
func (r *Reconciler) forgetForeign(p *plan.Plan) {
	if len(r.leading.taken) == 0 {
		return
	}
	for id := range r.seen.of {
		if _, known := p.Find(id); r.leading.taken[id.Account] && !known {
			r.overlook(id)
		}
	}
}
