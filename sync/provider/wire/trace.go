package wire

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
	"time"

	"weir/sync/call"
)

// trace follows one exchange: how far it came, and when.
type trace struct {
	mu      sync.Mutex // net/http calls the hooks from its own goroutines
	start   time.Time
	network bool // the transport reports its steps; an in-process one does not
	written bool // the head of the request went to the connection
	wrote   time.Time
	first   time.Time
}

func newTrace() *trace { return &trace{start: time.Now()} }

func (t *trace) attach(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:              func(string) { t.note(func() { t.network = true }) },
		WroteHeaders:         func() { t.note(func() { t.written = true }) },
		WroteRequest:         func(httptrace.WroteRequestInfo) { t.note(func() { t.wrote = time.Now() }) },
		GotFirstResponseByte: func() { t.note(func() { t.first = time.Now() }) },
	})
}

func (t *trace) note(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
}

// headers marks that the transport returned an answer.
func (t *trace) headers() {
	t.note(func() {
		if t.first.IsZero() {
			t.first = time.Now()
		}
	})
}

// rtt is the time from the request written to the first byte of the answer;
// for a transport that reports no steps, from the start of the call.
func (t *trace) rtt() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := t.wrote
	if from.IsZero() {
		from = t.start
	}
	return max(0, t.first.Sub(from))
}

// failure classes an exchange that ended without an answer. A transport that
// reports no steps may have had an effect unless it says it could not connect.
func (t *trace) failure(ctx context.Context, operation string, err error, text string) *call.Error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.written || (!t.network && !connecting(err)) {
		return unknown(ctx, operation, text)
	}
	if ctx.Err() != nil {
		return canceled(operation, ctx.Err())
	}
	return &call.Error{Code: call.Unavailable, Operation: operation, Message: "not sent: " + text}
}

func connecting(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}

// unknown is the outcome of a request that was sent and not answered.
func unknown(ctx context.Context, operation, text string) *call.Error {
	return &call.Error{Code: call.Unknown, Operation: operation, Message: text, Err: ctx.Err()}
}

func canceled(operation string, err error) *call.Error {
	return &call.Error{Code: call.Canceled, Operation: operation, Message: "given up before it was sent", Err: err}
}
