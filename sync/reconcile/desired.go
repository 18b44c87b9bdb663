package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"weir/sync/manifest"
	"weir/sync/resource"
	"weir/sync/source"
)

// feed is a source with what came of its revisions.
type feed struct {
	Feed
	latest      *source.Snapshot // newest delivered
	loaded      *source.Snapshot // newest that went through load
	accepted    edition          // the newest without an error
	force       edition          // the one in force: accepted, and put together with the other feeds'
	forced      time.Time        // since when, in this process
	problems    []manifest.Problem
	clashes     []manifest.Problem // with what other feeds declare
	documents   int
	pin         *Pin  // its newest revision was rolled back, nil where it was not
	err         error // of the source, nil while it delivers
	lastSuccess time.Time
	markedAs    string // the revision in force, as the store knows it
	accord      accord
	said        said      // of what it delivered
	stopped     said      // of what it does not give out; zero once it delivers
	came        time.Time // when what was loaded last arrived, zero once its edits are noted
	edit        edit
}

func (f *feed) arrive(s *source.Snapshot, now time.Time) {
	f.latest, f.err, f.lastSuccess = s, nil, now
	if f.stopped != (said{}) {
		f.stopped, f.said = said{}, said{} // what it delivers counts again, also where it is the same
	}
}

// checked returns when the source was last looked at with success.
func (f *feed) checked() time.Time {
	if w, ok := f.Source.(source.Watched); ok && w.Checked().After(f.lastSuccess) {
		return w.Checked()
	}
	return f.lastSuccess
}

// declared is what the feeds ask for, in normal form.
type declared struct {
	ready    bool
	revision string
	set      resource.Set
	sources  map[string]int       // how many resources each declares
	editions []edition            // what set is made of, by feed
	changed  map[resource.ID]bool // since the last plan
}

// load takes over new revisions. A revision with an error is refused whole:
// what was in force stays in force. One that was rolled back does not come into
// force where hold says so.
func (r *Reconciler) load(ctx context.Context, tell func(f *feed, accepted bool), hold holder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := false
	for _, f := range r.feeds {
		if f.latest != nil && f.latest != f.loaded {
			r.undecided = r.resides
			accepted := r.loadFeed(ctx, f)
			tell(f, accepted)
			fresh = accepted || fresh
		}
		fresh = hold(ctx, f, tell) || fresh
		fresh = r.recallAccepted(ctx, f) || fresh // again at each look, as what is asked may fail
	}
	if fresh || !r.desired.ready {
		r.merge(ctx)
	}
}

// superseded reports whether a feed has delivered what is not loaded yet, or what no
// pass has compared with what is under way.
func (r *Reconciler) superseded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.undecided || slices.ContainsFunc(r.feeds, func(f *feed) bool { return f.latest != f.loaded })
}

// loadFeed loads the newest revision of f and reports whether it is accepted.
func (r *Reconciler) loadFeed(ctx context.Context, f *feed) bool {
	f.loaded, f.came = f.latest, f.lastSuccess
	span := traceFetched(ctx, f)
	defer func() { traceLoaded(span, f) }()
	if f.problems = r.poisoned(ctx, f); f.problems != nil {
		f.documents = 0
		return false
	}
	defer r.survived(ctx, f)
	res, next := r.parse(f)
	f.problems, f.documents = res.Problems, res.Documents
	if manifest.Failed(res.Problems) {
		return false
	}
	f.accepted = next
	return true
}

// parse makes an edition of what f has loaded, with r.mu free meanwhile: of many
// documents it takes seconds, for which nobody who wants to know how weir is is to
// wait.
func (r *Reconciler) parse(f *feed) (manifest.Result, edition) {
	loaded := f.loaded
	r.mu.Unlock()
	defer r.mu.Lock()
	res := f.Loader.Load(loaded)
	next, odd := r.edition(loaded.Revision, res.Set, f.accepted)
	res.Problems = append(res.Problems, odd...)
	return res, next
}

// announce logs what became of a feed's newest revision.
func (r *Reconciler) announce(f *feed, accepted bool) {
	if accepted {
		r.opts.Logger.Info("revision accepted", "source", f.Name, "revision", f.accepted.revision, "documents", f.documents)
		return
	}
	r.opts.Logger.Error("revision refused; the last good one stays in force", "source", f.Name,
		"revision", f.loaded.Revision, "in_force", f.force.revision, "problems", len(f.problems),
		"first", firstError(f.problems))
}

func firstError(problems []manifest.Problem) string {
	for _, p := range problems {
		if p.Severity == manifest.Error {
			return p.String()
		}
	}
	return ""
}

// edition brings what a revision declares into normal form, as far as a former
// edition does not hold it. What passes the schema and yet has no normal form is a
// problem like any other.
func (r *Reconciler) edition(revision string, set resource.Set, former edition) (edition, []manifest.Problem) {
	var odd []manifest.Problem
	var edits []resource.Edit[resource.Resource]
	for before, after := range set.Since(former.set) {
		if after == nil {
			edits = append(edits, resource.Edit[resource.Resource]{ID: before.ID})
			continue
		}
		n := *after
		if old, ok := former.normals.Get(n.ID); ok && before != nil && before.Spec == n.Spec {
			n.Spec = old.Spec
		} else if err := r.normalise(&n); err != nil {
			odd = append(odd, manifest.Problem{
				File: n.Origin.File, Line: n.Origin.Line, Column: 1, Path: "spec",
				Code: manifest.CodeNoNormalForm, Message: err.Error(), Severity: manifest.Error,
			})
		}
		edits = append(edits, resource.Edit[resource.Resource]{ID: n.ID, Value: &n})
	}
	return edition{revision, set, former.normals.With(edits)}, odd
}

// normalise brings the spec of res into normal form.
func (r *Reconciler) normalise(res *resource.Resource) (err error) {
	kinds, ok := r.kinds[res.ID.Account]
	if !ok {
		return fmt.Errorf("account %q is not configured", res.ID.Account)
	}
	kind, ok := kinds[res.ID.Kind]
	if !ok {
		return fmt.Errorf("account %q has no kind %s", res.ID.Account, res.ID.Kind)
	}
	res.Spec, err = kind.Normal(res.Spec)
	return err
}

func (r *Reconciler) selected(res resource.Resource) bool {
	for k, v := range r.opts.Selector {
		if res.Labels[k] != v {
			return false
		}
	}
	return true
}

// note remembers which resources differ from the set in force before. The
// first set is left to the first scan, which an edit may interrupt.
func (d *declared) note(before declared) {
	if !before.ready {
		return
	}
	if d.changed == nil {
		d.changed = map[resource.ID]bool{}
	}
	for old, now := range d.set.Since(before.set) {
		switch {
		case now == nil:
			d.changed[old.ID] = true
		case old == nil || !old.Spec.Equal(now.Spec):
			d.changed[now.ID] = true
		}
	}
}

// Problems returns what stands against the newest revision of each feed.
func (r *Reconciler) Problems() []manifest.Problem {
	var out []manifest.Problem
	for _, f := range r.feeds {
		out = append(out, f.standing()...)
	}
	return out
}

// standing returns what stands against the newest revision of f.
func (f *feed) standing() []manifest.Problem { return slices.Concat(f.problems, f.clashes) }

// sourceCode returns the code of a source's error, for logs and status.
func sourceCode(err error) string {
	if e, ok := errors.AsType[*source.Error](err); ok {
		return e.Code
	}
	return "source-failed"
}
