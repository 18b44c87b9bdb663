package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"weir/sync/call"
	"weir/sync/resource"
	"weir/sync/state"
)

// intent is an act that is to begin once its call is about to go out: what
// waits for quota when the process dies was never sent, and is not in doubt.
type intent struct {
	store state.Store
	act   func() resource.Act
	begun bool
	err   error // of the store, nil before and after a success
}

// begin writes the act down before the first try; later tries are the same act.
func (i *intent) begin(ctx context.Context) error {
	if i.begun {
		return nil
	}
	i.err = i.store.Begin(ctx, i.act())
	i.begun = i.err == nil
	return i.err
}

// once makes a call that must not happen twice.
func (o *one) once(req *call.Request) error {
	in := &intent{store: o.opts.Store, act: func() resource.Act { return o.act(req) }}
	req.Begin = in.begin
	made := len(o.res.Calls)
	err := o.forgive(o.send(req))
	switch {
	case in.begun:
		return o.settle(req, err)
	case in.err == nil:
		return err // refused before its turn
	}
	o.res.Calls = o.res.Calls[:made] // it was none
	switch {
	case errors.Is(in.err, state.ErrDone):
		return nil
	case errors.Is(in.err, state.ErrInDoubt):
		return &call.Error{
			Code: call.Unknown, Operation: req.Operation, Err: in.err,
			Message: fmt.Sprintf("act %q: another weir is making it now, or died while it did; look again, "+
				"and where it stays in doubt say `weir settle %s done|again`", req.Act.Name, o.c.ID),
		}
	}
	return fmt.Errorf("write down act %q before its call: %w", req.Act.Name, err)
}

// settle writes how an act ended. An unknown outcome is left as it is: begun.
func (o *one) settle(req *call.Request, err error) error {
	act := o.act(req)
	switch call.CodeOf(err) {
	case call.Unknown, call.Internal:
		return err
	case call.OK:
		act.Done = time.Now()
		if req.Act.Lasts > 0 {
			act.Ends = act.Done.Add(req.Act.Lasts)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), settleTime)
	defer cancel()
	if serr := o.opts.Store.Settle(ctx, act); serr != nil {
		return errors.Join(err, fmt.Errorf("write down how act %q ended: %w", act.Name, serr))
	}
	return err
}

func (o *one) act(req *call.Request) resource.Act {
	return resource.Act{
		ID: o.c.ID, Name: req.Act.Name, Token: req.Act.Token,
		Begun: time.Now(), Repeatable: req.Act.Repeatable,
	}
}
