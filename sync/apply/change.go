package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/resource"
)

// settleTime bounds the writing down of an outcome after ctx has ended: a call
// that was made is recorded even while the process is told to stop.
const settleTime = 5 * time.Second

// repairRounds is how often leftovers of an update are looked for and removed.
const repairRounds = 2

// change carries out one change and returns what became of it.
func (r *run) change(ctx context.Context, c plan.Change) Result {
	res := Result{ID: c.ID, Action: c.Action, Calls: []Call{}}
	switch {
	case c.State == plan.Waiting:
		return res.end(Waiting, c.Note)
	case c.Withheld != "":
		return res.end(Withheld, c.Withheld)
	case ctx.Err() != nil:
		return res.end(Refused, "stopped before it began")
	case r.aside.out(c.ID):
		return res.end(Refused, "planned again")
	}
	switch why, err := r.aside.moved(ctx, r, c); {
	case err != nil:
		return res.lose(err)
	case why != "":
		res.Moved = true
		return res.end(Refused, why)
	}
	if why := r.opts.Against(ctx, r.plan.Revision, c); why != "" {
		return res.end(Refused, why)
	}
	target, ok := r.opts.Accounts[c.ID.Account]
	if !ok {
		return res.end(Refused, "account "+c.ID.Account+" is not configured")
	}
	one := &one{run: r, ctx: ctx, c: c, kind: target.Provider.Kinds()[c.ID.Kind], target: target, res: res}
	return one.carryOut()
}

func (r Result) end(o Outcome, msg string) Result {
	r.Outcome, r.Error = o, msg
	return r
}

// lose ends a change that is another process's business.
func (r Result) lose(err error) Result {
	out := r.end(Withheld, "left to who leads the account now: "+err.Error())
	out.Lost = true
	return out
}

// one is a change under way.
type one struct {
	*run
	ctx    context.Context
	c      plan.Change
	kind   provider.Kind
	target Target
	res    Result
	shown  bool // a read after the calls has shown what is wanted
}

func (o *one) carryOut() Result {
	reqs, err := o.kind.Calls(o.c)
	if err != nil {
		return o.fail(err)
	}
	if err := o.callAll(reqs); err != nil {
		return o.fail(err)
	}
	confirmed, err := o.verify()
	if err != nil {
		return o.fail(err)
	}
	if err := o.write(confirmed); err != nil {
		return o.fail(err)
	}
	return o.res.end(Done, "")
}

// fail ends the change with an outcome that says what kind of failure it was.
func (o *one) fail(err error) Result {
	o.res.Code = call.CodeOf(err)
	if call.Lapsed(err) {
		return o.res.lose(err)
	}
	switch o.res.Code {
	case call.NotLive:
		return o.res.end(Waiting, err.Error())
	case call.Withheld:
		return o.res.end(Withheld, err.Error())
	case call.Stopped, call.Canceled:
		return o.res.end(Refused, err.Error())
	}
	o.opts.Logger.Warn("change failed", "resource", o.c.ID.String(), "origin", o.c.Origin.String(),
		"code", string(o.res.Code), "error", err.Error())
	return o.res.end(Failed, err.Error())
}

// callAll makes the calls in order. Calls that are acts of their own go on
// after a failure, since one region refused says nothing of the next; others
// stop, since they build on each other.
func (o *one) callAll(reqs []*call.Request) error {
	var failures []error
	for _, req := range reqs {
		err := o.call(req)
		if err != nil && !o.independent() {
			return err
		}
		if err != nil {
			failures = append(failures, err)
		}
		if o.ctx.Err() != nil || o.shown {
			break
		}
	}
	return errors.Join(failures...)
}

// independent reports whether the change's calls do not build on each other.
func (o *one) independent() bool { return o.kind.Independent }

// call makes one call, as an act where it must not happen twice.
func (o *one) call(req *call.Request) error {
	o.address(req)
	if req.Act.Name == "" {
		return o.forgive(o.sure(req))
	}
	return o.once(req)
}

// forgive turns answers that say "it is already so" into success.
func (o *one) forgive(err error) error {
	switch call.CodeOf(err) {
	case call.AlreadyDone:
		return nil
	case call.NotFound:
		if o.c.Action == plan.Delete {
			return nil
		}
	}
	return err
}

func (o *one) address(req *call.Request) {
	req.Account = o.c.ID.Account
	req.Cause = call.Cause{
		Resource: o.c.ID.String(), Source: o.c.Origin.Source, File: o.c.Origin.File, Line: o.c.Origin.Line,
		Commit: o.c.Origin.Commit, Author: o.c.Origin.Author, Revision: o.plan.Revision, Plan: o.plan.Hash,
		Action: string(o.c.Action), Reason: string(o.c.Reason), Before: string(o.c.Before), After: string(o.c.After),
	}
}

func (o *one) send(req *call.Request) error {
	began := time.Now()
	ctx := call.WithPriority(o.ctx, call.PriorityOf(o.ctx, req)) // also for what is asked before it goes out
	resp, err := o.target.Caller.Call(ctx, o.standing(o.aside.asked(o.c.ID, o.offAir(req))))
	o.res.Calls = append(o.res.Calls, note(req, resp, err, time.Since(began)))
	return err
}

// standing returns req of a removal so that it is not sent where something has come
// to stand against it while it waited for quota.
func (o *one) standing(req *call.Request) *call.Request {
	if !req.Write || o.c.Action != plan.Delete {
		return req
	}
	asked := *req
	asked.Begin = func(ctx context.Context) error {
		if why := o.opts.Against(ctx, o.plan.Revision, o.c); why != "" {
			return &call.Error{Code: call.Canceled, Message: "not sent: " + why}
		}
		if req.Begin == nil {
			return nil
		}
		return req.Begin(ctx)
	}
	return &asked
}

// verify reads the resource back where its kind asks for it, and repairs what
// the calls left over. It reports whether the read showed what was wanted.
func (o *one) verify() (bool, error) {
	if o.kind.Repair == nil || o.c.Action == plan.Delete {
		return o.shown, nil
	}
	for range repairRounds {
		if o.shown {
			return true, nil
		}
		seen, ok := o.read()
		if !ok {
			return false, nil
		}
		if seen.Spec.Equal(o.c.After) {
			o.res.Shown = &seen
			return true, nil
		}
		todo := o.kind.Repair(o.c, seen)
		if len(todo) == 0 {
			return false, nil
		}
		for _, req := range todo {
			if err := o.call(req); err != nil && call.CodeOf(err) != call.NotFound {
				return false, err
			}
			if o.shown {
				return true, nil
			}
		}
	}
	return false, nil
}

// read observes the resource; a read that fails leaves the change unconfirmed,
// not undone.
func (o *one) read() (resource.Observation, bool) {
	seen, err := o.target.Provider.Observe(o.ctx, o.target.Caller, []resource.Resource{resourceOf(o.c)})
	if err != nil || len(seen) != 1 || seen[0].Unreadable != "" {
		return resource.Observation{}, false
	}
	return seen[0], true
}

// write records what the change made true.
func (o *one) write(confirmed bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), settleTime)
	defer cancel()
	if o.c.Action == plan.Delete || o.c.Disown {
		if err := o.opts.Store.Forget(ctx, o.c.ID); err != nil {
			return fmt.Errorf("forget: %w", err)
		}
		return nil
	}
	rec := record(o.plan, o.c, confirmed)
	if o.res.Shown != nil { // as what a read shows is recorded otherwise: no later than that
		rec.At = o.res.Shown.At
	}
	if err := o.opts.Store.Save(ctx, rec); err != nil {
		return fmt.Errorf("record what was applied: %w", err)
	}
	return nil
}

func asError(err error) *call.Error {
	if e, ok := errors.AsType[*call.Error](err); ok {
		return e
	}
	return nil
}
