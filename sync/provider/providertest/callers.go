package providertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/sync/call"
)

// recorder notes every request on its way.
type recorder struct {
	next call.Caller
	mu   sync.Mutex
	made []*call.Request
}

// Call notes req and passes it on.
func (r *recorder) Call(ctx context.Context, req *call.Request) (*call.Response, error) {
	r.mu.Lock()
	r.made = append(r.made, req)
	r.mu.Unlock()
	return r.next.Call(ctx, req)
}

func (r *recorder) requests() []*call.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.made)
}

// mentions reports whether a request was made that names text.
func (r *recorder) mentions(text string) bool {
	return slices.ContainsFunc(r.requests(), func(req *call.Request) bool { return mentions(req, text) })
}

func mentions(req *call.Request, text string) bool {
	return strings.Contains(encode(req.Params), text)
}

// spaced lets one call a second through, so that no quota is met; in a bubble
// the seconds are free. A channel is the lock, because a bubble's clock does
// not go on while somebody waits for a mutex.
func spaced(next call.Caller) call.Caller {
	turn := make(chan struct{}, 1)
	return call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
		turn <- struct{}{}
		time.Sleep(time.Second)
		<-turn
		return next.Call(ctx, req)
	})
}

// spoiling answers requests that name text with an error.
func spoiling(next call.Caller, text string) call.Caller {
	return call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
		if !mentions(req, text) {
			return next.Call(ctx, req)
		}
		return nil, &call.Error{Code: call.Unavailable, Operation: req.Operation, Message: fmt.Sprintf("no %s today", text)}
	})
}
