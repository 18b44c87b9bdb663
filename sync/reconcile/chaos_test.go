package reconcile

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/emulator"
	"weir/sync/resource"
	"weir/sync/state"
)

// frail is a store whose process dies now and then, before or after a write.
type frail struct {
	state.Store
	mu     sync.Mutex // guards what follows
	random *rand.Rand
	chance float64
	dead   bool
}

func (m *frail) write(do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead = m.dead || m.random.Float64() < m.chance; m.dead {
		return errCrash
	}
	err := do()
	if m.dead = m.random.Float64() < m.chance; m.dead {
		return errCrash
	}
	return err
}

func (m *frail) died() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

func (m *frail) Begin(ctx context.Context, a resource.Act) error {
	return m.write(func() error { return m.Store.Begin(ctx, a) })
}

func (m *frail) Settle(ctx context.Context, a resource.Act) error {
	return m.write(func() error { return m.Store.Settle(ctx, a) })
}

func (m *frail) Save(ctx context.Context, r ...resource.Applied) error {
	return m.write(func() error { return m.Store.Save(ctx, r...) })
}

func (m *frail) Open(ctx context.Context, e state.Entry) (n int64, err error) {
	err = m.write(func() error { n, err = m.Store.Open(ctx, e); return err })
	return n, err
}

// process is one of two that live on one store, and are begun anew when dead.
type process struct {
	*house
	life *frail
	seed uint64
}

func (p *process) begin(random *rand.Rand, chance float64) {
	p.life = &frail{Store: p.store, chance: chance, random: rand.New(rand.NewPCG(random.Uint64(), p.seed))}
	p.build(func(_ *house, o *Options) { o.Store = p.life })
	p.start()
}

// TestChaosOfActs lets two processes die at any write and lose answers, while a
// person settles what is in doubt by what the cloud has seen. No restart token
// makes two restarts, no region is prefetched before its lease nears its end,
// and in the end everything is as declared.
func TestChaosOfActs(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { chaos(t, seed) })
		})
	}
}

const chaosRounds = 12

func chaos(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 99))
	h := open(t)
	two := []*process{{house: h, seed: 1}, {house: h.beside(), seed: 2}}
	for _, p := range two {
		p.begin(random, 0.05)
	}
	defer func() {
		for _, p := range two {
			p.stop()
		}
	}()
	h.onAir(true, "main")
	h.commit("a.yaml", prefetch, "b.yaml", record)
	h.wait(time.Minute)
	h.troubled(seed)
	var windows []time.Time
	for round := range chaosRounds {
		windows = append(windows, time.Now())
		h.commit("a.yaml", prefetch, "b.yaml", token(fmt.Sprint("t", round)))
		for range 30 {
			h.wait(10 * time.Second)
			for _, p := range two {
				if p.life.died() {
					p.stop()
					p.begin(random, 0.05)
				}
			}
			h.person()
		}
	}
	h.faults()
	for _, p := range two {
		p.stop()
		p.begin(random, 0) // from here on nobody dies
	}
	for range 30 {
		h.wait(10 * time.Second)
		h.person()
	}
	h.onceEach(windows)
	if doubt := h.inDoubt(); len(doubt) != 0 {
		t.Errorf("in doubt %+v", doubt)
	}
}

// troubled loses many answers, in every way.
func (h *house) troubled(seed uint64) {
	var list []emulator.Fault
	for _, operation := range []string{"HotLiveRtcStream", "RealTimeRecordCommand"} {
		for i, kind := range []string{"lost-response", "reset", "garbage"} {
			list = append(list, emulator.Fault{Operation: operation, Kind: kind, Probability: 0.1, Seed: seed*10 + uint64(i)})
		}
	}
	h.faults(list...)
}

// person settles what has been in doubt for two minutes, by the truth.
func (h *house) person() {
	h.t.Helper()
	for _, act := range h.inDoubt() {
		if act.Repeatable || time.Since(act.Begun) < 2*time.Minute {
			continue
		}
		happened := false
		for _, c := range h.clouds.Journal() {
			name, _ := c.Params["Command"].(string)
			if region, ok := c.Params["RegionCode"].(string); ok {
				name = "region " + region
			}
			happened = happened || c.Code == "" && name == act.Name && !c.Time.Before(act.Begun)
		}
		if happened {
			act.Done = time.Now()
		}
		if err := h.store.Settle(h.t.Context(), act); err != nil {
			h.t.Fatal(err)
		}
	}
}

// onceEach checks what the cloud has seen: at most one restart after each commit
// of a token, and no prefetch of a region long before the last one ends.
func (h *house) onceEach(windows []time.Time) {
	h.t.Helper()
	restarts, last := make([]int, len(windows)), map[string]time.Time{}
	for _, c := range h.clouds.Journal() {
		if c.Code != "" {
			continue
		}
		if c.Params["Command"] == "restart" {
			i := 0
			for i+1 < len(windows) && !c.Time.Before(windows[i+1]) {
				i++
			}
			restarts[i]++
		}
		if region, ok := c.Params["RegionCode"].(string); ok {
			if gap := c.Time.Sub(last[region]); gap < 9*time.Minute {
				h.t.Errorf("%s prefetched again after %v", region, gap)
			}
			last[region] = c.Time
		}
	}
	made := 0
	for i, n := range restarts {
		if made += n; n > 1 {
			h.t.Errorf("token %d made %d restarts: %v", i, n, restarts)
		}
	}
	if made < len(windows)/2 { // one that is in doubt until the next token comes is never made
		h.t.Errorf("only %d of %d restarts: %v", made, len(windows), restarts)
	}
	for _, region := range []string{"SG", "NO"} {
		if since := time.Since(last[region]); since > 10*time.Minute {
			h.t.Errorf("%s was last prefetched %v ago", region, since)
		}
	}
	if !strings.Contains(fmt.Sprint(h.owned()), "Recording") {
		h.t.Errorf("owned %v", h.owned())
	}
}
