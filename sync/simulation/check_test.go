package simulation

import (
	"context"
	"fmt"
	"slices"
	"testing/synctest"
	"time"

	"weir/sync/emulator"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
)

// check looks at everything that must hold at any time.
func (r *run) check() {
	r.drain()
	w := r.clouds.World()
	r.checkForeign(&w)
	r.checkStore()
	if p := r.daemon; p != nil && !p.dead.Load() {
		r.checkStatus(p, &w)
	}
}

// checkForeign: I3, what is not weir's is as it was.
func (r *run) checkForeign(w *emulator.World) {
	r.tally.check("I3")
	if relayOf(w, "v1.example.com", "foreign") != written(relayGroups()[0]) ||
		!blocked(w, "push1.example.com", "foreign") || !switchedOn(w, foreignDomain().Name) {
		r.violate("I3", "something that was never declared has changed")
	}
}

// checkStore: I8.
func (r *run) checkStore() {
	r.tally.check("I8")
	ctx := context.Background()
	_, err1 := r.store.Applied(ctx)
	_, err2 := r.store.Acts(ctx)
	_, err3 := r.store.Marks(ctx)
	_, err4 := r.store.Journal(ctx, state.Query{Limit: 5})
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			r.violate("I8", "the state cannot be read: %v", err)
		}
	}
}

// checkStatus holds what weir says against what is: I4, I12.
func (r *run) checkStatus(p *process, w *emulator.World) {
	made, status := p.rec.Shown().Plan, p.rec.Status()
	if made == nil {
		return
	}
	if n := len(p.fulls); !status.LastFull.IsZero() && (n == 0 || !p.fulls[n-1].Equal(status.LastFull)) {
		p.fulls = append(p.fulls, status.LastFull)
	}
	seen := map[resource.ID]resource.Observation{}
	for o := range p.rec.Observations("") {
		seen[o.ID] = o
	}
	for c := range made.All() {
		if c.State != plan.InSync {
			continue
		}
		read := p.lastRead(c.ID)
		r.tally.check("I12")
		if c.Unread || c.Fingerprint == "" || read.IsZero() {
			r.violate("I12", "%s is said to be in sync and was not read", c.ID)
		}
		// A scan that ended after another one had begun after that one's end, or a
		// read of its own that began after it was touched, as the scrub makes them.
		touched := r.oracle.touched[c.ID].Add(r.oldest())
		o := seen[c.ID]
		r.checkTold(p, c, o, status.LastPass.Started)
		fresh := o.At.After(touched) && plan.Fingerprint(&o) == c.Fingerprint
		if n := len(p.fulls); fresh || n > 1 && touched.Before(p.fulls[n-2]) {
			r.checkHolds(c, made.Revision, w)
		}
	}
}

// checkTold holds what the newest pass says against what was seen before it: I4.
func (r *run) checkTold(p *process, c plan.Change, o resource.Observation, began time.Time) {
	if o.At.IsZero() || plan.Fingerprint(&o) == c.Fingerprint {
		delete(p.untold, c.ID)
		return
	}
	first, known := p.untold[c.ID]
	if !known || !first.seen.Equal(o.At) {
		p.untold[c.ID] = untold{o.At, time.Now()}
		return
	}
	r.tally.check("I4")
	if began.After(first.noticed) {
		r.violate("I4", "%s is said to be in sync by a pass that began after it was seen otherwise", c.ID)
	}
}

// untold is when something was seen that the newest pass does not know of, and
// when that was noticed.
type untold struct{ seen, noticed time.Time }

// oldest is how old what a read shows may be.
func (r *run) oldest() time.Duration {
	if slices.ContainsFunc(r.kinds, func(k faultKind) bool { return k.name == "stale-read" || k.name == "lag" }) {
		return staleMost + 10*time.Second
	}
	return 0
}

func (r *run) checkHolds(c plan.Change, revision string, w *emulator.World) {
	e, ok := r.source.edition(revision)
	d, declared := e.declared[c.ID]
	if !ok || !declared {
		return
	}
	r.tally.check("I4")
	if why := d.thing.variants[d.variant].holds(w, time.Now()); why != "" && !nearEnd(d) {
		r.violate("I4", "%s is said to be in sync: %s", c.ID, why)
	}
}

// nearEnd reports whether a declared end is so near that the last pass may have
// been before it.
func nearEnd(d document) bool {
	return d.thing.id.Kind == "StreamIngest" && time.Since(blockEnd()) > 0 && time.Since(blockEnd()) < 6*time.Minute
}

// ended reports whether c is a block whose declared end has passed, and that
// stands since an earlier declaration without one.
func ended(c plan.Change) bool { return c.ID.Kind == "StreamIngest" && !time.Now().Before(blockEnd()) }

// reported reports whether c differs where drift is only reported: what stale
// reads made weir take for someone else's is told of then, and left.
func (r *run) reported(c plan.Change) bool { return !r.policy.HealDrift && c.State == plan.Differs }

// The last phase of a run: no fault any more, and people who do what is asked
// of them.
const restMost = 40 * time.Minute

// finish lets the run come to rest and looks at the end: I1.
func (r *run) finish() {
	r.heal()
	r.source.fail(nil)
	synctest.Wait()
	if r.newest().broken {
		r.commit("repair", false)
	}
	r.wait(time.Second) // what is on its way arrives
	patient := r.dice.chance(0.7)
	r.running()
	began := time.Now()
	var fulls []time.Time
	for pause := 2 * time.Second; ; pause = min(pause*3/2, 30*time.Second) {
		r.running()
		if full := r.daemon.rec.Status().LastFull; full.After(began) && !slices.Contains(fulls, full) {
			fulls = append(fulls, full)
		}
		if r.commandsAfter(fulls) { // a command that hung may have undone what was read
			fulls = nil
		}
		if len(fulls) < 2 {
			r.daemon.rec.MarkFull()
		}
		r.wait(pause)
		r.check()
		if r.violated() {
			return
		}
		why := r.restless(patient)
		if why == "" && len(fulls) >= 2 && !r.commandsAfter(fulls) {
			break
		}
		if time.Since(began) > restMost {
			r.violate("I1", "no rest after %s: %s; %+v", restMost, why, r.daemon.rec.Status())
			return
		}
		if pause > 6*time.Second {
			r.attend(patient)
		}
	}
	r.tally.check("I1")
	r.checkEnd()
}

// commandsAfter reports whether a command runs, or ran after the first of fulls.
func (r *run) commandsAfter(fulls []time.Time) bool {
	r.oracle.mu.Lock()
	defer r.oracle.mu.Unlock()
	return r.oracle.commands > 0 || len(fulls) > 0 && fulls[0].Before(r.oracle.lastCommand)
}

// attend does what weir waits for.
func (r *run) attend(patient bool) {
	if r.poisoned() {
		r.repairs++
		r.files[fmt.Sprintf("empty-%d.yaml", r.repairs)] = nil // another revision of the same
		r.commit("another revision", false)
	}
	if r.settle(r.store) > 0 {
		r.daemon.rec.MarkDirty()
	}
	p := r.daemon.rec.Shown().Plan
	if patient && p != nil && len(p.Held) > 0 {
		r.beside(p.Hash, false)
	}
}

// poisoned reports whether the newest revision is refused since weir was killed
// more than once while it read it.
func (r *run) poisoned() bool {
	return slices.ContainsFunc(r.daemon.rec.Status().Sources[0].Problems, func(p manifest.Problem) bool {
		return p.Code == manifest.CodePoisonedRevision
	})
}

// restless says what is still to come.
func (r *run) restless(patient bool) string {
	p, s := r.daemon.rec.Shown().Plan, r.daemon.rec.Status()
	switch {
	case p == nil || !s.Ready || s.Error != "":
		return "not ready: " + s.Error
	case p.Revision != r.newest().snap.Revision:
		return "another revision is in force"
	case len(p.Held) > 0 && patient && !r.dryRun:
		return "held"
	}
	for c := range p.All() {
		switch {
		case c.Due() && len(p.Held) == 0 && !r.dryRun:
			return c.ID.String() + " is due"
		case c.Unread:
			return c.ID.String() + " was not read: " + c.Note
		case c.State == plan.Pending && c.Action == plan.None && !r.dryRun:
			return c.ID.String() + " is pending"
		}
	}
	acts, _ := r.store.Acts(context.Background())
	if slices.ContainsFunc(acts, func(a resource.Act) bool { return a.InDoubt() && !a.Repeatable }) {
		return "an act is in doubt"
	}
	return ""
}

// misled reports whether a command, whose revision was not the newest any more,
// wrote a record of what no read shows: nothing tells weir that it does not hold.
func (r *run) misled(id resource.ID) bool {
	return r.oracle.behind[id] && (id.Kind == "Recording" || id.Kind == "RtcPrefetch")
}

// checkEnd holds the clouds against what is declared: I1, I4.
func (r *run) checkEnd() {
	made, w := r.daemon.rec.Shown().Plan, r.clouds.World()
	if r.dryRun || r.policy.Mode == plan.Observe || len(made.Held) > 0 {
		return
	}
	e := r.newest()
	for c := range made.All() {
		d, declared := e.declared[c.ID]
		left := c.Withheld != "" || c.State == plan.Differs // as the policy says, or after people
		only := r.policy.Mode != plan.Sync && r.policy.Mode != plan.Upsert
		if !declared || left && (only || r.oracle.console[c.ID] || ended(c) || r.reported(c)) || nearEnd(d) || r.misled(c.ID) {
			continue
		}
		r.tally.check("I4")
		if why := d.thing.variants[d.variant].holds(&w, time.Now()); why != "" {
			r.violate("I4", "at the end %s (%s, %s): %s", c.ID, c.State, c.Note, why)
		}
	}
	for id := range r.oracle.everyone {
		if _, declared := e.declared[id]; declared || r.oracle.console[id] || !r.oracle.applied[id] || r.recorded(context.Background(), id) {
			continue
		}
		if r.oracle.unrecorded(id) {
			continue // a disk that was full kept from weir that it is its own again
		}
		if why := r.thing(id).absent(&w); why != "" {
			r.violate("I4", "at the end %s is removed: %s", id, why)
		}
	}
}
