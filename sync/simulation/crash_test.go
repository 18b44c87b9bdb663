package simulation

import (
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"weir/sync/plan"
)

var every = flag.Int("every", defaultEvery, "of how many crash points one is tried")

// The scenarios whose every moment is a crash point, and the moments.
const crashScenarios = 20

func moments() []string {
	return []string{"before write", "after write", "before call", "after call"}
}

// crash is what happens at one point of one scenario.
type crash struct {
	scenario int
	moment   string
	at       int // the how-manieth moment of its kind
}

func (c crash) String() string {
	return fmt.Sprintf("scenario %d cut %s %d", c.scenario, c.moment, c.at)
}

// scenario is a short story without faults: documents are applied, edited,
// restarted and removed. Its seed decides which.
func (c crash) story(r *run) {
	r.policy = plan.Policy{
		Mode: plan.Sync, HealDrift: true, MaxRemoved: 100, MaxRemovedPercent: 100, MaxUpdatedPercent: 100,
	}
	r.dryRun, r.interval, r.kinds = false, 20*time.Second, nil
	for range 4 {
		r.put()
	}
	r.commit("begin", false)
	r.start(c)
	r.wait(3 * time.Second)
	for _, act := range []func(){r.edit, r.token, r.add, r.template, func() { r.drop(); r.put(); r.commit("replace", false) }} {
		act()
		r.wait(3 * time.Second)
		if r.daemon.dead.Load() && r.onCut != nil {
			return // what comes next has another store
		}
		r.check()
		r.restart(c)
	}
}

// start runs a daemon that dies at the crash point.
func (r *run) start(c crash) {
	r.running()
	if c.at > 0 {
		point := &cutPoint{moment: c.moment}
		point.left.Store(int64(c.at))
		r.daemon.cutAt.Store(point)
	}
}

// restart runs another daemon where the first died.
func (r *run) restart(crash) {
	if r.daemon.dead.Load() {
		r.running()
	}
}

// crashRun runs a scenario, cut at the point of c, or nowhere where it has none.
func crashRun(t *testing.T, c crash, counts *tally) *run {
	return simulate(t, uint64(c.scenario)+1_000_000, false, counts, func(r *run) {
		c.story(r)
		if !r.violated() {
			r.finish()
		}
	})
}

// TestFailure_P01_P02_P03_EveryCrashPoint cuts the process dead before and
// after every write of its store and every call of twenty scenarios, and lets
// another one take over: nothing is lost, nothing doubled, every state loads.
func TestFailure_P01_P02_P03_EveryCrashPoint(t *testing.T) {
	counts := newTally()
	var points atomic.Int64
	t.Run("scenarios", func(t *testing.T) {
		for i := range crashScenarios {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				points.Add(crashEverywhere(t, i, counts))
			})
		}
	})
	t.Logf("%d crash points\n%s", points.Load(), counts)
}

// crashEverywhere cuts a scenario at its points and returns how many they were.
func crashEverywhere(t *testing.T, scenario int, counts *tally) (points int64) {
	whole := crashRun(t, crash{scenario: scenario}, counts)
	if len(whole.violations) > 0 {
		t.Fatalf("%s\n%s", whole.violations[0], whole.history())
	}
	for _, moment := range moments() {
		for at := 1 + scenario%*every; at <= int(whole.all[0].moments.n[moment]); at += *every {
			points++
			c := crash{scenario, moment, at}
			if r := crashRun(t, c, counts); len(r.violations) > 0 {
				t.Fatalf("%s: %s\n%s", c, r.violations[0], r.history())
			}
		}
	}
	return points
}
