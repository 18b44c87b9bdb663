package reconcile

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/emulator"
	"weir/sync/plan/guard"
	"weir/sync/state"
)

const bookPlace = "live https://git.example.com/live.git main" // see withBook

// put writes a mark, or removes it.
func (h *house) put(source string, role state.Role, revision string) {
	h.t.Helper()
	err := h.store.SetMark(context.Background(), state.Mark{Source: source, Role: role, Revision: revision, At: time.Now()})
	if err != nil {
		h.t.Fatal(err)
	}
}

// marked returns the marks of a source by role.
func (h *house) marked(source string) map[state.Role]string {
	h.t.Helper()
	all, err := h.store.Marks(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	out := map[state.Role]string{}
	for role, m := range marks(all).of(source) {
		out[role] = m.Revision
	}
	return out
}

// switched changes the switch of live.example.com behind weir's back.
func (h *house) switched(position string) {
	h.patch(emulator.World{Domains: []emulator.Domain{
		{Name: "live.example.com", Type: "vhost", MultiStream: position},
		{Name: "push.example.com", Type: "publish", Main: "live.example.com"},
	}})
}

// TestPinnedRevisionGivesWayToTheFormer: with a pin the revision before is in
// force, also in the next process, until there is another one.
func TestPinnedRevisionGivesWayToTheFormer(t *testing.T) {
	inBook(t, []change{loose}, func(h *house, b *book, verdicts *[]Verdict) {
		first := b.turn(h, "a.yaml", multiOn)
		h.wait(3 * time.Second)
		second := b.turn(h, "a.yaml", multiOff)
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "SetLiveDomainMultiStreamConfig off")

		*verdicts = nil
		h.put(bookPlace, state.Pinned, second)
		h.rec.MarkDirty()
		h.wait(10 * time.Minute)
		h.expectWrites() // under way: nothing of the source is in force
		s := h.rec.Status().Sources[0]
		if s.InForce != "" || s.Pinned == nil || !strings.Contains(s.Pinned.Text, "has not ended") {
			t.Errorf("source %+v", s)
		}
		h.put(bookPlace, state.Undone, "0123456789abcdef")
		h.rec.MarkDirty()
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig on")
		s = h.rec.Status().Sources[0]
		if s.InForce != first || s.Revision != second || s.Pinned.Plan == "" ||
			!strings.Contains(s.Pinned.Text, "pinned by rollback of 0123456789ab at 2000-01-01T00:00:06Z, goes on with the next revision") {
			t.Errorf("source %+v, %+v", s, s.Pinned)
		}
		if n := testutil.ToFloat64(h.rec.opts.Metrics.pinned.WithLabelValues("live")); n != 1 {
			t.Errorf("weir_source_pinned %v", n)
		}
		last := (*verdicts)[len(*verdicts)-1]
		if last.Revision != second || last.Outcome != Stopped || last.By != guard.RolledBack {
			t.Errorf("verdict %+v", last)
		}

		h.stop()
		h.build(loose, withBook(b, verdicts))
		h.switched("off")
		h.start()
		h.wait(10 * time.Minute)
		h.expectWrites("SetLiveDomainMultiStreamConfig on") // healed
		if m := h.marked(bookPlace); m[state.InForce] != first || m[state.Former] != first || m[state.Pinned] != second {
			t.Errorf("marks %v", m)
		}

		// One with errors does not end the pin, and nothing falls back to the pinned one.
		b.turn(h, "a.yaml", strings.Replace(multiOff, "false", "no!", 1))
		h.wait(10 * time.Minute)
		h.expectWrites()
		if s := h.rec.Status().Sources[0]; s.InForce != first || s.Pinned == nil {
			t.Errorf("source %+v", s)
		}

		third := b.turn(h, "a.yaml", multiOff, "b.yaml", relay)
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig off", "UpdateRelaySourceV3")
		if m := h.marked(bookPlace); m[state.InForce] != third || m[state.Former] != first || len(m) != 2 {
			t.Errorf("marks %v", m)
		}
		if s := h.rec.Status().Sources[0]; s.Pinned != nil || s.InForce != third {
			t.Errorf("source %+v", s)
		}
		if n := testutil.ToFloat64(h.rec.opts.Metrics.pinned.WithLabelValues("live")); n != 0 {
			t.Errorf("weir_source_pinned %v", n)
		}
	})
}

// TestPinnedDirectoryLeavesAllAsItIs: a source without a history has nothing to
// go back to. Nothing of it is changed or removed, and the others go on.
func TestPinnedDirectoryLeavesAllAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		other := newTree()
		two := func(_ *house, o *Options) {
			o.Feeds[0].Follows = "live: directory /live"
			o.Feeds = append(o.Feeds, Feed{Name: "other", Source: other, Loader: o.Feeds[0].Loader, Follows: "other"})
		}
		h.build(loose, two)
		h.start()
		h.commit("a.yaml", multiOn)
		say(other, "o1", forbid)
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "ForbidLiveStream bad")
		pinned := h.source.current.Revision
		h.put("live: directory /live", state.Pinned, pinned)
		h.put("live: directory /live", state.Undone, "0123")
		for range 2 { // the same process, and the next
			h.rec.MarkFull()
			h.switched("off")
			h.wait(10 * time.Minute)
			h.expectWrites()
			s := h.rec.Status()
			if !s.Ready || s.Sources[0].InForce != "" || !strings.Contains(s.Sources[0].Pinned.Text, "nothing of the source is in force until then") {
				t.Errorf("status %+v", s)
			}
			h.stop()
			h.build(loose, two)
			h.start()
		}
		defer func() { h.stop() }()
		say(other, "o2", forbid+"---\n"+relay)
		h.wait(3 * time.Second)
		h.expectWrites("UpdateRelaySourceV3")
		h.commit("b.yaml", "# next\n"+multiOn)
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig on")
		if m := h.marked("live: directory /live"); m[state.Pinned] != "" || m[state.Undone] != "" {
			t.Errorf("marks %v", m)
		}
	})
}

// TestUnpinnedByHand: without its pin the newest revision is in force again.
func TestUnpinnedByHand(t *testing.T) {
	inBook(t, []change{loose}, func(h *house, b *book, _ *[]Verdict) {
		b.turn(h, "a.yaml", multiOn)
		h.wait(3 * time.Second)
		second := b.turn(h, "a.yaml", multiOff)
		h.wait(3 * time.Second)
		h.put(bookPlace, state.Undone, "0123")
		h.put(bookPlace, state.Pinned, second)
		h.rec.MarkDirty()
		h.wait(3 * time.Second)
		h.writes()
		h.put(bookPlace, state.Pinned, "")
		h.put(bookPlace, state.Undone, "")
		h.rec.MarkDirty()
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig off")
		if s := h.rec.Status().Sources[0]; s.Pinned != nil || s.InForce != second {
			t.Errorf("source %+v", s)
		}
	})
}

// TestOneShotRefusesAPinnedRevision: diff says that it is held, apply does not
// apply it, not even with the guards' consent, nor a plan saved before.
func TestOneShotRefusesAPinnedRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		follow := func(_ *house, o *Options) { o.Feeds[0].Follows = "here" }
		h.build(loose, follow)
		h.commit("a.yaml", multiOn)
		h.put("here", state.Pinned, h.source.current.Revision)
		if _, err := h.rec.Fetch(context.Background()); err != nil {
			t.Fatal(err)
		}
		p, err := h.rec.Plan(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Held) == 0 || p.Held[0].Guard != guard.RolledBack {
			t.Errorf("held %+v", p.Held)
		}
		doc, err := h.rec.Document(p, false)
		if err != nil {
			t.Fatal(err)
		}
		p.Held = nil
		if _, err := h.rec.Apply(context.Background(), p); err == nil || !strings.Contains(err.Error(), "weir rollback --unpin") {
			t.Errorf("applied: %v", err)
		}
		doc.ID = "once"
		saved, _, err := h.rec.Restore(context.Background(), sealed(t, doc))
		if err != nil {
			t.Fatal(err)
		}
		saved.Held = nil
		if _, err := h.rec.Apply(context.Background(), saved); err == nil {
			t.Error("a saved plan was applied")
		}
		h.expectWrites()
	})
}

// gate lets a story act at a moment of a pass: when the first call of an
// operation is about to be sent.
type gate struct {
	next      http.RoundTripper
	operation string
	once      sync.Once
	act       func()
}

// RoundTrip acts, once, and sends.
func (g *gate) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.Contains(req.URL.String(), g.operation) || req.Header.Get("x-acs-action") == g.operation {
		g.once.Do(g.act)
	}
	return g.next.RoundTrip(req)
}

// TestPinDuringAPass: a pin that is set after the pass began keeps what it
// planned from being made, whether it was reading or already calling.
func TestPinDuringAPass(t *testing.T) {
	var streams []string
	for _, name := range []string{"a", "b", "c", "d"} {
		streams = append(streams, strings.Replace(forbid, "stream: bad", "stream: "+name, 1))
	}
	four := strings.Join(streams, "---\n")
	for name, tc := range map[string]struct {
		operation string
		most      int // writes of the pinned revision
	}{
		"while it reads":  {"DescribeLiveStreamsBlockList", 0},
		"while it writes": {"ForbidLiveStream", 4}, // each in flight at once
	} {
		t.Run(name, func(t *testing.T) {
			inBook(t, []change{loose}, func(h *house, b *book, _ *[]Verdict) {
				b.turn(h, "a.yaml", multiOn)
				h.wait(3 * time.Second)
				h.stop()
				h.writes()
				second := b.turn(h, "a.yaml", multiOn, "b.yaml", four)
				g := &gate{operation: tc.operation, act: func() {
					h.put(bookPlace, state.Pinned, second)
					h.put(bookPlace, state.Undone, "0123")
				}}
				var verdicts []Verdict
				h.through = func(next http.RoundTripper) http.RoundTripper { g.next = next; return g }
				h.build(loose, withBook(b, &verdicts))
				h.start()
				h.wait(time.Minute)
				made := h.writes()
				forbidden := slices.DeleteFunc(slices.Clone(made), func(w string) bool { return !strings.HasPrefix(w, "Forbid") })
				if len(forbidden) > tc.most {
					t.Errorf("writes %v", made)
				}
				if len(h.clouds.World().Blocked) != 0 { // what got through is taken back
					t.Errorf("blocked %+v after %v", h.clouds.World().Blocked, made)
				}
				h.wait(10 * time.Minute)
				h.expectWrites()
			})
		})
	}
}

// TestHaltedBetweenChanges: of a long plan under way what has not begun a second
// after the pin is not made.
func TestHaltedBetweenChanges(t *testing.T) {
	inBook(t, []change{loose, func(h *house, _ *Options) { h.share = 0.1 }}, func(h *house, b *book, _ *[]Verdict) {
		var list []string
		for i := range 400 {
			list = append(list, strings.Replace(forbid, "stream: bad", "stream: s"+strings.Repeat("x", i%20)+string(rune('a'+i/20)), 1))
		}
		second := b.turn(h, "a.yaml", strings.Join(list, "---\n"))
		for len(h.clouds.World().Blocked) < 20 {
			h.wait(100 * time.Millisecond)
		}
		h.put(bookPlace, state.Pinned, second)
		before := len(h.clouds.World().Blocked)
		h.wait(5 * time.Minute)
		if n := len(h.clouds.World().Blocked); n > before+200 || n == 400 {
			t.Errorf("%d blocked at the pin, %d after it", before, n)
		}
	})
}
