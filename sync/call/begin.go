package call

import (
	"context"
	"errors"
)

// Begin asks each request's Begin before the call goes on, and refuses the call
// where that fails: with the *Error it returns, or for want of a saved intent. It
// stands below everything that waits.
func Begin(next Caller) Caller {
	return Func(func(ctx context.Context, req *Request) (*Response, error) {
		if req.Begin != nil {
			if err := req.Begin(ctx); err != nil {
				return nil, unbegun(ctx, req, err)
			}
		}
		return next.Call(ctx, req)
	})
}

// unbegun is the outcome of a call that its own Begin kept from being sent.
func unbegun(ctx context.Context, req *Request, err error) *Error {
	own, ok := errors.AsType[*Error](err)
	if !ok {
		return unrecorded(ctx, req, err)
	}
	e := *own
	e.Operation, e.unsent = req.Operation, true
	return &e
}
