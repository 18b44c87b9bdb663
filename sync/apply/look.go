package apply

import (
	"cmp"
	"context"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

// look is a read that is made right before changes, and serves all of them.
type look struct {
	turn    chan struct{} // guards what follows; one reads for all that wait
	members []plan.Change
	seen    map[resource.ID]resource.Observation
}

// grouped returns the look of each change: those whose resources are observed by
// the same reads share one. What no read shows has none.
func (r *run) grouped(changes []plan.Change) map[resource.ID]*look {
	byReads, of := map[string]*look{}, map[resource.ID]*look{}
	for _, c := range changes {
		key := r.reads(c)
		if key == "" {
			continue
		}
		l, ok := byReads[key]
		if !ok {
			l = &look{turn: make(chan struct{}, 1), seen: map[resource.ID]resource.Observation{}}
			byReads[key] = l
		}
		l.members = append(l.members, c)
		of[c.ID] = l
	}
	return of
}

// reads names the reads that observe the resource of c, "" for none.
func (r *run) reads(c plan.Change) string {
	target, ok := r.opts.Accounts[c.ID.Account]
	if !ok {
		return ""
	}
	of := target.Provider.Kinds()[c.ID.Kind].Reads
	if of == nil {
		return ""
	}
	return keyOf(of(resourceOf(c)))
}

// resourceOf returns the resource of c as it is read.
func resourceOf(c plan.Change) resource.Resource {
	return resource.Resource{ID: c.ID, Spec: cmp.Or(c.After, c.Before), Origin: c.Origin}
}

// moved says why a change cannot be made by what was read when it was planned: it
// is read again where that is too old, and is not as it was then. Its error is that
// another process may lead the account.
func (a *aside) moved(ctx context.Context, r *run, c plan.Change) (why string, err error) {
	if a == nil || time.Since(c.Read) <= a.opts.Fresh {
		return "", nil
	}
	l, ok := a.looks[c.ID]
	if !ok {
		return "", nil
	}
	seen, ok, err := l.at(ctx, r, c)
	return differs(ctx, c, seen, ok), err
}

// differs says why a change cannot be made by what was seen right before it.
func differs(ctx context.Context, c plan.Change, seen resource.Observation, ok bool) string {
	switch {
	case ctx.Err() != nil:
		return "stopped before it began"
	case !ok:
		return "the resource was not read again; planned again"
	case c.Fingerprint != "" && seen.Unreadable != "":
		return "the resource cannot be read now: " + seen.Unreadable
	case plan.Fingerprint(&seen) != c.Fingerprint:
		return "the resource has moved since it was planned; planned again"
	}
	return ""
}

// at returns what the resource of c is, as it was read no longer ago than is
// fresh, or since it was asked for. Who comes first reads for all that still wait
// for the same read. Its error is that another process may lead the account.
func (l *look) at(ctx context.Context, r *run, c plan.Change) (o resource.Observation, ok bool, err error) {
	asked := time.Now()
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	if o, ok := l.seen[c.ID]; ok && (time.Since(o.At) <= r.aside.opts.Fresh || !o.At.Before(asked)) {
		return o, true, nil
	}
	if ctx.Err() != nil || !r.aside.takes(c.ID) {
		return resource.Observation{}, false, nil
	}
	var want []resource.Resource
	for _, m := range l.members {
		if r.aside.takes(m.ID) {
			want = append(want, resourceOf(m))
		}
	}
	target := r.opts.Accounts[c.ID.Account]
	p := r.opts.Priority // no read that plans: a write waits for it
	if r.Urgent(c) {
		p = call.Urgent
	}
	ctx = call.WithPriority(ctx, p)
	target.Caller = Because(target.Caller, l.members[0])
	seen, err := target.Observe(ctx, want)
	switch {
	case call.Lapsed(err) && ctx.Err() == nil:
		return resource.Observation{}, false, err
	case err != nil:
		return resource.Observation{}, false, nil
	}
	for _, o := range seen {
		l.seen[o.ID] = o
	}
	r.aside.opts.Seen(seen)
	o, ok = l.seen[c.ID]
	return o, ok, nil
}

// Because returns a caller whose calls are journalled as made for a change, the
// reads before it among them.
func Because(next call.Caller, c plan.Change) call.Caller {
	return call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
		made := *req
		made.Cause.Resource = c.ID.String()
		return next.Call(ctx, &made)
	})
}
