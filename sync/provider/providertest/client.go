package providertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
	"weir/sync/secret"
)

var errReset = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

// exchange makes the exchange that a breaking transport stands in.
type exchange func() (*http.Response, error)

// outcome is what a transport answers.
type outcome struct {
	resp *http.Response
	err  error
}

// breaking stands between a client and its cloud.
type breaking struct {
	next http.RoundTripper
	how  func(exchange) outcome

	mu   sync.Mutex
	sent int
}

// RoundTrip answers as how says.
func (b *breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	b.sent++
	b.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	o := b.how(func() (*http.Response, error) { return b.next.RoundTrip(r) })
	if o.resp == nil && o.err == nil {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return o.resp, o.err
}

// answering returns an outcome with a status and a body.
func answering(status int, contentType string, body io.Reader) outcome {
	return outcome{resp: &http.Response{
		StatusCode: status, Status: http.StatusText(status), ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
		Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(body),
	}}
}

// always gives the same answer to everything.
func always(status int, contentType, body string) func(exchange) outcome {
	return func(exchange) outcome { return answering(status, contentType, strings.NewReader(body)) }
}

// failing gives no answer but an error.
func failing(err error) func(exchange) outcome {
	return func(exchange) outcome { return outcome{err: err} }
}

// client checks the raw caller: what each answer means, that there is one
// attempt a call, and that no secret shows.
func (s Suite) client(t *testing.T) {
	t.Run("Refusals", s.refusals)
	t.Run("Faults", s.faults)
	t.Run("Keys", func(t *testing.T) { synctest.Test(t, s.keysRead) })
	t.Run("Canceled", func(t *testing.T) { synctest.Test(t, s.canceled) })
}

// exchanges returns one request of each operation that the samples lead to.
func (s Suite) exchanges(t *testing.T) map[string]*call.Request {
	t.Helper()
	out := map[string]*call.Request{}
	for _, req := range s.requests(t) {
		out[req.Operation] = req
	}
	return out
}

func (s Suite) refusals(t *testing.T) {
	for _, r := range s.Refusals {
		t.Run(r.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, req := range s.exchanges(t) {
					req.Repeatable = true // where it is not, a provider may see doubt in a failure
					s.refused(t, r, req)
				}
			})
		})
	}
}

func (s Suite) refused(t *testing.T, r Refusal, req *call.Request) {
	t.Helper()
	kind := r.ContentType
	if kind == "" {
		kind = "application/json"
	}
	body := strings.ReplaceAll(r.Body, Leak, strings.Join(s.secrets(), " "))
	b := &breaking{next: s.Cloud(), how: always(r.Status, kind, body)}
	_, err := s.caller(t, b).Call(t.Context(), req)
	var e *call.Error
	if !errors.As(err, &e) || e.Code != r.Want || e.Operation != req.Operation {
		t.Errorf("%s: %v (%s), want %s", req.Operation, err, call.CodeOf(err), r.Want)
		return
	}
	if e.Status != r.Status || r.CloudCode != "" && e.CloudCode != r.CloudCode {
		t.Errorf("%s: status %d, cloud code %q, want %d, %q", req.Operation, e.Status, e.CloudCode, r.Status, r.CloudCode)
	}
	if b.sent != 1 || len(e.Message) > 600 {
		t.Errorf("%s: %d attempts, message of %d bytes", req.Operation, b.sent, len(e.Message))
	}
	s.quiet(t, fmt.Sprintf("%v %+v", err, *e))
}

// faults are the ways in which an exchange goes wrong below the API, with the
// code each must have for a write.
func (s Suite) faults(t *testing.T) {
	page := "<html>" + strings.Join(s.secrets(), " ")
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	cases := []struct {
		name string
		how  func(exchange) outcome
		want call.Code
	}{
		{"A13 silence", func(exchange) outcome { return outcome{} }, call.Unknown},
		{"A12 reset", failing(errReset), call.Unknown},
		{"A02 lost response", lost, call.Unknown},
		{"A34 not connected", failing(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), call.Unavailable},
		{"A34 no such host", failing(&net.DNSError{Err: "no such host"}), call.Unavailable},
		{"A11 html", always(200, "text/html", page), call.Unknown},
		{"A11 empty", always(200, "application/json", ""), call.Unknown},
		{"A11 cut", cut, call.Unknown},
		{"A11 other JSON", always(200, "application/json", "[1]"), call.Unknown},
		{"A11 too long", tooLong, call.Unknown},
		{"C15 deep", always(200, "application/json", deep), call.Unknown},
		{"C7 redirect", redirect, call.Unknown},
		{"A05 gateway page", always(503, "text/html", page), call.Unavailable},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, req := range s.exchanges(t) {
					s.faulty(t, tc.how, req, tc.want)
				}
			})
		})
	}
}

func (s Suite) faulty(t *testing.T, how func(exchange) outcome, req *call.Request, want call.Code) {
	t.Helper()
	b := &breaking{next: s.Cloud(), how: how}
	start := time.Now()
	_, err := s.caller(t, b).Call(t.Context(), req)
	if call.CodeOf(err) != want || b.sent != 1 {
		t.Errorf("%s: %v (%s) after %d attempts, want %s after 1", req.Operation, err, call.CodeOf(err), b.sent, want)
	}
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("%s: took %s", req.Operation, took)
	}
	s.quiet(t, fmt.Sprint(err))
}

func lost(do exchange) outcome {
	if _, err := do(); err != nil {
		return outcome{err: err}
	}
	return outcome{err: io.ErrUnexpectedEOF}
}

func cut(do exchange) outcome {
	resp, err := do()
	if err != nil {
		return outcome{err: err}
	}
	body, _ := io.ReadAll(resp.Body)
	return answering(200, "application/json", io.MultiReader(strings.NewReader(string(body[:len(body)/2])), broken{}))
}

// broken is a body that ends in an error.
type broken struct{}

// Read fails.
func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func tooLong(exchange) outcome {
	return answering(200, "application/json", io.LimitReader(endless{}, 8<<20))
}

// endless is a body of spaces.
type endless struct{}

// Read fills b.
func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func redirect(exchange) outcome {
	o := answering(302, "text/html", strings.NewReader(""))
	o.resp.Header.Set("Location", "https://elsewhere.example.net/")
	return o
}

// keysRead checks that the cloud knows the signature, refuses that of another
// secret, and that the key is asked for again before the next call.
func (s Suite) keysRead(t *testing.T) {
	wrong := s.Key
	wrong.Secret = secret.New("not the secret of this key")
	turn := []secret.Key{wrong, s.Key, wrong}
	asked := 0
	c, err := s.Client(s.Cloud(), func() (secret.Key, error) { asked++; return turn[asked-1], nil })
	if err != nil {
		t.Fatal(err)
	}
	req := s.read(t)
	for i, right := range []bool{false, true, false} {
		_, err := spaced(c).Call(t.Context(), req)
		code := call.CodeOf(err)
		if known := code == call.OK || code == call.NotFound; known != right || !right && code != call.Unauthentic {
			t.Errorf("call %d: %v (%s), signed with the right key: %t", i, err, code, right)
		}
	}
	if asked != 3 {
		t.Errorf("the key was asked for %d times in 3 calls", asked)
	}
	missing, err := s.Client(s.Cloud(), func() (secret.Key, error) { return secret.Key{}, errors.New("no such file") })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := missing.Call(t.Context(), req); call.CodeOf(err) != call.Unauthentic {
		t.Errorf("without a key: %v", err)
	}
}

// read returns a read that the cloud answers.
func (s Suite) read(t *testing.T) *call.Request {
	t.Helper()
	rec := &recorder{next: spaced(s.caller(t, s.Cloud()))}
	if _, err := s.New().Observe(t.Context(), rec, s.all(t)); err != nil || len(rec.requests()) == 0 {
		t.Fatalf("Observe: %v, %d calls", err, len(rec.requests()))
	}
	return rec.requests()[0]
}

func (s Suite) canceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := &breaking{next: s.Cloud(), how: func(do exchange) outcome { r, err := do(); return outcome{r, err} }}
	if _, err := s.caller(t, b).Call(ctx, s.read(t)); call.CodeOf(err) != call.Canceled || b.sent != 0 {
		t.Errorf("%v (%s), %d sent, want it canceled and none", err, call.CodeOf(err), b.sent)
	}
}
