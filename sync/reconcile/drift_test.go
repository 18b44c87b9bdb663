package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/emulator"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
)

// minutely has the house look at everything each minute.
func minutely(_ *house, o *Options) { o.Interval = time.Minute }

var relayID = resource.ID{Account: "volc", Kind: "RelaySource", Key: "push.example.com/live"}

// changedRelay is what somebody makes of the relay source that relay declares.
func changedRelay(address, token string) emulator.World {
	params := map[string]string{}
	if token != "" {
		params["token"] = token
	}
	return emulator.World{RelaySources: []emulator.RelaySource{{
		Vhost: "push.example.com", App: "live", Groups: []emulator.RelayGroup{
			{Name: "a", Servers: []emulator.RelayServer{{Address: address, Protocol: "rtmp", Params: params}}},
			{Name: "b", Servers: []emulator.RelayServer{{Address: "b.example.org", Protocol: "flv"}}},
		},
	}}}
}

// hostile has somebody change the relay source each minute, so many times.
func (h *house) hostile(minutes int, address func(minute int) string) {
	for i := range minutes {
		h.patch(changedRelay(address(i), ""))
		h.wait(time.Minute)
	}
}

func steadily(address string) func(int) string { return func(int) string { return address } }

// reasons returns why each write since the last look was made, the oldest first.
func (h *house) reasons(since time.Time) []string {
	h.t.Helper()
	entries, err := h.store.Journal(context.Background(), state.Query{Writes: true, Since: since, Oldest: true})
	if err != nil {
		h.t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Change.Reason)
	}
	return out
}

func (h *house) fightsMetered() float64 {
	return testutil.ToFloat64(h.rec.opts.Metrics.fights.WithLabelValues("volc", "RelaySource"))
}

// TestFailure_A33_ThreeReasons: for each kind that can be read, what is edited,
// what somebody changed, and where both happened, is told apart.
func TestFailure_A33_ThreeReasons(t *testing.T) {
	domain := func(multi string) emulator.World {
		return emulator.World{Domains: []emulator.Domain{{Name: "live.example.com", MultiStream: multi}}}
	}
	allow := strings.Replace(forbid, "allowed: false", "allowed: true", 1)
	unblocked := emulator.World{Blocked: []emulator.Block{{Domain: "push.example.com", App: "live", Stream: "bad", Deleted: true}}}
	tests := map[string]struct {
		declared, edited string
		drift            emulator.World
		conflict         bool // a third value exists
	}{
		"MultiStream":  {multiOn, multiOff, domain("off"), false},
		"StreamIngest": {forbid, allow, unblocked, false},
		"RelaySource":  {relay, relayShort, changedRelay("z.example.org", ""), true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inTime(t, []change{minutely}, func(h *house) {
				expect := func(since time.Time, want ...string) {
					t.Helper()
					if got := h.reasons(since); !slices.Equal(got, want) {
						t.Errorf("reasons %v, want %v", got, want)
					}
				}
				h.commit("a.yaml", tc.declared)
				h.wait(2 * time.Minute)
				expect(time.Time{}, "new")
				since := time.Now()
				h.patch(tc.drift)
				h.wait(2 * time.Minute)
				expect(since, "drifted")
				since = time.Now()
				h.commit("a.yaml", tc.edited)
				h.wait(2 * time.Minute)
				expect(since, "edited")
				if !tc.conflict {
					return
				}
				h.wait(20 * time.Second) // what was read last is too old to write by
				since = time.Now()
				h.patch(tc.drift)
				h.commit("a.yaml", tc.declared)
				h.wait(2 * time.Minute)
				expect(since, "conflict")
			})
		})
	}
}

// TestFailure_A33_FightStops: a console that changes back every minute is put
// back three times, ever later, and then left alone, which is told once. A
// process that begins later knows of it.
func TestFailure_A33_FightStops(t *testing.T) {
	var told []Fight
	hook := func(_ *house, o *Options) { o.Fight = func(f Fight) { told = append(told, f) } }
	inTime(t, []change{minutely, hook}, func(h *house) {
		h.commit("a.yaml", relay)
		h.wait(20 * time.Second) // between two looks
		h.writes()
		began := time.Now()
		h.hostile(60, steadily("z.example.org"))
		h.expectWrites("UpdateRelaySourceV3", "UpdateRelaySourceV3", "UpdateRelaySourceV3")
		h.expectStates(map[string]string{"RelaySource push.example.com/live": "drifted"})
		if len(told) != 1 || told[0].ID != relayID || told[0].Times != 3 || len(told[0].Fields) != 1 || h.fightsMetered() != 1 {
			t.Fatalf("told %+v, weir_fights %v", told, h.fightsMetered())
		}
		f := told[0]
		if !f.PutBack.After(began) || !f.Found.After(f.PutBack) || f.Found.Sub(f.PutBack) > 2*time.Minute {
			t.Errorf("put back %v, found %v", f.PutBack, f.Found)
		}
		c := slices.Collect(h.rec.Shown().Plan.All())[0]
		for _, text := range []string{f.PutBack.UTC().Format(time.RFC3339), f.Found.UTC().Format(time.RFC3339)} {
			if !strings.Contains(c.Withheld, text) {
				t.Errorf("%q lacks %s", c.Withheld, text)
			}
		}
		if n := strings.Count(h.log.String(), "weir has stopped putting it back"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		if s := h.rec.Status(); len(s.Fights) != 1 || !s.Fights[0].Found.Equal(f.Found) {
			t.Errorf("status %+v", s.Fights)
		}
		if n := testutil.ToFloat64(h.rec.opts.Metrics.drift.WithLabelValues("volc", "RelaySource")); n != 4 {
			t.Errorf("weir_drift_detected_total %v, want 4", n)
		}
		h.stop()
		h.build(minutely, hook)
		h.start()
		h.hostile(60, steadily("z.example.org"))
		h.expectWrites()
		if len(told) != 2 || !told[1].Found.Equal(f.Found) || !told[1].PutBack.Equal(f.PutBack) {
			t.Errorf("told %+v", told)
		}
	})
}

// TestFailure_A33_WhatReleases: each of the three ways out of a fight.
func TestFailure_A33_WhatReleases(t *testing.T) {
	tests := map[string]struct {
		release func(h *house)
		writes  int // of the release itself
	}{
		"an edit": {func(h *house) {
			h.commit("a.yaml", relayShort)
			h.wait(2 * time.Minute)
		}, 1},
		"a day as declared": {func(h *house) {
			h.patch(changedRelay("a.example.org", ""))
			h.wait(24*time.Hour + 2*time.Minute)
		}, 0},
		"a person": {func(h *house) {
			records, err := h.store.Applied(context.Background())
			if err != nil || len(records) != 1 || len(records[0].Heals) != 4 {
				h.t.Fatalf("records %+v, %v", records, err)
			}
			records[0].Heals = nil // as `weir settle ID again`
			if err := h.store.Save(context.Background(), records...); err != nil {
				h.t.Fatal(err)
			}
			h.wait(2 * time.Minute)
		}, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inTime(t, []change{minutely}, func(h *house) {
				h.commit("a.yaml", relay)
				h.wait(3 * time.Second)
				h.hostile(20, steadily("z.example.org"))
				if h.fightsMetered() != 1 {
					t.Fatal("no fight")
				}
				h.writes()
				tc.release(h)
				h.expectWrites(slices.Repeat([]string{"UpdateRelaySourceV3"}, tc.writes)...)
				h.expectStates(map[string]string{"RelaySource push.example.com/live": "in-sync"})
				if h.fightsMetered() != 0 || len(h.rec.Status().Fights) != 0 || !strings.Contains(h.log.String(), "fight is over") {
					t.Errorf("it goes on: %+v", h.rec.Status().Fights)
				}
				h.hostile(3, steadily("z.example.org"))
				if n := len(h.writes()); n == 0 {
					t.Error("what is changed after it is not put back")
				}
			})
		})
	}
}

// TestFailure_A33_TwentyThreeHoursReleaseNothing: less than a day as declared
// is no release.
func TestFailure_A33_TwentyThreeHoursReleaseNothing(t *testing.T) {
	inTime(t, []change{minutely}, func(h *house) {
		h.commit("a.yaml", relay)
		h.wait(3 * time.Second)
		h.hostile(20, steadily("z.example.org"))
		h.wait(30 * time.Hour)
		h.writes()
		for range 3 {
			h.patch(changedRelay("a.example.org", ""))
			h.wait(23 * time.Hour)
			h.patch(changedRelay("z.example.org", ""))
			h.wait(time.Hour)
		}
		h.expectWrites()
		if h.fightsMetered() != 1 {
			t.Error("the fight is over")
		}
	})
}

// TestFailure_A33_HealsBackOff: somebody who writes something else each minute
// is no fight, but is put back ten minutes apart at most.
func TestFailure_A33_HealsBackOff(t *testing.T) {
	inTime(t, []change{minutely}, func(h *house) {
		h.commit("a.yaml", relay)
		h.wait(3 * time.Second)
		h.writes()
		h.hostile(600, func(minute int) string { return fmt.Sprintf("z%d.example.org", minute) })
		if n := len(h.writes()); n < 40 || n > 70 {
			t.Errorf("put back %d times in ten hours", n)
		}
		if h.fightsMetered() != 0 {
			t.Error("counts as a fight")
		}
		h.wait(11 * time.Minute)
		h.expectStates(map[string]string{"RelaySource push.example.com/live": "in-sync"})
	})
}

// TestFailure_A33_WaitingHealIsMadeInTime: the loop wakes up for a heal that
// waits, long before the next full pass.
func TestFailure_A33_WaitingHealIsMadeInTime(t *testing.T) {
	inTime(t, nil, func(h *house) { // a full pass each five minutes
		h.commit("a.yaml", relay)
		h.wait(3 * time.Second)
		h.patch(changedRelay("z.example.org", ""))
		h.rec.MarkFull()
		h.wait(3 * time.Second)
		h.writes()
		h.patch(changedRelay("z.example.org", ""))
		h.rec.MarkFull()
		h.wait(3 * time.Second)
		h.expectWrites()
		if c := slices.Collect(h.rec.Shown().Plan.All())[0]; !strings.Contains(c.Withheld, "not put back before") {
			t.Errorf("withheld %q", c.Withheld)
		}
		h.wait(6 * time.Second)
		h.expectWrites("UpdateRelaySourceV3")
	})
}

// TestFailure_P11_TwoDaemons: two that share nothing and declare different
// things of one resource come to rest; where they share their store and
// somebody else fights them, they count together.
func TestFailure_P11_TwoDaemons(t *testing.T) {
	other := strings.Replace(relay, "a.example.org", "z.example.org", 1)
	t.Run("without shared state", func(t *testing.T) {
		inTime(t, []change{minutely}, func(h *house) {
			second := open(t, minutely, func(s *house, _ *Options) { s.clouds = h.clouds })
			second.commit("a.yaml", other)
			h.commit("a.yaml", relay)
			h.wait(10 * time.Second)
			second.start()
			defer func() { second.stop() }()
			h.wait(2 * time.Hour)
			if n := len(h.writes()); n > 8 {
				t.Errorf("%d writes until they stopped", n)
			}
			h.wait(22 * time.Hour)
			h.expectWrites()
			if h.fightsMetered()+second.fightsMetered() == 0 {
				t.Error("neither tells of the fight")
			}
		})
	})
	t.Run("on one store, for other declarations", func(t *testing.T) {
		inTime(t, []change{minutely}, func(h *house) {
			second := open(t, minutely, func(s *house, o *Options) { s.clouds, s.store, o.Store = h.clouds, h.store, h.store })
			second.commit("a.yaml", other)
			h.commit("a.yaml", relay)
			h.wait(10 * time.Second)
			second.start()
			defer func() { second.stop() }()
			h.wait(6 * time.Hour)
			if n := len(h.writes()); n < 4 || n > 8 {
				t.Errorf("%d writes until they stopped", n)
			}
			h.wait(18 * time.Hour)
			h.expectWrites()
			if h.fightsMetered()+second.fightsMetered() != 1 {
				t.Error("nobody tells of the fight")
			}
			h.commit("a.yaml", other)
			h.wait(2 * time.Minute)
			h.expectWrites()
			h.expectStates(second.states())
			if h.fightsMetered()+second.fightsMetered() != 0 {
				t.Error("the fight goes on where both agree")
			}
		})
	})
	t.Run("on one store", func(t *testing.T) {
		inTime(t, []change{minutely}, func(h *house) {
			second := open(t, minutely, func(s *house, o *Options) { s.clouds, s.store, o.Store = h.clouds, h.store, h.store })
			second.commit("a.yaml", relay)
			h.commit("a.yaml", relay)
			h.wait(10 * time.Second)
			second.start()
			defer func() { second.stop() }()
			h.wait(10 * time.Second)
			h.writes()
			h.hostile(60, steadily("z.example.org"))
			if n := len(h.writes()); n < 3 || n > 6 {
				t.Errorf("%d writes until both stopped", n)
			}
			h.hostile(60, steadily("z.example.org"))
			h.expectWrites()
			if h.fightsMetered() != 1 || second.fightsMetered() != 1 {
				t.Errorf("weir_fights %v and %v", h.fightsMetered(), second.fightsMetered())
			}
		})
	})
}

// TestFailure_A33_IgnoredFields: what somebody keeps changing there is left
// alone and said, until another edit writes what is declared.
func TestFailure_A33_IgnoredFields(t *testing.T) {
	path, err := plan.ParsePath("groups[*].servers[*].params")
	if err != nil {
		t.Fatal(err)
	}
	ignoring := func(_ *house, o *Options) {
		o.Policy.DriftRules = []plan.DriftRule{{Kind: "RelaySource", Ignore: []plan.Path{path}}}
	}
	inTime(t, []change{minutely, ignoring}, func(h *house) {
		h.commit("a.yaml", relay)
		h.wait(2 * time.Minute)
		h.writes()
		for i := range 20 {
			h.patch(changedRelay("a.example.org", fmt.Sprint("t", i)))
			h.wait(time.Minute)
		}
		h.expectWrites()
		h.expectStates(map[string]string{"RelaySource push.example.com/live": "in-sync"})
		if c := slices.Collect(h.rec.Shown().Plan.All())[0]; c.Note != "ignored: groups[0].servers[0].params.token" {
			t.Errorf("note %q", c.Note)
		}
		h.patch(changedRelay("z.example.org", "t"))
		h.wait(2 * time.Minute)
		h.expectWrites("UpdateRelaySourceV3")
		if got := h.clouds.World().RelaySources[0].Groups[0].Servers[0]; got.Address != "a.example.org" || len(got.Params) != 0 {
			t.Errorf("server %+v", got)
		}
	})
}

// TestFailure_A33_ReportByLabel: a rule decides for what it is about alone.
func TestFailure_A33_ReportByLabel(t *testing.T) {
	rule := func(_ *house, o *Options) {
		o.Policy.DriftRules = []plan.DriftRule{{Labels: map[string]string{"team": "sports"}, Drift: plan.DriftReport}}
	}
	labelled := strings.Replace(relay, "spec:", "metadata: {labels: {team: sports}}\nspec:", 1)
	inTime(t, []change{minutely, rule}, func(h *house) {
		h.commit("a.yaml", labelled, "b.yaml", multiOn)
		h.wait(2 * time.Minute)
		h.writes()
		h.patch(changedRelay("z.example.org", ""))
		h.patch(emulator.World{Domains: []emulator.Domain{{Name: "live.example.com", MultiStream: "off"}}})
		h.wait(2 * time.Minute)
		h.expectWrites("SetLiveDomainMultiStreamConfig on")
		h.expectStates(map[string]string{"RelaySource push.example.com/live": "drifted", "MultiStream live.example.com": "in-sync"})
	})
}

// TestFailure_A20_PlanAfterApplyIsEmpty: what the cloud answers after a write
// is the normal form of what was declared, also where it was written otherwise.
func TestFailure_A20_PlanAfterApplyIsEmpty(t *testing.T) {
	odd := "apiVersion: volcengine/v1\nkind: RelaySource\nspec:\n  groups:\n" +
		"    - {servers: [{protocol: rtmp, params: {z: '1', a: ''}, address: a.example.org}], name: a}\n" +
		"    - {name: b, servers: [{address: b.example.org, protocol: flv, params: {}}]}\n  app: live\n  vhost: push.example.com\n"
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.commit("a.yaml", odd, "b.yaml", multiOn, "c.yaml", forbid)
		for round, want := range []int{3, 0, 0} {
			if _, err := h.rec.Fetch(t.Context()); err != nil {
				t.Fatal(err)
			}
			p, err := h.rec.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if s := p.Summary(); s.Create+s.Update != want || s.Delete+s.Withheld != 0 {
				t.Errorf("round %d: %+v", round, s)
			}
			if _, err := h.rec.Apply(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
	})
}
