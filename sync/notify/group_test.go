package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/notify/channel"
	"weir/sync/notify/message"
	"weir/sync/plan"
	"weir/sync/secret"
)

// What a room is told with, unless a test says otherwise.
const (
	groupWait     = 5 * time.Second
	groupInterval = 5 * time.Minute
	repeatAfter   = 4 * time.Hour
)

// room is a chat, a Slack that is reached without a socket, and who tells it.
type room struct {
	*server
	n       *Notifier
	metrics *Metrics
	began   time.Time
}

// enter opens a notifier that tells a chat with the defaults, changed by set.
func enter(t *testing.T, s *server, set func(*Receiver)) *room {
	t.Helper()
	t.Setenv("ROOM", "https://chat.example.com/services/x")
	texts, err := message.NewTemplates(message.English, "", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	slack, err := channel.NewSlack(channel.RobotOptions{
		Address: channel.Address{Secret: secret.Ref{Env: "ROOM"}}, Texts: texts, Transport: s,
	})
	if err != nil {
		t.Fatal(err)
	}
	of := Receiver{
		Name: "room", Channel: slack, GroupWait: groupWait, GroupInterval: groupInterval, Repeat: repeatAfter,
	}
	if set != nil {
		set(&of)
	}
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(Options{Receivers: []Receiver{of}, Metrics: metrics, random: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	return &room{s, n, metrics, time.Now()}
}

// said are the titles of what the chat took, with the seconds since it began.
func (r *room) said() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for i, body := range r.bodies {
		var m struct{ Text string }
		_ = json.Unmarshal(body, &m)
		title, _, _ := strings.Cut(m.Text, " [weir")
		out = append(out, fmt.Sprintf("%v %s", r.tries[i].Sub(r.began).Seconds(), title))
	}
	return out
}

func (r *room) body(i int) string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.bodies[i])
}

func (r *room) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := r.said(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("said\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// inRoom runs a test in a bubble, with a chat that takes everything.
func inRoom(t *testing.T, set func(*Receiver), run func(r *room)) {
	t.Helper()
	inRoomOf(t, &server{status: []int{200}}, set, run)
}

func inRoomOf(t *testing.T, s *server, set func(*Receiver), run func(r *room)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := enter(t, s, set)
		run(r)
		_ = r.n.Close(t.Context())
	})
}

func heldAs(hash string) Event {
	return Event{Name: message.Held, Key: "plan", Plan: hash, Held: []plan.Hold{{Guard: "removals", Message: "7 removals"}}}
}

func about(name message.Name, id string, over bool) Event {
	return Event{Name: name, Key: id, Resource: id, Source: "live", Over: over}
}

// TestHeldWithinAMoment: of plans that follow each other within the wait the last is
// told, and what is not held any more by then is not told at all.
func TestHeldWithinAMoment(t *testing.T) {
	inRoom(t, nil, func(r *room) {
		for _, hash := range []string{"aaa", "bbb", "ccc"} {
			r.n.Tell(heldAs(hash))
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Second)
		r.expect(t, "5 Held: plan ccc by removals")
		r.n.Tell(Event{Name: message.Held, Key: "plan", Over: true, Revision: "abc"})
		time.Sleep(10 * time.Second)
		r.expect(t, "5 Held: plan ccc by removals", "18 Not held any more: revision abc")
		time.Sleep(time.Hour)
		r.n.Tell(heldAs("ddd"))
		time.Sleep(time.Second)
		r.n.Tell(Event{Name: message.Held, Key: "plan", Over: true, Revision: "abc"})
		time.Sleep(10 * time.Hour)
		if got := r.said(); len(got) != 2 {
			t.Errorf("said %v", got)
		}
	})
}

// TestStandsIsToldAgain: after a while, until it is over.
func TestStandsIsToldAgain(t *testing.T) {
	inRoom(t, func(o *Receiver) { o.Repeat = time.Hour }, func(r *room) {
		r.n.Tell(about(message.Fight, "a", false))
		time.Sleep(90 * time.Minute)
		r.n.Tell(about(message.Fight, "a", false)) // nothing new
		time.Sleep(time.Hour)
		r.n.Tell(about(message.Fight, "a", true))
		time.Sleep(5 * time.Hour)
		r.expect(t, "5 Fight: a", "3605 Still a fight: a", "7205 Still a fight: a", "9005 Fight is over: a")
	})
}

// TestManyOfOneAreOneMessage, with how many there are.
func TestManyOfOneAreOneMessage(t *testing.T) {
	inRoom(t, nil, func(r *room) {
		for i := range 300 {
			e := about(message.Applied, fmt.Sprint("r", i), false)
			e.Revision, e.Action, e.Calls, e.Origin.Author = "abc", plan.Update, 2, "Ann"
			r.n.Tell(e)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		r.expect(t, "34.9 Applied: 300 updated of revision abc from live")
		if body := r.body(0); !strings.Contains(body, "and 280 more") || !strings.Contains(body, "600 calls; asked for by Ann") {
			t.Errorf("%s", body)
		}
		if n := testutil.ToFloat64(r.metrics.each.WithLabelValues("room", "applied", told)); n != 300 {
			t.Errorf("%v events are counted as told", n)
		}
	})
}

// TestALongRunIsToldOnTheWay: each interval, as it goes on.
func TestALongRunIsToldOnTheWay(t *testing.T) {
	inRoom(t, nil, func(r *room) {
		for i := range 1030 {
			e := about(message.Applied, fmt.Sprint("r", i), false)
			e.Revision, e.Action = "abc", plan.Create
			r.n.Tell(e)
			time.Sleep(700 * time.Millisecond)
		}
		time.Sleep(time.Hour)
		r.expect(t, "300 Applied: 429 created of revision abc from live", "600.3 Applied: 429 created of revision abc from live",
			"900.3 Applied: 172 created of revision abc from live")
	})
}

// TestOfOneGroupNoSoonerThanItsInterval: while another group waits for nothing.
func TestOfOneGroupNoSoonerThanItsInterval(t *testing.T) {
	inRoom(t, nil, func(r *room) {
		r.n.Tell(about(message.Failed, "a", false))
		time.Sleep(20 * time.Second)
		r.n.Tell(about(message.Failed, "b", false))
		r.n.Tell(about(message.Fight, "c", false))
		time.Sleep(20 * time.Minute)
		r.expect(t, "5 Failed: a", "25 Fight: c", "305 Failed: b")
	})
}

// TestDriftThatIsHealedAtOnceIsTold, as one message; who is not told of the end is
// told of the beginning.
func TestDriftThatIsHealedAtOnceIsTold(t *testing.T) {
	for began, want := range map[bool]string{false: "6 Drift is over: a", true: "5 Drift: a"} {
		inRoom(t, func(o *Receiver) { o.Began = began }, func(r *room) {
			r.n.Tell(about(message.Drift, "a", false))
			time.Sleep(time.Second)
			r.n.Tell(about(message.Drift, "a", true))
			time.Sleep(time.Hour)
			r.expect(t, want)
		})
	}
}

// TestRate: no minute has more messages than are allowed, and nothing is lost: what
// waits grows together.
func TestRate(t *testing.T) {
	inRoom(t, func(o *Receiver) { o.Rate = 3 }, func(r *room) {
		for i := range 40 {
			e := about(message.Applied, fmt.Sprint("r", i), false)
			e.Revision, e.Action = fmt.Sprint("rev", i%8), plan.Create
			r.n.Tell(e)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(r.tries) != 8 {
			t.Fatalf("%d messages", len(r.tries))
		}
		for i := 3; i < len(r.tries); i++ {
			if gap := r.tries[i].Sub(r.tries[i-3]); gap < time.Minute {
				t.Errorf("four messages within %s", gap)
			}
		}
		if n := testutil.ToFloat64(r.metrics.each.WithLabelValues("room", "applied", told)); n != 40 {
			t.Errorf("%v events are told", n)
		}
	})
}

// TestTheDeadDelaysNobody: neither another receiver nor whoever tells.
func TestTheDeadDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead, alive := enter(t, &server{status: []int{0}}, nil), &server{status: []int{200}}
		r := enter(t, alive, nil)
		n, err := New(Options{Receivers: []Receiver{
			{Name: "dead", Channel: dead.n.receivers[0].of.Channel, GroupWait: time.Second},
			{Name: "alive", Channel: r.n.receivers[0].of.Channel, GroupWait: time.Second},
		}, random: func() float64 { return 0 }})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5000 {
			n.Tell(about(message.Failed, fmt.Sprint(i), false))
		}
		if time.Since(r.began) != 0 {
			t.Error("telling took time")
		}
		time.Sleep(2 * time.Second)
		r.expect(t, "1 Failed: 5000 resources")
		if err := n.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "dead: not told before the end: 5000") {
			t.Errorf("close: %v", err)
		}
		_, _ = dead.n.Close(t.Context()), r.n.Close(t.Context())
	})
}

// TestBackAfterHours: of what happened while the chat was away the groups that wait
// are told, what still stands is told again, and how many are missing is said.
func TestBackAfterHours(t *testing.T) {
	s := &server{status: []int{503}}
	inRoomOf(t, s, nil, func(r *room) {
		r.n.Tell(heldAs("aaa"))
		time.Sleep(3 * time.Minute)
		for i := range 150 {
			e := about(message.Applied, fmt.Sprint("r", i), false)
			e.Revision, e.Action = fmt.Sprint("rev", i), plan.Create
			r.n.Tell(e)
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		s.mu.Lock()
		s.status, s.bodies, s.tries, s.got = []int{200}, nil, nil, nil
		s.mu.Unlock()
		time.Sleep(2 * time.Hour)
		said := strings.Join(r.said(), "\n")
		if !strings.Contains(said, "Still held: plan aaa") {
			t.Errorf("the plan is not told again:\n%s", said)
		}
		var texts strings.Builder
		for i := range s.bodies {
			texts.WriteString(r.body(i))
		}
		if !strings.Contains(texts.String(), "earlier events could not be told here") {
			t.Errorf("what is missing is not said:\n%s", texts.String())
		}
		all := testutil.ToFloat64(r.metrics.each.WithLabelValues("room", "applied", told)) +
			testutil.ToFloat64(r.metrics.each.WithLabelValues("room", "applied", lost))
		if all != 150 {
			t.Errorf("%v of 150 changes are counted", all)
		}
	})
}

// TestEndWhileUnderWay: what ends while the message that it stands is tried is told
// to be over, and does not stand.
func TestEndWhileUnderWay(t *testing.T) {
	s := &server{status: []int{503, 503, 200}}
	inRoomOf(t, s, func(o *Receiver) { o.Repeat = time.Hour }, func(r *room) {
		r.n.Tell(about(message.Failed, "a", false))
		time.Sleep(6 * time.Second)
		r.n.Tell(about(message.Failed, "a", true))
		time.Sleep(5 * time.Hour)
		r.expect(t, "5 Failed: a", "7 Failed: a", "11 Failed: a", "11 Recovered: a")
	})
}

// TestNeverRepeatedIsToldOnceWhenItsReceiverIsBack, though nothing is repeated.
func TestNeverRepeatedIsToldOnceWhenItsReceiverIsBack(t *testing.T) {
	s := &server{status: []int{503}}
	inRoomOf(t, s, func(o *Receiver) { o.Repeat = 0 }, func(r *room) {
		r.n.Tell(heldAs("aaa"))
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		s.mu.Lock()
		s.status, s.bodies, s.tries, s.got = []int{200}, nil, nil, nil
		s.mu.Unlock()
		time.Sleep(10 * time.Hour)
		if got := r.said(); len(got) != 1 || !strings.Contains(got[0], "Still held: plan aaa") {
			t.Errorf("said %q", got)
		}
	})
}

// TestFilter: who is told of what.
func TestFilter(t *testing.T) {
	e := Event{
		Name: message.Failed, Resource: "volc/RelaySource/x", Account: "volc", Kind: "RelaySource", Source: "live",
		Labels: map[string]string{"team": "sports"},
	}
	for name, c := range map[string]struct {
		filter Filter
		event  Event
		want   bool
	}{
		"everything":       {Filter{}, e, true},
		"this event":       {Filter{Names: []message.Name{message.Failed}}, e, true},
		"another event":    {Filter{Names: []message.Name{message.Held}}, e, false},
		"another source":   {Filter{Sources: []string{"other"}}, e, false},
		"another account":  {Filter{Accounts: []string{"ali"}}, e, false},
		"another kind":     {Filter{Kinds: []string{"MultiStream"}}, e, false},
		"this label":       {Filter{Labels: map[string]string{"team": "sports"}}, e, true},
		"another label":    {Filter{Labels: map[string]string{"team": "news"}}, e, false},
		"a plan is of all": {Filter{Accounts: []string{"ali"}, Labels: map[string]string{"team": "news"}}, heldAs("a"), true},
		"a source":         {Filter{Sources: []string{"other"}}, Event{Name: message.Source, Source: "live"}, false},
	} {
		if got := c.filter.takes(c.event); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
