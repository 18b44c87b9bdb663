package call

import (
	"cmp"
	"context"

	"weir/sync/trace"
)

// Trace makes a span of each call, with all its tries and waits. What is sent is
// not told: parameters hold addresses of streams.
func Trace(next Caller) Caller {
	return Func(func(ctx context.Context, req *Request) (*Response, error) {
		ctx, span := trace.Begin(ctx, req.Operation)
		resp, err := next.Call(ctx, req)
		if span != nil {
			describe(span, req, resp, err)
			span.End(nil)
		}
		return resp, err
	})
}

// describe tells of a call what its journal tells too.
func describe(span *trace.Span, req *Request, resp *Response, err error) {
	span.Remote()
	span.Text("weir.account", req.Account)
	span.Text("weir.operation", req.Operation)
	span.Flag("weir.write", req.Write)
	span.Text("weir.resource", req.Cause.Resource)
	span.Text("weir.commit", req.Cause.Commit)
	span.Text("weir.plan", req.Cause.Plan)
	code := CodeOf(err)
	span.Text("weir.code", string(code))
	if err == nil {
		span.Text("weir.request_id", resp.RequestID)
		span.Number("weir.attempts", resp.Attempts)
		span.Number("http.response.status_code", resp.Status)
		span.Seconds("weir.rtt_seconds", resp.RTT)
		return
	}
	e := asError(err)
	span.Text("weir.request_id", e.RequestID)
	span.Number("weir.attempts", e.Attempts)
	span.Number("http.response.status_code", e.Status)
	span.Seconds("weir.rtt_seconds", e.RTT)
	span.Text("error.type", cmp.Or(e.CloudCode, string(code)))
	if code != Withheld { // a dry run has not failed
		span.Fail(string(code))
	}
}
