package reconcile

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/resource"
	"weir/sync/state"
)

// token is a recording that is declared with a restart token.
func token(name string) string { return strings.Replace(restart, "again", name, 1) }

// regions is prefetchOnce with other regions.
func regions(list string) string { return strings.Replace(prefetchOnce, "SG, NO", list, 1) }

// beside is a second process: another loop on the same store, source and clouds.
func (h *house) beside(changes ...change) *house {
	h.t.Helper()
	other := *h
	other.log, other.limiters = &strings.Builder{}, call.Limiters{}
	other.build(changes...)
	return &other
}

// TestFlapWithinOnePoll: a stream that drops and is back before weir looks again
// is another ingest, whose recording is begun once.
func TestFlapWithinOnePoll(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.onAir(true, "main")
		h.commit("a.yaml", token("t1"))
		h.wait(31 * time.Second)
		h.expectWrites("RealTimeRecordCommand start")
		for range 3 {
			h.wait(2 * time.Second)
			h.onAir(false, "main")
			h.wait(time.Second)
			h.onAir(true, "main")
			h.wait(30 * time.Second)
			h.expectWrites("RealTimeRecordCommand start")
		}
		h.wait(time.Hour)
		h.expectWrites()
	})
}

// TestFlapsFasterThanPolls: whatever the stream does, the ingest that stays is
// recorded, and no ingest is begun twice.
func TestFlapsFasterThanPolls(t *testing.T) {
	inTime(t, nil, func(h *house) {
		random := rand.New(rand.NewPCG(1, 2))
		h.commit("a.yaml", record)
		for range 200 {
			h.onAir(true, "main")
			h.wait(time.Second + time.Duration(random.Int64N(int64(9*time.Second))))
			h.onAir(false, "main")
			h.wait(time.Duration(random.Int64N(int64(3 * time.Second))))
		}
		for _, w := range h.writes() {
			if w != "RealTimeRecordCommand start" && w != "RealTimeRecordCommand start: StreamNotFound" {
				t.Errorf("write %s", w)
			}
		}
		h.onAir(true, "main")
		h.wait(20 * time.Second)
		h.expectWrites("RealTimeRecordCommand start")
	})
}

// TestRestartInDoubtEndsWithItsIngest: in the next ingest the recording is begun
// anew, which is no restart.
func TestRestartInDoubtEndsWithItsIngest(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.onAir(true, "main")
		h.commit("a.yaml", record)
		h.wait(10 * time.Second)
		h.faults(emulator.Fault{Operation: "RealTimeRecordCommand", Kind: "lost-response", Count: 1})
		h.commit("a.yaml", restart)
		h.wait(time.Minute)
		h.writes()
		h.onAir(false, "main")
		h.wait(time.Minute)
		h.onAir(true, "main")
		h.wait(time.Hour)
		h.expectWrites("RealTimeRecordCommand start")
	})
}

// TestTokenChangedTwiceQuickly: each value that is in force when weir looks makes
// one restart, also where the one before is in doubt; one that was replaced
// before makes none.
func TestTokenChangedTwiceQuickly(t *testing.T) {
	for name, tc := range map[string]struct {
		fault emulator.Fault
		pause time.Duration // between the two commits
		want  int
	}{
		"before the first was made": {pause: 0, want: 1},
		"after it was made":         {pause: 2 * time.Second, want: 2},
		"while it is made": {
			fault: emulator.Fault{Kind: "latency", Delay: emulator.Duration(5 * time.Second), Count: 1}, pause: time.Second, want: 2,
		},
		"while it is in doubt": {fault: emulator.Fault{Kind: "reset", Count: 1}, pause: 2 * time.Second, want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, nil, func(h *house) {
				h.onAir(true, "main")
				h.commit("a.yaml", record)
				h.wait(10 * time.Second)
				h.writes()
				if tc.fault.Kind != "" {
					tc.fault.Operation = "RealTimeRecordCommand"
					h.faults(tc.fault)
				}
				h.commit("a.yaml", token("t1"))
				if tc.pause > 0 {
					h.wait(tc.pause)
				}
				h.commit("a.yaml", token("t2"))
				h.wait(30 * time.Minute)
				if got := h.writes(); len(got) != tc.want {
					t.Errorf("%v, want %d restarts", got, tc.want)
				}
			})
		})
	}
}

// TestRegionsThatFailAreTriedAlone: three of five are refused; the others keep
// their leases, in time, and are not called with them.
func TestFailure_A19_RegionsThatFailHoldUpNoOther(t *testing.T) {
	inTime(t, nil, func(h *house) {
		err := h.clouds.SetSettings(emulator.Settings{RegionsWithoutNode: []string{"PG", "SK", "PE"}, AcceptExampleDomains: true})
		if err != nil {
			t.Fatal(err)
		}
		h.commit("a.yaml", strings.Replace(prefetch, "SG, NO", "SG, NO, PG, SK, PE", 1))
		h.wait(time.Minute)
		for range 720 {
			h.wait(5 * time.Second)
			for _, p := range h.clouds.World().Prefetches {
				if !p.Expires.After(time.Now()) {
					t.Fatalf("%s ran out at %v", p.Region, p.Expires)
				}
			}
		}
		made := map[string]int{}
		for _, w := range h.writes() {
			made[strings.TrimSuffix(w, ": CodeRegionHasNoNode")]++
		}
		if n := made["HotLiveRtcStream SG"]; n < 6 || n > 8 || n != made["HotLiveRtcStream NO"] {
			t.Errorf("calls %v: one in nine and a half minutes is due", made)
		}
		if n := made["HotLiveRtcStream PG"]; n < 6 || n > 30 {
			t.Errorf("%d tries of a refused region", n)
		}
		if f := h.rec.Status().Failures; len(f) != 1 || !strings.Contains(f[0].Error, "CodeRegionHasNoNode") {
			t.Errorf("failures %+v", f)
		}
		if err := h.clouds.SetSettings(emulator.Settings{AcceptExampleDomains: true}); err != nil {
			t.Fatal(err)
		}
		h.wait(6 * time.Minute)
		if n := len(h.clouds.World().Prefetches); n != 5 {
			t.Errorf("%d regions once there is a node", n)
		}
		if f := h.rec.Status().Failures; len(f) != 0 {
			t.Errorf("failures %+v", f)
		}
	})
}

// TestRegionRemovedAndAddedAgain: while what it was given lasts nothing is
// called; when that is over it is prefetched once more. One that only could not
// be written down, because another region failed, is not.
func TestRegionRemovedAndAddedAgain(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", regions("SG, NO"))
		h.wait(time.Minute)
		h.writes()
		h.commit("a.yaml", regions("SG"))
		h.wait(time.Minute)
		h.commit("a.yaml", regions("SG, NO"))
		h.wait(5 * time.Minute)
		h.expectWrites()
		h.commit("a.yaml", regions("SG"))
		h.wait(30 * time.Minute)
		h.expectWrites()
		h.commit("a.yaml", regions("SG, NO"))
		h.wait(time.Hour)
		h.expectWrites("HotLiveRtcStream NO")
	})
	inTime(t, nil, func(h *house) {
		h.faults(emulator.Fault{Operation: "HotLiveRtcStream", Kind: "reset", Count: 1}) // one is in doubt
		h.commit("a.yaml", regions("SG, NO"))
		h.wait(2 * time.Hour)
		if n := len(h.writes()); n != 2 {
			t.Errorf("%d calls for two regions", n)
		}
	})
}

// TestLeaseInDoubt: a region whose renewal is in doubt is not renewed until a
// person has looked. What is settled as done ends when it would have; what is
// to be done again is called exactly once, and renewed from then on.
func TestLeaseInDoubt(t *testing.T) {
	for how, calls := range map[string]int{"done": 0, "again": 1} {
		t.Run(how, func(t *testing.T) {
			inTime(t, nil, func(h *house) {
				h.commit("a.yaml", prefetch)
				h.wait(9 * time.Minute)
				h.writes()
				h.faults(emulator.Fault{Operation: "HotLiveRtcStream", Kind: "reset", Count: 1})
				h.wait(time.Minute)
				if got := h.writes(); len(got) != 2 {
					t.Fatalf("renewals %v", got)
				}
				doubt := h.inDoubt()
				if len(doubt) != 1 {
					t.Fatalf("in doubt %+v", doubt)
				}
				h.wait(5 * time.Minute)
				h.expectWrites()
				h.settle(how)
				h.rec.MarkDirty()
				h.wait(10 * time.Second)
				if got := h.writes(); len(got) != calls {
					t.Errorf("calls %v, want %d", got, calls)
				}
				h.wait(time.Hour)
				renewed := map[string]int{}
				for _, w := range h.writes() {
					renewed[w]++
				}
				if a, b := renewed["HotLiveRtcStream SG"], renewed["HotLiveRtcStream NO"]; a < 6 || b < 6 || a > 7 || b > 7 {
					t.Errorf("renewals in an hour: %v", renewed)
				}
			})
		})
	}
}

// TestLeaseAcrossProcesses: one that ran out while no process lived is renewed
// at once and once; one that has not is left until it is due.
func TestLeaseAcrossProcesses(t *testing.T) {
	for away, calls := range map[time.Duration]int{5 * time.Minute: 0, 2 * time.Hour: 2} {
		t.Run(away.String(), func(t *testing.T) {
			inTime(t, nil, func(h *house) {
				h.commit("a.yaml", prefetch)
				h.wait(time.Minute)
				h.stop()
				h.writes()
				h.wait(away)
				h.build()
				h.start()
				h.wait(3 * time.Minute)
				if got := h.writes(); len(got) != calls {
					t.Errorf("calls %v, want %d", got, calls)
				}
				h.wait(8 * time.Minute)
				h.expectWrites("HotLiveRtcStream NO", "HotLiveRtcStream SG")
			})
		})
	}
}

// TestSlowAnswersMakeNoGap: a lease counts from when its call was sent.
func TestSlowAnswersMakeNoGap(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.faults(emulator.Fault{Operation: "HotLiveRtcStream", Kind: "latency", Delay: emulator.Duration(12 * time.Second)})
		h.commit("a.yaml", strings.Replace(prefetch, "10m", "3m", 1))
		h.wait(time.Minute)
		for range 600 {
			h.wait(time.Second)
			for _, p := range h.clouds.World().Prefetches {
				if !p.Expires.After(time.Now()) {
					t.Fatalf("%s ran out at %v", p.Region, p.Expires)
				}
			}
		}
	})
}

// slow is a store that takes its time, so that processes meet between any two of
// their steps.
type slow struct {
	state.Store
	mu     *sync.Mutex
	random *rand.Rand
}

func (s slow) pause() {
	s.mu.Lock()
	d := time.Duration(s.random.Int64N(int64(2 * time.Second)))
	s.mu.Unlock()
	time.Sleep(d)
}

func (s slow) Applied(ctx context.Context) ([]resource.Applied, error) {
	defer s.pause()
	return s.Store.Applied(ctx)
}

func (s slow) Changes(ctx context.Context, since state.Cursor) (state.Changes, error) {
	defer s.pause()
	return s.Store.Changes(ctx, since)
}

func (s slow) Acts(ctx context.Context) ([]resource.Act, error) {
	defer s.pause()
	return s.Store.Acts(ctx)
}

func (s slow) Begin(ctx context.Context, a resource.Act) error {
	s.pause()
	defer s.pause()
	return s.Store.Begin(ctx, a)
}

func (s slow) Settle(ctx context.Context, a resource.Act) error {
	s.pause()
	defer s.pause()
	return s.Store.Settle(ctx, a)
}

func (s slow) Save(ctx context.Context, r ...resource.Applied) error {
	s.pause()
	return s.Store.Save(ctx, r...)
}

// TestTwoProcessesDoNothingTwice: two loops on one store want the same restarts,
// prefetches and renewals at the same moments, and meet between any two steps.
func TestTwoProcessesDoNothingTwice(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { twoProcesses(t, seed) })
		})
	}
}

func twoProcesses(t *testing.T, seed uint64) {
	h := open(t)
	lazy := slow{h.store, &sync.Mutex{}, rand.New(rand.NewPCG(seed, 7))}
	late := func(_ *house, o *Options) { o.Store = lazy }
	h.build(late)
	other := h.beside(late)
	h.onAir(true, "main")
	h.start()
	other.start()
	defer func() { h.stop(); other.stop() }()
	h.commit("a.yaml", prefetch, "b.yaml", record)
	h.wait(time.Minute)
	for i := range 5 {
		h.commit("a.yaml", prefetch, "b.yaml", token(fmt.Sprint("t", i)))
		h.wait(10 * time.Minute)
	}
	made := map[string][]time.Time{}
	for _, c := range h.clouds.Journal() {
		if c.Code == "" && c.Operation == "HotLiveRtcStream" {
			made[c.Params["RegionCode"].(string)] = append(made[c.Params["RegionCode"].(string)], c.Time)
		}
		if c.Code == "" && c.Params["Command"] == "restart" {
			made["restart"] = append(made["restart"], c.Time)
		}
	}
	if n := len(made["restart"]); n != 5 {
		t.Errorf("%d restarts for five tokens", n)
	}
	for _, region := range []string{"SG", "NO"} {
		for i, at := range made[region][1:] {
			if gap := at.Sub(made[region][i]); gap < 9*time.Minute || gap > 10*time.Minute {
				t.Errorf("%s renewed after %v", region, gap)
			}
		}
		if len(made[region]) < 5 {
			t.Errorf("%s called %d times", region, len(made[region]))
		}
	}
	if doubt := h.inDoubt(); len(doubt) != 0 {
		t.Errorf("in doubt %+v", doubt)
	}
}

// TestFailure_P02_P03_EveryActCutEverywhere: a process dies at each point of
// each kind of act. Nothing that must not happen twice does, what was begun and
// not written down is left to a person, and with a true answer of theirs, or by
// itself where that does no harm, everything ends as declared.
func TestFailure_P02_P03_EveryActCutEverywhere(t *testing.T) {
	acts := map[string]struct {
		before, after, write string
		once                 bool // must not happen twice
	}{
		"start":        {"", record, "RealTimeRecordCommand start", false},
		"restart":      {record, restart, "RealTimeRecordCommand restart", true},
		"stop":         {record, stopped, "RealTimeRecordCommand stop", true},
		"cancel_delay": {stopped, finish, "RealTimeRecordCommand cancel_delay", true},
		"prefetch":     {"", regions("SG"), "HotLiveRtcStream SG", true},
		"another":      {regions("NO"), regions("SG, NO"), "HotLiveRtcStream SG", true},
	}
	for name, act := range acts {
		for _, at := range []string{"before Begin", "after Begin", "before Settle", "after Settle"} {
			t.Run(name+" "+at, func(t *testing.T) {
				inTime(t, nil, func(h *house) {
					h.onAir(true, "main")
					if strings.Contains(act.after, "stopped") {
						h.commit("a.yaml", record)
						h.wait(10 * time.Second)
					}
					h.commit("a.yaml", act.before)
					h.wait(10 * time.Second)
					h.writes()
					h.stop()
					h.build(func(h *house, o *Options) { o.Store = &cut{Store: h.store, at: at} })
					h.commit("a.yaml", act.after)
					h.start()
					h.wait(10 * time.Second)
					h.stop()
					sent := slices.Contains(h.writes(), act.write)
					if want := strings.HasSuffix(at, "Settle"); sent != want {
						t.Fatalf("sent %t before it died", sent)
					}
					h.build()
					h.start()
					h.wait(time.Minute)
					doubt := at == "after Begin" || at == "before Settle"
					if got := len(h.inDoubt()); (got == 1) != (doubt && act.once) || got > 1 {
						t.Errorf("%d acts in doubt", got)
					}
					h.settle(map[bool]string{true: "done", false: "again"}[sent])
					h.rec.MarkDirty()
					h.wait(30 * time.Minute)
					times := map[bool]int{true: 1, false: 0}[sent]
					for _, w := range h.writes() {
						if w == act.write {
							times++
						}
					}
					if times != 1 {
						t.Errorf("had its effect %d times", times)
					}
					records, _ := h.store.Applied(t.Context())
					if len(records) != 1 || !h.declared(records[0]) {
						t.Errorf("records %+v", records)
					}
				})
			})
		}
	}
}

// TestFailure_P02_P03_RenewalCutEverywhere: the same for the renewal of a lease.
func TestFailure_P02_P03_RenewalCutEverywhere(t *testing.T) {
	for _, at := range []string{"before Begin", "after Begin", "before Settle", "after Settle"} {
		t.Run(at, func(t *testing.T) {
			inTime(t, nil, func(h *house) {
				h.commit("a.yaml", strings.Replace(prefetch, "SG, NO", "SG", 1))
				h.wait(9 * time.Minute)
				h.writes()
				h.stop()
				h.build(func(h *house, o *Options) { o.Store = &cut{Store: h.store, at: at} })
				h.start()
				h.wait(time.Minute)
				h.stop()
				sent := len(h.writes())
				h.build()
				h.start()
				h.wait(5 * time.Minute)
				doubt := at == "after Begin" || at == "before Settle"
				if got := len(h.inDoubt()); (got == 1) != doubt {
					t.Errorf("%d acts in doubt", got)
				}
				h.settle(map[bool]string{true: "done", false: "again"}[sent == 1])
				h.rec.MarkDirty()
				h.wait(time.Minute)
				if n := sent + len(h.writes()); n != 1 {
					t.Errorf("renewed %d times", n)
				}
				h.wait(time.Hour)
				if n := len(h.writes()); n < 6 || n > 7 {
					t.Errorf("renewed %d times in the hour after", n)
				}
			})
		})
	}
}

// declared reports whether a record is of what is in force.
func (h *house) declared(rec resource.Applied) bool {
	p := h.rec.Shown().Plan
	c, ok := p.Find(rec.ID)
	return ok && c.After.Equal(rec.Spec)
}

// cut is a store whose process dies before or after the first Begin or Settle.
type cut struct {
	state.Store
	at   string
	mu   sync.Mutex // guards dead
	dead bool
}

// write does a write, unless the process is dead or dies on it.
func (c *cut) write(name string, do func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead || c.at == "before "+name {
		c.dead = true
		return errCrash
	}
	err := do()
	if c.at == "after "+name {
		c.dead = true
		return errCrash
	}
	return err
}

func (c *cut) Begin(ctx context.Context, a resource.Act) error {
	return c.write("Begin", func() error { return c.Store.Begin(ctx, a) })
}

func (c *cut) Settle(ctx context.Context, a resource.Act) error {
	return c.write("Settle", func() error { return c.Store.Settle(ctx, a) })
}

func (c *cut) Save(ctx context.Context, r ...resource.Applied) error {
	return c.write("Save", func() error { return c.Store.Save(ctx, r...) })
}

func (c *cut) Open(ctx context.Context, e state.Entry) (n int64, err error) {
	err = c.write("Open", func() error { n, err = c.Store.Open(ctx, e); return err })
	return n, err
}
