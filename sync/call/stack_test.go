package call_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/call"
)

// script is a client that answers with its outcomes in turn, and with success
// when there are none left.
type script struct {
	mu       sync.Mutex
	outcomes []error
	sent     []time.Time
}

func (s *script) Call(context.Context, *call.Request) (*call.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, time.Now())
	var outcome error
	if len(s.outcomes) > 0 {
		outcome, s.outcomes = s.outcomes[0], s.outcomes[1:]
	}
	if outcome != nil {
		return nil, outcome
	}
	return &call.Response{RequestID: "R", Status: 200, RTT: time.Millisecond}, nil
}

// tries returns how many calls it got.
func (s *script) tries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent)
}

// fails returns n outcomes of the given code.
func fails(n int, code call.Code) []error {
	outcomes := make([]error, n)
	for i := range outcomes {
		outcomes[i] = &call.Error{Code: code, Operation: "Op", CloudCode: "Cloud." + string(code), Message: "said no"}
	}
	return outcomes
}

// request is a write of account "a", operation "Op".
func request() *call.Request {
	return &call.Request{Account: "a", Operation: "Op", Write: true, Params: map[string]any{"k": "v"}}
}

// limiters returns limiters for the accounts with one window for "Op".
func limiters(t testing.TB, w call.Window, accounts ...string) call.Limiters {
	t.Helper()
	all := call.Limiters{}
	for _, account := range accounts {
		l, err := call.NewLimiter(call.LimiterOptions{Limits: map[string][]call.Window{"Op": {w}}})
		if err != nil {
			t.Fatal(err)
		}
		all[account] = l
	}
	return all
}

// half is a jitter in the middle.
func half(*call.Request, int) float64 { return 0.5 }

// ledger is a Recorder in memory.
type ledger struct {
	mu             sync.Mutex
	opened, closed []string
	openErr        error
	closeErr       error
}

func (l *ledger) Open(_ context.Context, req *call.Request) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.openErr != nil {
		return 0, l.openErr
	}
	l.opened = append(l.opened, req.Operation)
	return int64(len(l.opened)), nil
}

func (l *ledger) Close(ctx context.Context, _ int64, _ *call.Response, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = append(l.closed, string(call.CodeOf(err)))
	return l.closeErr
}

func TestStack_RetriesAreTriesOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &script{outcomes: fails(2, call.Unavailable)}
		book := &ledger{}
		registry := prometheus.NewRegistry()
		metrics, err := call.NewMetrics(registry)
		if err != nil {
			t.Fatal(err)
		}
		c := call.Stack(client, call.StackOptions{
			Limiters: limiters(t, call.Window{Limit: 2, Per: time.Second}, "a"),
			Recorder: book, Metrics: metrics, Jitter: half,
		})
		resp, err := c.Call(t.Context(), request())
		if err != nil || resp.Attempts != 3 {
			t.Fatalf("outcome %+v, %v; want success at the third try", resp, err)
		}
		if got := strings.Join(book.closed, " "); len(book.opened) != 3 || got != "unavailable unavailable ok" {
			t.Errorf("journal: %d opened, closed %q; want each try", len(book.opened), got)
		}
		want := `
# HELP weir_calls_total API calls made (each try), and calls that were not sent, by outcome.
# TYPE weir_calls_total counter
weir_calls_total{account="a",code="ok",operation="Op"} 1
weir_calls_total{account="a",code="unavailable",operation="Op"} 2
# HELP weir_call_retries_total API calls that were made again.
# TYPE weir_call_retries_total counter
weir_call_retries_total{account="a",operation="Op"} 2
`
		err = testutil.GatherAndCompare(registry, strings.NewReader(want), "weir_calls_total", "weir_call_retries_total")
		if err != nil {
			t.Error(err)
		}
	})
}

func TestStack_DryRunTouchesNothing(t *testing.T) {
	client, book := &script{}, &ledger{}
	c := call.Stack(client, call.StackOptions{
		Limiters: limiters(t, call.Window{Limit: 1, Per: time.Second}, "a"), DryRun: true, Recorder: book,
	})
	for range 3 {
		if _, err := c.Call(t.Context(), request()); call.CodeOf(err) != call.Withheld {
			t.Fatalf("code %q, want withheld", call.CodeOf(err))
		}
	}
	if len(client.sent) != 0 || len(book.opened) != 0 {
		t.Errorf("%d sent, %d in the journal; want none", len(client.sent), len(book.opened))
	}
}

func TestStack_QueueLearnsOfAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &script{outcomes: fails(1000, call.Unauthentic)}
		book := &ledger{}
		c := call.Stack(client, call.StackOptions{Limiters: limiters(t, second(2), "a"), Recorder: book})
		start := time.Now()
		if failed := all(t.Context(), c, 500, "Op"); failed != 500 {
			t.Errorf("%d failed, want all", failed)
		}
		if client.tries() != 1 || len(book.opened) != 1 || time.Since(start) != 0 {
			t.Errorf("%d sent, %d in the journal, %v: want those in the queue refused at once",
				client.tries(), len(book.opened), time.Since(start))
		}
	})
}

func TestFailure_A25_EachTryIsSignedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		req := request()
		signed := 0
		client := call.Func(func(_ context.Context, got *call.Request) (*call.Response, error) {
			signed++
			if got != req {
				t.Error("the client was given another request")
			}
			return nil, &call.Error{Code: call.Unavailable}
		})
		c := call.Stack(client, call.StackOptions{Limiters: limiters(t, second(10), "a"), Jitter: half})
		c.Call(t.Context(), req)
		if signed != 5 {
			t.Errorf("the client signed %d times, want for each of the 5 tries", signed)
		}
		if want := request(); !reflect.DeepEqual(req, want) {
			t.Errorf("the request became %+v", req)
		}
	})
}

func TestByAccount_EachCallToItsClient(t *testing.T) {
	a, b := &script{}, &script{}
	c := call.ByAccount{"a": a, "b": b}
	c.Call(t.Context(), request())
	if a.tries() != 1 || b.tries() != 0 {
		t.Errorf("a got %d and b %d, want 1 and 0", a.tries(), b.tries())
	}
	_, err := c.Call(t.Context(), &call.Request{Account: "c", Operation: "Op"})
	if got, want := fmt.Sprint(err), `Op: internal: account "c" is not configured`; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

func TestJournal_NoIntentNoCall(t *testing.T) {
	client := &script{}
	c := call.Journal(client, &ledger{openErr: errors.New("disk full")}, slog.New(slog.DiscardHandler))
	_, err := c.Call(t.Context(), request())
	if got, want := err.Error(), "Op: internal: no intent saved, no call: disk full"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	if len(client.sent) != 0 {
		t.Error("it was sent nevertheless")
	}
}
