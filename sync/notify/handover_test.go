package notify

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"weir/sync/notify/message"
	"weir/sync/plan"
)

// reload hands a room over to one of another configuration.
func (r *room) reload(t *testing.T, set func(*Receiver)) {
	t.Helper()
	of := r.n.receivers[0].of
	if set != nil {
		set(&of)
	}
	next, err := New(Options{Receivers: []Receiver{of}, Metrics: r.metrics, random: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.n.HandOver(next); err != nil {
		t.Error(err)
	}
	r.n = next
}

// TestAReloadTellsNothingTwice: what stood and stands is known, and is told to be over;
// a plan that is another is told.
func TestAReloadTellsNothingTwice(t *testing.T) {
	inRoom(t, nil, func(r *room) {
		r.n.Tell(heldAs("aaa"))
		time.Sleep(time.Minute)
		r.n.Tell(about(message.Fight, "a", false))
		time.Sleep(time.Hour - time.Minute)
		r.reload(t, nil)
		r.n.Tell(about(message.Fight, "a", false))
		r.n.Tell(heldAs("bbb"))
		time.Sleep(time.Hour)
		r.expect(t, "5 Held: plan aaa by removals", "65 Fight: a", "3605 Held: plan bbb by removals")
		r.n.Tell(about(message.Fight, "a", true))
		time.Sleep(time.Minute)
		if got := r.said(); len(got) != 4 || got[3] != "7205 Fight is over: a" {
			t.Errorf("said %q", got)
		}
	})
}

// TestAReloadLosesNothing of what happened, and of what is under way, though the
// receiver is down; and asks for no more than a receiver takes.
func TestAReloadLosesNothing(t *testing.T) {
	s := &server{status: []int{503}}
	inRoomOf(t, s, func(o *Receiver) { o.Rate = 3 }, func(r *room) {
		for i := range 2 {
			e := about(message.Applied, fmt.Sprint("r", i), false)
			e.Revision, e.Action = fmt.Sprint("rev", i), plan.Create
			r.n.Tell(e)
		}
		time.Sleep(10 * time.Second)
		for range 5 {
			r.reload(t, nil)
			time.Sleep(time.Second)
		}
		s.mu.Lock()
		s.status = []int{200}
		s.mu.Unlock()
		time.Sleep(time.Hour)
		said := strings.Join(r.said(), "\n")
		for _, want := range []string{"revision rev0", "revision rev1"} {
			if !strings.Contains(said, want) {
				t.Errorf("%s is lost:\n%s", want, said)
			}
		}
		for i := 3; i < len(r.tries); i++ {
			if gap := r.tries[i].Sub(r.tries[i-3]); gap < time.Minute {
				t.Errorf("four tries within %s", gap)
			}
		}
	})
}

// TestAReloadWithoutAReminder: who is never told again is not, after a reload either.
func TestAReloadWithoutAReminder(t *testing.T) {
	inRoom(t, func(o *Receiver) { o.Repeat = 0 }, func(r *room) {
		r.n.Tell(about(message.Fight, "a", false))
		time.Sleep(time.Hour)
		r.reload(t, nil)
		r.n.Tell(about(message.Fight, "a", false))
		time.Sleep(50 * time.Hour)
		r.expect(t, "5 Fight: a")
	})
}
