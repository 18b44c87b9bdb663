package call

import "context"

// Begin asks each request's Begin before the call goes on, and refuses the call
// where that fails. It stands below everything that waits.
func Begin(next Caller) Caller {
	return Func(func(ctx context.Context, req *Request) (*Response, error) {
		if req.Begin != nil {
			if err := req.Begin(ctx); err != nil {
				return nil, unrecorded(ctx, req, err)
			}
		}
		return next.Call(ctx, req)
	})
}
