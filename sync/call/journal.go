package call

import (
	"context"
	"log/slog"
	"time"
)

// closeTimeout bounds the writing of an outcome, which goes on after its call
// was cancelled.
const closeTimeout = 5 * time.Second

// Recorder keeps the journal of calls.
type Recorder interface {
	// Open writes that req is about to be sent, durably, and returns the
	// entry's number.
	Open(ctx context.Context, req *Request) (int64, error)
	// Close writes how the call of entry n ended.
	Close(ctx context.Context, n int64, resp *Response, err error) error
}

// Journal writes every attempt before it is sent and its outcome after it. A
// call whose intent cannot be written is not made: after a crash nobody would
// know of it. An outcome that cannot be written is logged and changes nothing
// for the caller; its entry stays open, which reads as "outcome unknown". A
// nil recorder keeps no journal.
func Journal(next Caller, recorder Recorder, logger *slog.Logger) Caller {
	if recorder == nil {
		return next
	}
	return Func(func(ctx context.Context, req *Request) (*Response, error) {
		n, err := recorder.Open(ctx, req)
		if err != nil {
			return nil, unrecorded(ctx, req, err)
		}
		resp, err := next.Call(ctx, req)
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if closeErr := recorder.Close(closing, n, resp, err); closeErr != nil {
			level := slog.LevelError
			if Lapsed(closeErr) {
				level = slog.LevelWarn // who leads the account now looks what became of it
			}
			logger.Log(ctx, level, "cannot write the outcome of a call", "entry", n, "account", req.Account,
				"operation", req.Operation, "code", CodeOf(err), "error", closeErr)
		}
		return resp, err
	})
}

// unrecorded is the outcome of a call whose intent could not be written.
func unrecorded(ctx context.Context, req *Request, err error) *Error {
	if ctx.Err() != nil {
		return refusal(req, Canceled, "gave up before it was sent", err)
	}
	return refusal(req, Internal, "no intent saved, no call: "+err.Error(), err)
}
