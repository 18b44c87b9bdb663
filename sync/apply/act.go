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
	sent  time.Time // when the latest try was about to go out
	err   error     // of the store, nil before and after a success
}

// begin writes the act down before the first try. A later try is the same act,
// unless somebody has settled it meanwhile.
func (i *intent) begin(ctx context.Context) error {
	i.sent = time.Now()
	i.err = i.store.Begin(ctx, i.act())
	if i.begun && errors.Is(i.err, state.ErrInDoubt) {
		i.err = nil
	}
	i.begun = i.begun || i.err == nil
	return i.err
}

// once makes a call that must not happen twice.
func (o *one) once(req *call.Request) error {
	in := &intent{store: o.opts.Store, act: func() resource.Act { return o.act(req) }}
	req.Begin = in.begin
	made := len(o.res.Calls)
	err := o.forgive(o.sure(req))
	switch {
	case in.begun && !errors.Is(in.err, state.ErrDone):
		return o.settle(req, in.sent, err)
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

// settle writes how an act ended whose latest try went out at sent. An unknown
// outcome is left as it is: begun.
func (o *one) settle(req *call.Request, sent time.Time, err error) error {
	act := o.act(req)
	switch code := call.CodeOf(err); {
	case code == call.Unknown, code == call.Internal && !call.Unsent(err):
		return err
	case code == call.OK:
		act.Done, act.Ends = time.Now(), lease(sent, req.Act.Lasts)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), settleTime)
	defer cancel()
	if serr := o.opts.Store.Settle(ctx, act); serr != nil {
		return errors.Join(err, fmt.Errorf("write down how act %q ended: %w", act.Name, serr))
	}
	return err
}

// act returns what is begun. Its end is that of an effect that comes at once,
// for a person who settles it as done cannot say it.
func (o *one) act(req *call.Request) resource.Act {
	now := time.Now()
	return resource.Act{
		ID: o.c.ID, Name: req.Act.Name, Token: req.Act.Token,
		Begun: now, Ends: lease(now, req.Act.Lasts), Repeatable: req.Act.Repeatable,
	}
}

// lease returns when what lasts so long has run out, zero for never. It counts
// from the sending, before which no effect can have begun: an answer may be
// slow, and a renewal must not be late.
func lease(sent time.Time, lasts time.Duration) time.Time {
	if lasts <= 0 {
		return time.Time{}
	}
	return sent.Add(lasts)
}
