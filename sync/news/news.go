// Package news makes of what the loop tells the events that people are told: with
// what happened, why, where, and which command helps. What takes a while until it
// is worth telling, a source that cannot be read and a lease that ends, it watches
// itself.
package news

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"weir/sync/manifest"
	"weir/sync/notify/message"
	"weir/sync/plan"
	"weir/sync/plan/guard"
	"weir/sync/reconcile"
	"weir/sync/resource"
	"weir/sync/source"
)

// lookEvery is how often a Desk looks whether time has made something worth telling.
const lookEvery = 5 * time.Second

// Options says what a Desk tells, and when. All are required.
type Options struct {
	Tell  func(message.Event) // must not block
	Lead  time.Duration       // how long before a lease ends it is told; at most half of its time
	After time.Duration       // how long a source cannot be read, or weir is not ready, until it is told
	// Consent returns the command that lets a held plan through, "" where none does.
	Consent func(held []plan.Hold, revision, hash string) string
	// Faulty reports whether a source's code says that a revision cannot be taken at
	// all, which no consent changes.
	Faulty func(code string) bool
}

// Desk takes what the loop tells. Its methods never block.
type Desk struct {
	opt Options

	mu       sync.Mutex
	verdicts map[string]verdict // by source
	leases   map[resource.ID]lease
	troubles map[string]trouble // by source, "" for weir itself
}

// verdict is what was told of a source's revisions.
type verdict struct {
	refused string // the revision that is, "" for none
	held    bool   // the newest is, before there is a plan
	by      string // what stops the newest
}

// lease is one that ends.
type lease struct {
	reconcile.Lease
	told bool
}

// trouble is what does not work.
type trouble struct {
	since time.Time
	told  bool
}

// NewDesk returns a Desk.
func NewDesk(opt Options) *Desk {
	return &Desk{
		opt: opt, verdicts: map[string]verdict{}, leases: map[resource.ID]lease{}, troubles: map[string]trouble{},
	}
}

// News returns what the loop is to tell of resources.
func (d *Desk) News() reconcile.News {
	return reconcile.News{Made: d.made, Failing: d.failing, Drift: d.drift, Lease: d.lease}
}

// about begins an event about a resource.
func about(name message.Name, over bool, s reconcile.Subject) message.Event {
	return message.Event{
		Name: name, Over: over, At: time.Now(), Key: s.ID.String(), Source: s.Origin.Source,
		Resource: s.ID.String(), Account: s.ID.Account, Kind: s.ID.Kind, Labels: s.Labels, Origin: s.Origin,
	}
}

// made tells of a change that a revision asked for. What was put back is told as
// drift that is over.
func (d *Desk) made(m reconcile.Made) {
	if m.Reason == plan.Drifted || m.Reason == plan.Expired {
		return
	}
	e := about(message.Applied, false, m.Subject)
	e.Revision, e.Action, e.Cause, e.Calls = m.Revision, m.Action, m.Reason, m.Calls
	d.opt.Tell(e)
}

func (d *Desk) failing(f reconcile.Failing) {
	e := about(message.Failed, f.Over, f.Subject)
	e.Action, e.Cause, e.Reason, e.Code = f.Action, f.Reason, f.Why, string(f.Code)
	d.opt.Tell(e)
}

func (d *Desk) drift(f reconcile.Drifting) {
	e := about(message.Drift, f.Over, f.Subject)
	e.Cause, e.Fields, e.Gone = f.Reason, f.Fields, f.Gone
	d.opt.Tell(e)
}

// Fight tells of a resource that weir has stopped putting back.
func (d *Desk) Fight(f reconcile.Fight) {
	e := about(message.Fight, f.Over, f.Subject)
	if !f.Over {
		e.Reason, e.Unseen, e.Times, e.PutBack, e.Found = f.String(), f.Unseen, f.Times, f.PutBack, f.Found
		e.Settle = "weir settle " + f.ID.String() + " again"
	}
	for _, field := range f.Fields {
		e.Fields = append(e.Fields, field.Path)
	}
	d.opt.Tell(e)
}

// Held tells of a plan that a guard holds.
func (d *Desk) Held(p reconcile.HeldPlan) {
	e := message.Event{Name: message.Held, Over: p.Over, At: time.Now(), Key: "plan", Revision: p.Revision}
	if !p.Over {
		e.Plan, e.Held, e.Summary = p.Hash, p.Held, &p.Summary
		e.Consent = d.opt.Consent(p.Held, p.Revision, p.Hash)
	}
	d.opt.Tell(e)
}

// Verdict tells of a revision that is refused, or held before there is a plan, and
// when that is over. While a source holds back its newest one, those before it are
// no news.
func (d *Desk) Verdict(v reconcile.Verdict) {
	if v.Behind {
		return
	}
	e := message.Event{Name: message.Refused, At: time.Now(), Key: v.Source, Source: v.Source, Revision: v.Revision}
	switch {
	case v.Outcome == reconcile.Rejected:
		e.Problems, e.Wrong, e.Remedy = problems(v.Errors), v.Problems, "weir validate"
	case v.Outcome == reconcile.Stopped && v.Plan != "":
		e.Over = true // Held tells of the plan; its revision is accepted
	case v.Outcome == reconcile.Stopped && d.opt.Faulty(v.By):
		e.Problems, e.Wrong, e.Remedy = problems(v.Errors), len(v.Errors), "weir explain "+v.By
	case v.Outcome == reconcile.Stopped:
		e.Name, e.Key, e.Held = message.Held, "revision/"+v.Source, []plan.Hold{{Guard: v.By, Message: v.Text}}
		e.Remedy = "weir explain " + v.By
		switch v.By {
		case source.CodeRewritten:
			e.Consent = fmt.Sprintf("weir accept-rewrite %.12s", v.Revision)
		case guard.RolledBack:
			e.Consent = "weir rollback --unpin"
		}
	default:
		e.Over = true
	}
	d.revision(e, v.By)
}

// revision tells of a revision, and what stops it; the end only of what was told. What
// is refused stays so while a newer one is held.
func (d *Desk) revision(e message.Event, by string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.verdicts[e.Source]
	is := verdict{refused: was.refused, held: !e.Over && e.Name == message.Held, by: by}
	switch {
	case e.Over:
		is.refused = ""
	case e.Name == message.Refused:
		is.refused = e.Revision
	}
	d.verdicts[e.Source] = is
	if e.Over && was.refused != "" {
		d.opt.Tell(message.Event{
			Name: message.Refused, Over: true, At: e.At, Key: e.Source, Source: e.Source, Revision: e.Revision,
		})
	}
	if was.held && !is.held {
		d.opt.Tell(message.Event{
			Name: message.Held, Over: true, At: e.At, Key: "revision/" + e.Source, Source: e.Source, Revision: e.Revision,
		})
	}
	if !e.Over && (e.Name != message.Refused || e.Revision != was.refused) {
		d.opt.Tell(e)
	}
}

func problems(list []manifest.Problem) []message.Problem {
	out := make([]message.Problem, 0, len(list))
	for _, p := range list {
		text := p.Message
		if p.Path != "" {
			text = p.Path + ": " + text
		}
		out = append(out, message.Problem{File: p.File, Line: p.Line, Column: p.Column, Message: text, Code: p.Code})
	}
	return out
}

// lease notes when what was applied runs out.
func (d *Desk) lease(l reconcile.Lease) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.leases[l.ID]
	if l.Ends.IsZero() {
		delete(d.leases, l.ID)
	} else {
		d.leases[l.ID] = lease{Lease: l}
	}
	if !before.told {
		return
	}
	e := about(message.Lease, true, l.Subject)
	if e.Ends, e.Gone = l.Ends, l.Gone; l.Ends.IsZero() && !e.At.Before(before.Ends) { // it has run out
		e.Ends = before.Ends
	}
	d.opt.Tell(e)
}

// Watch looks, until ctx ends, at what time makes worth telling.
func (d *Desk) Watch(ctx context.Context, status func() reconcile.Status) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.look(status(), time.Now())
		}
	}
}

// look tells what is worth telling now. All is told under the lock, so that nothing is
// told after its end.
func (d *Desk) look(s reconcile.Status, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range append(d.ending(now), d.trouble(s, now)...) {
		d.opt.Tell(e)
	}
}

// ending returns the leases that end soon, and those that have ended, once each.
func (d *Desk) ending(now time.Time) []message.Event {
	var out []message.Event
	for id, l := range d.leases {
		lead := d.opt.Lead
		if whole := l.Ends.Sub(l.Since); !l.Since.IsZero() && whole > 0 {
			lead = min(lead, whole/2)
		}
		e := about(message.Lease, false, l.Subject)
		e.Ends = l.Ends
		switch {
		case !now.Before(l.Ends):
			delete(d.leases, id)
			if e.Over = true; l.told {
				out = append(out, e)
			}
		case !l.told && !now.Before(l.Ends.Add(-lead)):
			l.told = true
			d.leases[id] = l
			out = append(out, e)
		}
	}
	return out
}

// trouble returns what has not worked for long, and what works again, once each.
func (d *Desk) trouble(s reconcile.Status, now time.Time) []message.Event {
	var out []message.Event
	readable := true
	for _, src := range s.Sources {
		e := message.Event{
			Name: message.Source, Key: src.Name, Source: src.Name, Code: src.Code, Since: src.LastSuccess,
			Reason: strings.TrimSuffix(src.Error, " ["+src.Code+"]"),
		}
		by := d.verdicts[src.Name].by
		told := by != "" && by == src.Code // of its revision: the source can be read
		out = d.lasting(out, src.Name, src.Error != "" && !told, e, now)
		readable = readable && src.Error == ""
	}
	if !s.Ready && !readable { // the source says why; whatever else it is may stand still
		return out
	}
	e := message.Event{Name: message.Ready, Key: "ready", Reason: cmp.Or(s.Error, "no complete pass yet")}
	return d.lasting(out, "", !s.Ready, e, now)
}

// lasting adds e to out where it has gone on for long and was not told, or is over
// and was.
func (d *Desk) lasting(out []message.Event, what string, is bool, e message.Event, now time.Time) []message.Event {
	t, known := d.troubles[what]
	e.At = now
	switch {
	case !is && !known:
	case !is:
		delete(d.troubles, what)
		if e.Over, e.Reason, e.Code = true, "", ""; t.told {
			return append(out, e)
		}
	case !known:
		if t.since = now; !e.Since.IsZero() {
			t.since = e.Since
		}
		d.troubles[what] = t
	case !t.told && now.Sub(t.since) >= d.opt.After:
		t.told = true
		d.troubles[what] = t
		e.Since = t.since
		return append(out, e)
	}
	return out
}
