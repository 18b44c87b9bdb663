package simulation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"weir/sync/call"
)

// asked is the key of the request that a context belongs to.
type asked struct{}

// staggered keeps calls that begin at one instant apart, so that no queue is
// ordered by the scheduler.
func (p *process) staggered(next call.Caller) call.Caller {
	return call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
		p.pause(ctx, p.luck("stagger "+sentKey(ctx, req)).within(1, 200*time.Microsecond))
		return next.Call(ctx, req)
	})
}

// sentKey tells calls apart that may be on their way at one instant: a pass and the
// scrub may read the same.
func sentKey(ctx context.Context, req *call.Request) string {
	return fmt.Sprint(call.PriorityOf(ctx, req), callKey(req))
}

func callKey(req *call.Request) string {
	return fmt.Sprint(req.Account, req.Operation, req.Cause.Resource, req.Params) // maps print in key order
}

// watched tells the transport, which sees bytes, what they are.
func (p *process) watched(client call.Caller) call.Caller {
	return call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
		resp, err := client.Call(context.WithValue(ctx, asked{}, req), req)
		if code := call.CodeOf(err); !req.Write && (code == call.OK || code == call.NotFound) {
			p.run.readSucceeded(p, req)
		}
		return resp, err
	})
}

// wire is the way of one process to the clouds.
type wire struct {
	p    *process
	next http.RoundTripper
}

// RoundTrip carries a request there and its answer back. A request that its
// sender has given up, or whose sender died, may still arrive.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	p := w.p
	req, ok := r.Context().Value(asked{}).(*call.Request)
	if !ok {
		panic("a request that no caller made")
	}
	luck := p.luck("call " + sentKey(r.Context(), req))
	if p.dead.Load() || p.cut("before call") {
		return nil, errDead
	}
	p.run.sends(p, req)
	if p.run.struck("unconnected", luck.of("unconnected")) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	forth := luck.of("forth").within(time.Millisecond, 30*time.Millisecond)
	if p.run.struck("late", luck.of("late")) {
		forth = clientPatience + luck.of("late by").within(time.Millisecond, time.Second)
	}
	left := p.pauseLeft(r.Context(), forth)
	if left > 0 {
		w.abandoned(r, req, left, luck)
		return nil, errors.New("given up on the way")
	}
	resp, err := w.arrive(r, req)
	if req.Write && p.cut("after call") {
		return nil, errDead
	}
	p.pause(r.Context(), luck.of("back").within(time.Millisecond, 30*time.Millisecond))
	if p.dead.Load() {
		return nil, errDead
	}
	return resp, err
}

// clientPatience is how long a client waits for an answer.
const clientPatience = 15 * time.Second

// abandoned lets a request go on without its sender, for at most a second more.
func (w *wire) abandoned(r *http.Request, req *call.Request, left time.Duration, luck draw) {
	if left > 1100*time.Millisecond || luck.of("abandoned").chance(0.5) {
		return
	}
	w.p.run.struckNow("late-arrival")
	late := r.WithContext(context.WithoutCancel(r.Context()))
	w.p.run.stray.Go(func() {
		time.Sleep(left)
		_, _ = w.arrive(late, req)
	})
}

func (w *wire) arrive(r *http.Request, req *call.Request) (*http.Response, error) {
	w.p.run.arrives(r.Context(), w.p, req)
	return w.next.RoundTrip(r)
}

// pause lets time pass until ctx ends or the process is dead.
func (p *process) pause(ctx context.Context, d time.Duration) { p.pauseLeft(ctx, d) }

// pauseLeft returns how much of the pause was left when it was broken off.
func (p *process) pauseLeft(ctx context.Context, d time.Duration) time.Duration {
	until := time.Now().Add(d)
	timer := time.NewTimer(max(d, 1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return 0
	case <-ctx.Done():
	case <-p.died:
	}
	return max(time.Until(until), 1)
}

// cutPoint is where a process dies: at the n-th time of a kind of moment.
type cutPoint struct {
	moment string
	left   atomic.Int64
}

// cut counts a moment, and reports whether the process is dead now.
func (p *process) cut(moment string) bool {
	p.moments.next(moment)
	c := p.cutAt.Load()
	if c == nil || c.moment != moment || c.left.Add(-1) != 0 {
		return p.dead.Load()
	}
	p.run.note("process: %s: cut %s", p.name, moment)
	p.run.struckNow("cut-" + moment)
	if p.run.onCut != nil {
		p.run.onCut()
	}
	p.kill()
	return true
}
