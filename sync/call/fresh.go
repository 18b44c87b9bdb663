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

// FreshOnly keeps a call from being sent whose shared slot may have expired
// meanwhile, as that of a process that was stopped for a while. Limit takes
// another slot for it. It stands right above what sends.
func FreshOnly(next Caller) Caller {
	return Func(func(ctx context.Context, req *Request) (*Response, error) {
		if slot, ok := ctx.Value(slotKey{}).(Slot); ok && !slot.Fresh() {
			return nil, refusal(req, Internal, "not sent: too much time passed since its slot was taken", stale{})
		}
		return next.Call(ctx, req)
	})
}
