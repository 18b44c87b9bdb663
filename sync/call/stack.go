package call

import (
	"context"
	"fmt"
	"log/slog"
)

// StackOptions are what the wrappers need. Limiters are required: without one
// an account's calls are refused.
type StackOptions struct {
	Limiters Limiters
	// DryRun withholds everything but the operations in Reads.
	DryRun bool
	Reads  []string
	// Circuit may be shared by several stacks, and is reset when an account's
	// keys were read anew. nil for one of its own.
	Circuit  *Circuit
	Recorder Recorder     // nil for no journal
	Metrics  *Metrics     // nil for none
	Jitter   Jitter       // nil for random numbers
	Logger   *slog.Logger // nil for none
}

// Stack puts the wrappers round a client. From the outside in:
//
//   - Trace tells of a call with all that happens to it below;
//   - MeterUnsent counts what the others did not let out;
//   - Withhold comes first, so that a dry run has no other effects either: no
//     waiting, no quota, no journal;
//   - Retry is outside of all that concerns a single try, as each try needs its
//     own slot, its own journal entry and its own measurement;
//   - Circuit.Refuse answers at once what is stopped, instead of after a wait
//     for quota;
//   - Limit gives the slot;
//   - Circuit.Wrap decides again after that wait, which can be long and in which
//     things change: an outage must not go on being called by those who queued
//     before it, and the probe must be a call that goes out now. Limit takes the
//     slot of a refused call back unused;
//   - Begin lets an act begin when its call goes out and not when it queues, so
//     that of a process that dies only what was under way is in doubt;
//   - Journal writes down only what is really about to be sent, and before it is.
//     That its writing lies between slot and sending does not matter to the
//     quota: the slot covers the sending whenever it happens;
//   - WhenReady waits for the last moment of a shared slot that was handed out
//     early, and looks at it once more after all that may have taken long: a
//     process that was stopped with a slot in its hand must not send on it;
//   - Meter measures the client alone, without the journal's disk.
func Stack(client Caller, o StackOptions) Caller {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Circuit == nil {
		o.Circuit = NewCircuit(o.Limiters.Ramp)
	}
	c := Meter(client, o.Metrics)
	c = WhenReady(c)
	c = Journal(c, o.Recorder, o.Logger)
	c = Begin(c)
	c = o.Circuit.Wrap(c)
	c = Limit(c, o.Limiters, o.Metrics)
	c = o.Circuit.Refuse(c)
	c = Retry(c, RetryOptions{Windows: o.Limiters.Windows, Jitter: o.Jitter, Metrics: o.Metrics})
	if o.DryRun {
		c = Withhold(c, o.Reads)
	}
	return Trace(MeterUnsent(c, o.Metrics))
}

// ByAccount sends each call to its account's client.
type ByAccount map[string]Caller

// Call calls the account's client.
func (b ByAccount) Call(ctx context.Context, req *Request) (*Response, error) {
	client, ok := b[req.Account]
	if !ok {
		return nil, refusal(req, Internal, fmt.Sprintf("account %q is not configured", req.Account), nil)
	}
	return client.Call(ctx, req)
}
