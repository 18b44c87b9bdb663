package call_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

// old is a shared budget whose slots are too old at once, but for the last ones.
type old struct{ taken, given, fresh int }

func (o *old) Take(context.Context, call.Want) (call.Slot, error) {
	o.taken++
	return o, nil
}

func (*old) Part() float64                { return 1 }
func (*old) Longest() bool                { return false }
func (*old) Within() bool                 { return true }
func (o *old) Ready(context.Context) bool { return o.taken >= o.fresh }
func (o *old) Give(e call.End) {
	if e.Unsent {
		o.given++
	}
}

// TestWhenReady_TakesAnotherSlot: a call is not sent on an old slot, which is
// given back as unused, and takes a few more before it gives up.
func TestWhenReady_TakesAnotherSlot(t *testing.T) {
	tests := []struct {
		fresh       int // the first slot that is good
		taken, sent int
		given       int
		want        string
	}{
		{1, 1, 1, 0, "<nil>"},
		{3, 3, 1, 2, "<nil>"},
		{100, 5, 0, 5, "Op: internal: not sent: too much time passed since its slot was taken"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			client, shared := &script{}, &old{fresh: tt.fresh}
			l, err := call.NewLimiter(call.LimiterOptions{Limits: map[string][]call.Window{"Op": {second(1)}}})
			if err != nil {
				t.Fatal(err)
			}
			l.Share(shared, func(err error) { t.Errorf("told %v", err) })
			_, err = call.Limit(call.WhenReady(client), call.Limiters{"a": l}, nil).Call(t.Context(), request())
			if got := fmt.Sprint(err); got != tt.want {
				t.Errorf("error %q, want %q", got, tt.want)
			}
			if shared.taken != tt.taken || shared.given != tt.given || len(client.sent) != tt.sent {
				t.Errorf("%d taken, %d given back, %d sent, want %+v", shared.taken, shared.given, len(client.sent), tt)
			}
		})
	}
}

// faulty is a shared budget that panics once.
type faulty struct {
	old
	panicked bool
}

func (f *faulty) Take(ctx context.Context, want call.Want) (call.Slot, error) {
	if !f.panicked {
		f.panicked = true
		panic("a fault in the budget")
	}
	return f.old.Take(ctx, want)
}

// TestLimiter_PanicOfTheBudgetLosesNoSlot: the call that asked leaves the queue, and
// another one asks.
func TestLimiter_PanicOfTheBudgetLosesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := call.NewLimiter(call.LimiterOptions{Limits: map[string][]call.Window{"Op": {second(1)}}})
		if err != nil {
			t.Fatal(err)
		}
		l.Share(&faulty{}, func(err error) { t.Errorf("told %v", err) })
		c := call.Limit(call.WhenReady(&script{}), call.Limiters{"a": l}, nil)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			c.Call(t.Context(), request())
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Call(ctx, request()); err != nil {
			t.Errorf("the next call: %v", err)
		}
		if waiting := l.Waiting()["Op"]; waiting[call.Routine] != 0 {
			t.Errorf("%d calls wait", waiting[call.Routine])
		}
	})
}

// ends is a shared budget that notes how calls ended.
type ends struct {
	old
	all []call.End
}

func (s *ends) Take(context.Context, call.Want) (call.Slot, error) { return s, nil }
func (s *ends) Give(e call.End)                                    { s.all = append(s.all, e) }

// TestLimiter_NoMoreCreditThanTheCallItselfShows: what others are told of the way of
// a call is not above its own round trip, also where that is the shortest so far.
func TestLimiter_NoMoreCreditThanTheCallItselfShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := call.NewLimiter(call.LimiterOptions{Limits: map[string][]call.Window{"Op": {second(1000)}}})
		if err != nil {
			t.Fatal(err)
		}
		shared := &ends{}
		l.Share(shared, func(err error) { t.Errorf("told %v", err) })
		rtt := 100 * time.Millisecond
		client := call.Func(func(context.Context, *call.Request) (*call.Response, error) {
			return &call.Response{Status: 200, RTT: rtt}, nil
		})
		c := call.Limit(client, call.Limiters{"a": l}, nil)
		for range 100 {
			c.Call(t.Context(), request())
		}
		if last := shared.all[99].Extra; last > -90*time.Millisecond {
			t.Errorf("after a hundred round trips of %v others are told of %v", rtt, last)
		}
		rtt = 10 * time.Millisecond
		c.Call(t.Context(), request())
		if last := shared.all[100].Extra; last < -rtt {
			t.Errorf("others are told of %v after a round trip of %v", last, rtt)
		}
	})
}
