package call

import (
	"context"
	"time"
)

// Linger lets a write that is under way end by itself when its context ends:
// a call cut off in the middle has an outcome that nobody knows. It gets grace
// more time; reads end at once.
func Linger(next Caller, grace time.Duration) Caller {
	return Func(func(ctx context.Context, req *Request) (*Response, error) {
		if !req.Write {
			return next.Call(ctx, req)
		}
		longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		defer context.AfterFunc(ctx, func() {
			timer := time.AfterFunc(grace, cancel)
			context.AfterFunc(longer, func() { timer.Stop() })
		})()
		return next.Call(longer, req)
	})
}
