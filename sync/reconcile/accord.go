package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"strings"
	"time"

	"weir/sync/cluster"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/source"
	"weir/sync/state"
)

// The members of a cluster fetch and read each source on their own, and apply only what
// is in force for all of them: what the mark says that the leader of cluster.Sources
// writes. Who has another revision looks again, and waits.

// The measures of a member that has another revision than the cluster.
const (
	offerAfter  = 3 * time.Second  // until others hear of what it has
	yieldAfter  = 15 * time.Second // until it leaves its accounts to others
	yieldSpread = 10 * time.Second // within which not all of them do at once
	lookSoon    = time.Second      // between two looks whether the members agree
	lookLater   = 10 * time.Second // the same where they have not for long
)

// accord is what the cluster has in force of a source, as this member has seen it.
type accord struct {
	revision string    // "" for none
	seen     time.Time // since when
	apart    time.Time // since when this member has another, zero where it does not
	waits    string    // why nothing of the source is handed out, for people; "" where it is
	offered  string    // what this member has told others that it has
	asked    string    // the offer of another for which the source was looked at
}

// shared reports whether this process is one of several that agree on what is in force.
func (r *Reconciler) shared() bool { return r.opts.Cluster != nil && r.resides }

// compare takes over from the marks what is in force for the cluster.
func (r *Reconciler) compare(now time.Time) {
	if !r.shared() {
		return
	}
	for _, f := range r.feeds {
		revision := r.marks.of(f.Follows)[state.InForce].Revision
		if a := &f.accord; a.seen.IsZero() || revision != a.revision {
			a.revision, a.seen = revision, now
			if !a.agrees(f) && revision != f.markedAs {
				poke(f.Source)
			}
		}
	}
}

// agrees reports whether f has in force what the cluster has. Of what nothing is in
// force of nothing is applied.
func (a *accord) agrees(f *feed) bool {
	return f.Follows == "" || f.force.revision == "" || f.force.revision == a.revision
}

// mayMark reports whether this process says which revision of f is in force. A member
// that has come to lead the sources does so where what it has follows what was in
// force, or where its source shows that it is the newest.
func (r *Reconciler) mayMark(f *feed) bool {
	if !r.shared() {
		return true
	}
	a := f.accord
	return r.leads(cluster.Sources) && (a.revision == "" || a.revision == f.markedAs || r.newest(f, a.seen))
}

// newest reports whether the source of f has shown since a time that it holds nothing
// newer than what is accepted of it.
func (r *Reconciler) newest(f *feed, since time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.broken() || f.latest != f.loaded {
		return false
	}
	_, looks := f.Source.(source.Watched)
	return !looks || f.checked().After(since)
}

// broken reports whether what f has accepted is not the newest of its source: that
// cannot be read, or its newest revision is refused. The caller holds r.mu.
func (f *feed) broken() bool {
	refused := f.pin == nil && f.loaded != nil && (f.accepted.revision != f.loaded.Revision || manifest.Failed(f.clashes))
	return f.err != nil || refused
}

// mine reports whether c is this process's to make, as of the pass under way.
func (r *Reconciler) mine(c plan.Change) bool {
	return r.leads(c.ID.Account) && !r.apart[c.Origin.Source]
}

// settleAccords says of each source whether this member waits for the others, and
// takes back what it was about to do where it does.
func (r *Reconciler) settleAccords(ctx context.Context, now time.Time) {
	if !r.shared() {
		return
	}
	view := r.opts.Cluster.View()
	r.apart = map[string]bool{}
	for _, f := range r.feeds {
		r.settleAccord(ctx, f, view, now)
	}
	for id, l := range r.under {
		if r.apart[l.changes[id].Origin.Source] {
			r.takeOut(l, id)
		}
	}
	r.declareReady(view, now)
}

func (r *Reconciler) settleAccord(ctx context.Context, f *feed, view cluster.View, now time.Time) {
	a, waits := &f.accord, ""
	switch {
	case a.agrees(f):
		f.markedAs, a.apart = cmp.Or(f.force.revision, f.markedAs), time.Time{}
		r.offer(ctx, f, "")
	default:
		if a.apart.IsZero() {
			a.apart = now
		}
		waits = r.waitsFor(f, view)
		r.apart[f.Name] = true
		r.lookAgain(now.Sub(a.apart))
		if now.Sub(a.apart) >= offerAfter && !r.leads(cluster.Sources) {
			r.offer(ctx, f, f.force.revision)
		}
	}
	r.hearOffers(f, view)
	if waits != "" && a.waits == "" {
		r.opts.Logger.Warn("this member waits", "source", f.Name, "in_force_here", f.force.revision, "why", waits)
	}
	r.mu.Lock()
	a.waits = waits
	r.mu.Unlock()
}

func (r *Reconciler) lookAgain(apart time.Duration) {
	if apart < yieldAfter+yieldSpread {
		r.markSoon(lookSoon)
		return
	}
	r.markSoon(lookLater)
}

// waitsFor says why f is not applied by this member.
func (r *Reconciler) waitsFor(f *feed, view cluster.View) string {
	leader := cmp.Or(view.Leaders[cluster.Sources].Name, "the cluster")
	revision := short(f.accord.revision)
	switch {
	case r.leads(cluster.Sources):
		return fmt.Sprintf("looks whether revision %s, which another member had in force, is followed by %s, which this one has",
			revision, short(f.force.revision))
	case revision == "":
		return fmt.Sprintf("waits until %s puts a revision in force; this member has %s", leader, short(f.force.revision))
	}
	text := fmt.Sprintf("waits for revision %s, which %s has in force; this member has %s",
		revision, leader, short(f.force.revision))
	if _, keepsHistory := f.Source.(source.History); !keepsHistory {
		text += "; the folders of all members must hold the same"
	}
	return text
}

// offer tells the others which revision this member has accepted, "" for none that they
// have not: one of them may not be able to read it.
func (r *Reconciler) offer(ctx context.Context, f *feed, revision string) {
	r.mu.Lock()
	if f.broken() {
		revision = ""
	}
	r.mu.Unlock()
	if f.Follows == "" || revision == f.accord.offered || r.opts.DryRun {
		return
	}
	m := state.Mark{Source: r.ofMine(f.Follows), Role: state.Offered, Revision: revision, At: time.Now()}
	if err := r.setMark(ctx, m); err != nil {
		r.opts.Logger.Warn("cannot tell the others what this member has", "source", f.Name, "error", err)
		return
	}
	f.accord.offered = revision
}

// offers returns what other members that could lead the sources have of f, and the
// cluster does not have in force.
func (r *Reconciler) offers(f *feed, view cluster.View) []string {
	var out []string
	for _, m := range view.Members {
		if m.ID == view.Self || m.Once || !slices.Contains(m.Accounts, cluster.Sources) {
			continue
		}
		offered := r.marks.of(state.OfMember(f.Follows, m.Name))[state.Offered].Revision
		if offered != "" && offered != f.accord.revision && offered != f.force.revision {
			out = append(out, offered)
		}
	}
	return out
}

// hearOffers has the source of f looked at where another has more of it.
func (r *Reconciler) hearOffers(f *feed, view cluster.View) {
	offers := r.offers(f, view)
	if all := strings.Join(offers, ","); all != f.accord.asked {
		f.accord.asked = all
		if all != "" {
			poke(f.Source)
		}
	}
}

// declareReady says which accounts this member can lead: all of its configuration, once
// it knows what is declared. What it cannot lead well it leaves to others, where there
// are any.
func (r *Reconciler) declareReady(view cluster.View, now time.Time) {
	var ready []string
	if r.desired.ready {
		far, unfit, readOnly := r.farApart(view, now), r.unfit(view), r.opts.ReadOnly() != ""
		for _, account := range append(sortedKeys(r.opts.Accounts), cluster.Sources) {
			lesser := (far || readOnly) && account != cluster.Sources || unfit && account == cluster.Sources
			if !lesser || !ledBetter(view, account) {
				ready = append(ready, account)
			}
		}
	}
	if !slices.Equal(ready, r.offering) {
		r.offering = ready
		r.opts.Cluster.Ready(ready...)
	}
}

// farApart reports whether this member has not had for long what the cluster has in
// force.
func (r *Reconciler) farApart(view cluster.View, now time.Time) bool {
	patience := yieldAfter + spread(view.Self, yieldSpread)
	return slices.ContainsFunc(r.feeds, func(f *feed) bool {
		at := f.accord.apart
		return !at.IsZero() && now.Sub(at) >= patience && !r.leads(cluster.Sources)
	})
}

// unfit reports whether another member can read of a source what this one cannot.
func (r *Reconciler) unfit(view cluster.View) bool {
	return slices.ContainsFunc(r.feeds, func(f *feed) bool {
		r.mu.Lock()
		broken := f.broken()
		r.mu.Unlock()
		return broken && (!f.accord.agrees(f) || len(r.offers(f, view)) > 0)
	})
}

// ledBetter reports whether another member could lead an account.
func ledBetter(view cluster.View, account string) bool {
	return slices.ContainsFunc(view.Members, func(m cluster.Member) bool {
		return m.ID != view.Self && !m.Once && slices.Contains(m.Accounts, account)
	})
}

// spread is a part of a time that is another for each member.
func spread(member string, of time.Duration) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(member))
	return of * time.Duration(h.Sum32()%97) / 97
}

// ofMine names what this member alone keeps of something, in a cluster: what crashes one
// is counted for that one.
func (r *Reconciler) ofMine(of string) string {
	if r.opts.Cluster == nil {
		return of
	}
	return state.OfMember(of, NameOf(r.opts.Cluster))
}

// NameOf returns the name by which people know this process in a cluster.
func NameOf(c cluster.Cluster) string {
	view := c.View()
	for _, m := range view.Members {
		if m.ID == view.Self && m.Name != "" {
			return m.Name
		}
	}
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return host
}

// poke has a source looked at soon.
func poke(s source.Source) {
	if p, ok := s.(interface{ Poke() }); ok {
		p.Poke()
	}
}

// Hear takes over that there may be news of a source, of all with "": somebody has told
// another member so.
func (r *Reconciler) Hear(source string) {
	if source == "" {
		r.MarkFull()
		return
	}
	for _, f := range r.feeds {
		if f.Name == source {
			poke(f.Source)
		}
	}
	r.MarkDirty()
}
