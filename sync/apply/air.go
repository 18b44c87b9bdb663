package apply

import (
	"context"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
)

// airedFor is how long it is taken as known what is on air.
const airedFor = 10 * time.Second

// offAir returns req so that it is not sent where it would interrupt what has
// gone on air since its change was planned. That is asked when the call goes
// out and not when it queues: a queue for quota can be long. What a person has
// consented to interrupt is not asked about.
func (o *one) offAir(req *call.Request) *call.Request {
	if !req.Write || o.c.OnAir != "" || o.kind.Interrupts == nil || !o.kind.Interrupts(o.c) {
		return req
	}
	asked := *req
	asked.Begin = func(ctx context.Context) error {
		if why := o.nowOnAir(ctx); why != "" {
			return &call.Error{Code: call.Stopped, Message: "not sent, nobody has consented to interrupt it: " + why}
		}
		if req.Begin == nil {
			return nil
		}
		return req.Begin(ctx)
	}
	return &asked
}

// nowOnAir says what of the change is on air now.
func (o *one) nowOnAir(ctx context.Context) string {
	if time.Since(o.c.Aired) <= airedFor {
		return "" // as the plan says
	}
	return o.target.Provider.OnAir(ctx, o.target.Caller, []plan.Change{o.c})[0]
}
