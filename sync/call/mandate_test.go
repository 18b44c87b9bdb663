package call_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

// leads is a mandate that lasts for some time.
type leads time.Duration

func (l leads) Left(string) time.Duration { return time.Duration(l) }

// lent is a budget whose slots last for some time.
type lent struct {
	call.Shared
	left  []time.Duration // of each slot, one after the other
	taken int
}

func (l *lent) Take(context.Context, call.Want) (call.Slot, error) {
	left := l.left[min(l.taken, len(l.left)-1)]
	l.taken++
	return lasting{left}, nil
}

type lasting struct{ left time.Duration }

func (lasting) Part() float64              { return 1 }
func (lasting) Longest() bool              { return false }
func (lasting) Within() bool               { return true }
func (lasting) Ready(context.Context) bool { return true }
func (lasting) Give(call.End)              {}
func (l lasting) Left() time.Duration      { return l.left }

// TestFailure_P12_CallEndsBeforeItsMandate: a call is sent only where mandate and slot
// last for long enough, and given up before either ends.
func TestFailure_P12_CallEndsBeforeItsMandate(t *testing.T) {
	const least = 5 * time.Second
	for _, test := range []struct {
		name    string
		mandate call.Mandate
		slots   []time.Duration // nil for a budget of its own
		ends    time.Duration   // after which the call is given up, 0 where it is not sent
		taken   int             // slots
		code    call.Code
	}{
		{name: "a mandate", mandate: leads(9 * time.Second), ends: 7 * time.Second, code: call.Unknown},
		{name: "a mandate that ends soon", mandate: leads(least - 1), code: call.Stopped},
		{name: "no mandate is needed, and the slot lasts", slots: []time.Duration{8 * time.Second}, ends: 6 * time.Second, taken: 1, code: call.Unknown},
		{
			name: "the slot ends first", mandate: leads(9 * time.Second), slots: []time.Duration{6 * time.Second},
			ends: 4 * time.Second, taken: 1, code: call.Unknown,
		},
		{
			name: "the mandate ends first", mandate: leads(6 * time.Second), slots: []time.Duration{9 * time.Second},
			ends: 4 * time.Second, taken: 1, code: call.Unknown,
		},
		{
			name: "another slot is taken for one that ends soon", slots: []time.Duration{least - 1, 0, 8 * time.Second},
			ends: 6 * time.Second, taken: 3, code: call.Unknown,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, err := call.NewLimiter(call.LimiterOptions{})
				if err != nil {
					t.Fatal(err)
				}
				budget := &lent{left: test.slots}
				if test.slots != nil {
					l.Share(budget, func(error) {})
				}
				var took time.Duration
				hangs := call.Func(func(ctx context.Context, _ *call.Request) (*call.Response, error) {
					begin := time.Now()
					<-ctx.Done()
					took = time.Since(begin)
					return nil, &call.Error{Code: call.Unknown}
				})
				c := call.Limit(call.WhenReady(call.WhileMandated(hangs, test.mandate, least)), call.Limiters{"a": l}, nil)
				_, err = c.Call(t.Context(), &call.Request{Account: "a", Operation: "Op"})
				if call.CodeOf(err) != test.code || took != test.ends || budget.taken != test.taken {
					t.Errorf("%v after %v with %d slots, want %v after %v with %d", err, took, budget.taken, test.code, test.ends, test.taken)
				}
			})
		})
	}
}
