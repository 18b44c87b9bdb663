package call

import "context"

// staleTries is how often a call may take a slot anew because too much time
// passed before it was sent.
const staleTries = 5

// slotKey is where a context has the shared slot of its call.
type slotKey struct{}

// withSlot returns a context for the call that slot was taken for.
func withSlot(ctx context.Context, slot Slot) context.Context {
	if slot == nil {
		return ctx
	}
	return context.WithValue(ctx, slotKey{}, slot)
}

// stale is the cause of a call that was kept from being sent on an old slot.
type stale struct{}

func (stale) Error() string { return "its slot is too old" }

// WhenReady sends a call when its shared slot is free, and not when the slot may
// have expired meanwhile, as that of a process that was stopped for a while;
// Limit takes another one then. It stands right above what sends: a slot is
// handed out a moment before it is free, so that the journal's write lies in
// the time before and not in the slot's.
func WhenReady(next Caller) Caller {
	return Func(func(ctx context.Context, req *Request) (*Response, error) {
		slot, ok := ctx.Value(slotKey{}).(Slot)
		switch {
		case !ok || slot.Ready(ctx):
			return next.Call(ctx, req)
		case ctx.Err() != nil:
			return nil, refusal(req, Canceled, "gave up before it was sent", ctx.Err())
		default:
			return nil, refusal(req, Internal, "not sent: too much time passed since its slot was taken", stale{})
		}
	})
}
