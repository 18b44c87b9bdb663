package view

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"weir/sync/reconcile"
	"weir/sync/resource"
	"weir/sync/source"
)

// traceTime bounds the search for the commit that made a declaration what it is.
const traceTime = 500 * time.Millisecond

// locate adds to the origin of a declared resource the commit that last changed
// its document, where the source knows it and it is found in time.
func (v *Viewer) locate(ctx context.Context, out *Resource, d reconcile.Detail) {
	o := &out.Origin
	if o.Commit != "" || d.Declared == nil || o.Line == 0 {
		return
	}
	h, ok := v.feed(o.Source).Source.(source.History)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, traceTime)
	defer cancel()
	who, err := h.Trace(ctx, d.Revision, []source.Place{{File: o.File, Line: o.Line}})
	if err == nil && len(who) == 1 {
		o.Commit, o.Author = who[0].Commit, who[0].Author
	}
}

func (v *Viewer) feed(name string) reconcile.FeedView {
	for _, f := range v.Loop.Feeds() {
		if f.Name == name {
			return f
		}
	}
	return reconcile.FeedView{}
}

// desired says what the source asks for, and since when: of a commit that is known
// when it was committed, else when it was applied or, where it was not, when this
// process met it.
func (v *Viewer) desired(ctx context.Context, d reconcile.Detail, o resource.Origin) Side {
	if d.Declared == nil {
		return Side{Known: true, Revision: d.Revision, Why: "nothing declares it any more"}
	}
	s := Side{Known: true, Exists: true, At: d.Since.UTC(), Revision: d.Revision}
	if last := d.Change.Last; last != nil && last.At.Before(d.Since) && last.Spec.Equal(d.Declared.Spec) {
		s.At = last.At.UTC()
	}
	if c := v.commit(ctx, v.feed(o.Source), o.Commit); c != nil {
		s.At = c.When
	}
	return s
}

func applied(d reconcile.Detail) Side {
	last := d.Change.Last
	if last == nil {
		return Side{Why: "weir has not applied it"}
	}
	return Side{Known: true, Exists: true, At: last.At.UTC(), Revision: last.Revision, Confirmed: last.Confirmed}
}

func observed(d reconcile.Detail) Side {
	switch {
	case d.Known && d.Seen.Unreadable != "":
		return Side{At: d.Seen.At.UTC(), Why: d.Seen.Unreadable}
	case !d.Known:
		return Side{Why: "not read since it was written, or since weir began"}
	case !d.Readable:
		return Side{
			At: d.Seen.At.UTC(), Live: d.Seen.Live, Epoch: d.Seen.Epoch,
			Why: "cannot be read back; the stream is " + airText(d.Seen.Live),
		}
	}
	return Side{Known: true, Exists: d.Seen.Exists, At: d.Seen.At.UTC(), Live: d.Seen.Live, Epoch: d.Seen.Epoch}
}

func airText(live bool) string {
	if live {
		return "on air"
	}
	return "not on air"
}

// fieldsOf puts the three sides of a resource together, field by field.
func fieldsOf(d reconcile.Detail) []Field {
	var desired, last, seen resource.Spec
	if d.Declared != nil {
		desired = d.Declared.Spec
	}
	if d.Change.Last != nil {
		last = d.Change.Last.Spec
	}
	if d.Known {
		seen = d.Seen.Spec
	}
	at := map[string]*Field{}
	var order []string
	for side, spec := range []resource.Spec{desired, last, seen} {
		for _, leaf := range resource.Fields("", spec) {
			f := at[leaf.Path]
			if f == nil {
				f = &Field{Path: leaf.Path}
				at[leaf.Path], order = f, append(order, leaf.Path)
			}
			*[]*any{&f.Desired, &f.Applied, &f.Observed}[side] = leaf.After
		}
	}
	slices.SortFunc(order, comparePaths)
	out := make([]Field, 0, len(order))
	for _, path := range order {
		f := at[path]
		f.Differs = desired != "" && seen != "" && !reflect.DeepEqual(f.Desired, f.Observed)
		out = append(out, *f)
	}
	return out
}

// comparePaths orders paths as a reader counts: servers[2] before servers[10].
func comparePaths(a, b string) int {
	for a != "" && b != "" {
		var x, y string
		if x, a = digits(a); x != "" {
			if y, b = digits(b); y != "" {
				if len(x) != len(y) {
					return len(x) - len(y)
				}
				if c := strings.Compare(x, y); c != 0 {
					return c
				}
				continue
			}
			return 1
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

// digits cuts the number off that s begins with.
func digits(s string) (number, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	return s[:len(s)-len(rest)], rest
}
