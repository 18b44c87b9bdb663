package notify

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/notify/message"
)

// TestRandom: whatever comes in whatever order to a chat that answers as it likes, no
// minute has more messages than are allowed, what waits is bounded, every event that
// is taken in is told, lost or waits, and what is known to stand is what stands.
func TestRandom(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		s := &server{status: make([]int, 5000)}
		for i := range s.status {
			s.status[i] = []int{200, 200, 200, 0, 503, 429, 400}[rnd.IntN(7)]
		}
		inRoomOf(t, s, func(o *Receiver) { o.Rate, o.Repeat, o.Began = 5, time.Hour, rnd.IntN(4) == 0 }, func(r *room) {
			to := r.n.receivers[0]
			for range 400 {
				r.n.Tell(anything(rnd))
				if rnd.IntN(3) == 0 {
					time.Sleep(time.Duration(rnd.IntN(90)) * time.Second)
				}
				to.mu.Lock()
				if n := len(to.groups); n > maxGroups {
					t.Errorf("seed %d: %d groups wait", seed, n)
				}
				to.mu.Unlock()
			}
			s.mu.Lock()
			s.status = []int{200}
			s.mu.Unlock()
			time.Sleep(30 * time.Minute)
			check(t, seed, r)
		})
	}
}

// anything is an event of a few resources.
func anything(rnd *rand.Rand) Event {
	name := message.Names()[rnd.IntN(len(message.Names()))]
	e := about(name, fmt.Sprint("r", rnd.IntN(8)), name.Stands() && rnd.IntN(2) == 0)
	if e.Revision = fmt.Sprint("rev", rnd.IntN(50)); name == message.Held {
		e.Key, e.Plan = "plan", fmt.Sprint("p", rnd.IntN(4))
	}
	return e
}

func check(t *testing.T, seed uint64, r *room) {
	t.Helper()
	synctest.Wait()
	to := r.n.receivers[0]
	to.mu.Lock()
	defer to.mu.Unlock()
	if len(to.groups) != 0 || len(to.waits) != 0 || to.sending != nil {
		t.Errorf("seed %d: %d groups and %d events wait for ever", seed, len(to.groups), len(to.waits))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := 5; i < len(r.tries); i++ {
		if gap := r.tries[i].Sub(r.tries[i-5]); gap < time.Minute {
			t.Fatalf("seed %d: six tries within %s", seed, gap)
		}
	}
	if n := testutil.ToFloat64(r.metrics.wait.WithLabelValues("room")); n != 0 {
		t.Errorf("seed %d: %v wait by the metric", seed, n)
	}
	for id, e := range to.stands {
		if e.Over || standOf(e) != id {
			t.Errorf("seed %d: %v is known to stand as %+v", seed, id, e)
		}
	}
}
