package view

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"weir/sync/call"
	"weir/sync/cluster"
	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
	"weir/sync/state"
)

// Options says what a Viewer looks at. Loop and Store are required.
type Options struct {
	Loop     *reconcile.Reconciler
	Store    state.Store
	Limiters call.Limiters // must not be changed; nil where no quota is shown
	Version  string
	Cluster  cluster.Cluster // that the process is a member of; nil where it works alone
}

// Viewer shows one reconciler. Its methods may be called from several goroutines,
// and wait for no cloud.
type Viewer struct {
	Options

	commits commits
	bills   bills
}

// New returns a Viewer.
func New(o Options) *Viewer { return &Viewer{Options: o} }

// States lists every State, in the order in which they are shown.
func States() []State {
	var out []State
	for _, s := range plan.States() {
		out = append(out, State(s))
	}
	return append(out, Failed)
}

// passesShown is how much of the timeline is in an Overview.
const passesShown = 20

// Overview returns the state of everything.
func (v *Viewer) Overview(ctx context.Context) Overview {
	s, shown := v.Loop.Status(), v.Loop.Shown()
	o := Overview{
		Version: v.Version, Now: time.Now().UTC(), Status: s,
		Sources: v.sources(ctx), Quota: v.Quota(), Passes: v.Passes(), Run: v.run(),
		Cluster: v.Cluster(),
	}
	o.Passes = o.Passes[:min(len(o.Passes), passesShown)]
	o.Total, o.States = counts(s, shown)
	o.Kinds = kinds(s, shown)
	return o
}

// counts returns how many resources there are, and how many in each state.
func counts(s reconcile.Status, shown reconcile.Shown) (total int, of map[State]int) {
	of = map[State]int{}
	for _, state := range States() {
		of[state] = 0
	}
	for _, c := range s.Counts {
		of[State(c.State)] += c.Count
		total += c.Count
	}
	for group, n := range shown.Failing {
		of[State(group.State)] -= n
		of[Failed] += n
	}
	return total, of
}

// kinds counts by account and kind, ordered by them. As in all counts that are
// shown, what failed counts as nothing else.
func kinds(s reconcile.Status, shown reconcile.Shown) []Kind {
	out := []Kind{}
	for _, c := range s.Counts {
		i, found := slices.BinarySearchFunc(out, c, func(k Kind, c reconcile.Count) int {
			return cmp.Or(strings.Compare(k.Account, c.Account), strings.Compare(k.Kind, c.Kind))
		})
		if !found {
			out = slices.Insert(out, i, Kind{Account: c.Account, Kind: c.Kind, States: map[State]int{}})
		}
		failed := shown.Failing[reconcile.Group{Account: c.Account, Kind: c.Kind, State: c.State}]
		out[i].Total += c.Count
		for state, n := range map[State]int{State(c.State): c.Count - failed, Failed: failed} {
			if n > 0 {
				out[i].States[state] += n
			}
		}
	}
	return out
}

// Passes returns what was done lately, the newest first.
func (v *Viewer) Passes() []Pass { return v.Loop.Timeline() }

// Running reports whether changes are being made.
func (v *Viewer) Running() bool { return len(v.Loop.Runs()) > 0 }

// run returns how far all is that is being made, nil where nothing is.
func (v *Viewer) run() *Run {
	var out *Run
	now := time.Now()
	for _, r := range v.Loop.Runs() {
		if out == nil {
			out = &Run{Began: r.Began.UTC()}
		}
		out.Done += r.Done
		out.Total += r.Total
		out.Failed += r.Failed
		if r.Foreseen != nil {
			ends := r.Began.Add(r.Foreseen.Took).Sub(out.Began)
			out.Foreseen = max(out.Foreseen, ends.Seconds())
			out.Left = max(out.Left, r.Left(now).Seconds())
		}
	}
	return out
}

// rowOf returns the row of the resource of c, of which a change has failed or, with
// nil, has not.
func rowOf(c plan.Change, f *reconcile.Failure) Row {
	row := Row{
		ID: c.ID.String(), State: State(c.State), Action: c.Action, Reason: c.Reason,
		Note: c.Note, Withheld: c.Withheld, Origin: c.Origin, Labels: c.Labels, Read: c.Read, UnderWay: c.UnderWay,
	}
	if f != nil {
		row.State, row.Note = Failed, f.Error
	}
	return row
}

// leaseEnds returns when the first effect of acts runs out that has not yet.
func leaseEnds(acts []resource.Act, now time.Time) (at time.Time) {
	for _, a := range acts {
		if a.Ends.After(now) {
			at = plan.Earliest(at, a.Ends)
		}
	}
	return at
}

// journalShown is how much of a resource's journal is in its detail.
const journalShown = 20

// Resource returns all that is known of a resource, and whether there is such a
// one. A journal that cannot be read is an error.
func (v *Viewer) Resource(ctx context.Context, id resource.ID) (Resource, bool, error) {
	d, ok := v.Loop.Detail(id)
	if !ok {
		return Resource{}, false, nil
	}
	out := Resource{
		Row: rowOf(d.Change, d.Failure), Fight: d.Change.Fight, InDoubt: d.Change.InDoubt, OnAir: d.Change.OnAir,
		Wide: d.Change.Wide, Acts: append([]resource.Act{}, d.Acts...), LeaseEnds: leaseEnds(d.Acts, time.Now()),
	}
	if f := d.Failure; f != nil {
		out.Failure, out.Attempts, out.NextTry = f.Error, f.Attempts, f.Retries
	}
	v.locate(ctx, &out, d)
	out.Desired, out.Applied, out.Observed = v.desired(ctx, d, out.Origin), applied(d), observed(d)
	out.Fields = fieldsOf(d)
	out.Row = v.led().Led(out.Row, id.Account)
	var err error
	out.Journal, err = v.Journal(ctx, state.Query{Resource: id.String(), Limit: journalShown})
	return out, true, err
}

// Journal returns entries of the journal.
func (v *Viewer) Journal(ctx context.Context, q state.Query) ([]state.Entry, error) {
	list, err := v.Store.Journal(ctx, q)
	return append([]state.Entry{}, list...), err
}
