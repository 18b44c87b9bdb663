package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// answer is what a request gets.
type answer struct {
	status int
	header map[string]string
	body   []byte
	delay  time.Duration
	cut    cut
}

// cut is how a connection ends without an answer.
type cut int

const (
	whole     cut = iota // it does not
	cutBefore            // before the effect
	cutAfter             // after the effect
)

// plain is an answer of the emulator itself, not of a cloud.
func plain(status int, problem string) *answer {
	body, _ := json.Marshal(map[string]string{"error": problem})
	return &answer{status: status, body: body, header: map[string]string{"Content-Type": "application/json"}}
}

// wait lets the answer's delay pass.
func (a *answer) wait(ctx context.Context) error {
	if a.delay <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(a.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ServeHTTP answers calls of both clouds and of the admin endpoints.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := e.respond(r)
	if a.wait(r.Context()) != nil {
		a.cut = cutAfter
	}
	if a.cut != whole {
		hangUp(w, a.cut)
		return
	}
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that went away is its own concern
}

// hangUp closes the connection without an answer: with a reset before the
// effect, orderly after it.
func hangUp(w http.ResponseWriter, c cut) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 cannot be hijacked; this resets its stream
	}
	if tcp, ok := conn.(*net.TCPConn); ok && c == cutBefore {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// Transport returns a round tripper that leads to the emulator whatever the
// URL's host, without a socket. The call is made in the caller's goroutine and
// takes no time but a fault's delay, which ends with the request's context.
func (e *Emulator) Transport() http.RoundTripper { return transport{e} }

type transport struct {
	emulator *Emulator
}

// RoundTrip answers r. A connection that is cut is an error, as over a socket.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	a := t.emulator.respond(received(r))
	if err := a.wait(r.Context()); err != nil {
		return nil, err
	}
	switch a.cut {
	case cutBefore:
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	case cutAfter:
		return nil, fmt.Errorf("reading the answer: %w", io.ErrUnexpectedEOF)
	}
	return a.response(r), nil
}

// received returns a client's request as a server would see it.
func received(r *http.Request) *http.Request {
	server := r.WithContext(r.Context())
	server.Header = make(http.Header, len(r.Header))
	for name, values := range r.Header {
		server.Header[http.CanonicalHeaderKey(name)] = values
	}
	if server.Host == "" {
		server.Host = r.URL.Host
	}
	if server.Method == "" {
		server.Method = http.MethodGet
	}
	return server
}

func (a *answer) response(r *http.Request) *http.Response {
	header := make(http.Header, len(a.header))
	for name, value := range a.header {
		header.Set(name, value)
	}
	return &http.Response{
		Status: strconv.Itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
	}
}
