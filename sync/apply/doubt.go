package apply

import (
	"time"

	"weir/sync/call"
	"weir/sync/plan"
)

// sure makes a call. One whose outcome is unknown is read back before anything
// else is done about it. Where that does not show what is wanted the call is
// made once more, if a second one has no second effect: an old value that is
// seen may be the cloud's lag, and says nothing.
func (o *one) sure(req *call.Request) error {
	err := o.send(req)
	switch {
	case call.CodeOf(err) != call.Unknown:
		return err
	case o.shows(req):
		return nil
	case !req.Repeatable || o.ctx.Err() != nil:
		return err
	}
	again := o.send(req)
	switch {
	case call.CodeOf(again).Telling():
		return again
	case o.shows(req):
		return nil
	}
	return err
}

// shows reads the resource back, where its kind can be read, and reports
// whether it is as wanted.
func (o *one) shows(req *call.Request) bool {
	if !o.kind.Readable || o.ctx.Err() != nil {
		return false
	}
	seen, ok := o.read()
	if o.shown = ok && o.c.Shows(o.kind.Judge, seen, time.Now()); o.shown && o.c.Action != plan.Delete {
		o.res.Shown = &seen
	}
	o.opts.Logger.Info("a call's outcome is unknown; the resource was read back", "resource", o.c.ID.String(),
		"operation", req.Operation, "readable", ok, "as_wanted", o.shown)
	return o.shown
}
