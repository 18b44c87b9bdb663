package call

import (
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var creditRuns = flag.Int("credit-runs", 400, "runs of the simulation of credit")

// way is how long calls travel in a simulated run.
type way struct {
	name   string
	jitter func(r *rand.Rand) float64 // around 1, of one way, never below 0
	low    float64                    // the least of it
}

// ways are the kinds of jitter: those that touch their least value often, those
// that hardly ever come near it, and those with long tails.
func jitters() []way {
	normal := func(r *rand.Rand) float64 { return max(0, 1+r.NormFloat64()/3) }
	return []way{
		{"uniform", func(r *rand.Rand) float64 { return 2 * r.Float64() }, 0},
		{"exponential", (*rand.Rand).ExpFloat64, 0},
		{"normal", normal, 0},
		{"gamma", func(r *rand.Rand) float64 { return (r.ExpFloat64() + r.ExpFloat64() + r.ExpFloat64()) / 3 }, 0},
		{"lognormal", func(r *rand.Rand) float64 { return math.Exp(r.NormFloat64()) / 1.65 }, 0},
		{"pareto", func(r *rand.Rand) float64 { return math.Pow(1-r.Float64(), -1/1.5) - 1 }, 0},
		{"two routes", func(r *rand.Rand) float64 {
			if r.Float64() < 0.2 {
				return 0.2 * r.Float64()
			}
			return 1 + 0.4*r.Float64()
		}, 0},
		{"spikes", func(r *rand.Rand) float64 {
			if r.Float64() < 0.02 {
				return 20 * r.Float64()
			}
			return 0.2 * r.Float64()
		}, 0},
	}
}

// run is one simulated run: one operation, always with more calls to make than it
// may or with pauses, on a line whose delays are drawn.
type creditRun struct {
	window      Window
	forth, back time.Duration
	scale       time.Duration // of the jitter of one way
	jitter      way
	calls       int
	pauses      float64 // part of the slots after which nothing is called for a while
	longer      float64 // the way is so many times as long for eight minutes
	quick       float64 // part of the answers that take a tenth of the way back, as refusals
	random      *rand.Rand
	begin       time.Time
}

func drawRun(seed uint64) creditRun {
	r := rand.New(rand.NewPCG(seed, 7))
	pick := func(of ...time.Duration) time.Duration { return of[r.IntN(len(of))] }
	run := creditRun{
		window: Window{Limit: 1 + r.IntN(20), Per: pick(time.Second, time.Second, 100*time.Millisecond, 3*time.Second)},
		forth:  time.Duration(r.Int64N(int64(pick(1e6, 10e6, 100e6, 400e6)))),
		back:   time.Duration(r.Int64N(int64(pick(1e6, 10e6, 100e6, 400e6)))),
		scale:  time.Duration(r.Int64N(int64(pick(1, 1e6, 5e6, 20e6, 100e6, 200e6)))),
		jitter: jitters()[r.IntN(len(jitters()))],
		calls:  20 + r.IntN(3000), random: r, longer: 1, begin: time.Unix(1e9, 0),
	}
	switch r.IntN(5) {
	case 0:
		run.pauses = 0.05
	case 1:
		run.longer = 1 + 4*r.Float64()
		if r.IntN(2) == 0 {
			run.longer = 0.986 + 0.014*r.Float64() // what no measurement has shown
		}
	case 2:
		run.window = Window{Limit: 50 + r.IntN(500), Per: time.Minute}
	case 3:
		run.quick = 0.1 * r.Float64() * r.Float64()
	}
	return run
}

// flight is a call under way.
type flight struct{ sent, arrives, ends time.Time }

// play returns the arrivals, and when the last call was sent.
func (r *creditRun) play() (arrivals []time.Time) {
	w := &window{Window: r.window, ceiling: r.window.Limit}
	var trips roundTrips
	var flying []flight // ordered by their ends
	now := r.begin
	end := func() {
		f := flying[0]
		flying = flying[1:]
		now = later(now, f.ends)
		trips.add(now, f.ends.Sub(f.sent))
		w.done[measured] = append(w.done[measured], now)
	}
	for range r.calls {
		for {
			for len(flying) > 0 && !flying[0].ends.After(now) {
				end()
			}
			credit := trips.credit(now)
			if len(flying)+w.expire(now, credit) < w.ceiling {
				break
			}
			next := w.next(credit)
			if len(flying) > 0 && (next.IsZero() || flying[0].ends.Before(next)) {
				end()
				continue
			}
			now = later(now, next)
		}
		f := r.send(now)
		arrivals = append(arrivals, f.arrives)
		at, _ := slices.BinarySearchFunc(flying, f, func(a, b flight) int { return a.ends.Compare(b.ends) })
		flying = slices.Insert(flying, at, f)
		if r.random.Float64() < r.pauses {
			now = now.Add(time.Duration(r.random.Int64N(int64(2 * r.window.Per))))
		}
	}
	slices.SortFunc(arrivals, time.Time.Compare)
	return arrivals
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// send draws the way of a call.
func (r *creditRun) send(now time.Time) flight {
	part := 1.0
	if since := now.Sub(r.begin); since > time.Minute && since < 9*time.Minute {
		part = r.longer
	}
	one := func(base time.Duration) time.Duration {
		return time.Duration(part*float64(base) + r.jitter.jitter(r.random)*float64(r.scale))
	}
	f := flight{sent: now, arrives: now.Add(one(r.forth))}
	back := one(r.back)
	if r.random.Float64() < r.quick {
		back /= 10
	}
	f.ends = f.arrives.Add(back)
	return f
}

// over counts the windows with more arrivals than the limit.
func (r *creditRun) over(arrivals []time.Time) int {
	n, first := 0, 0
	for i, at := range arrivals {
		for at.Sub(arrivals[first]) > r.window.Per {
			first++
		}
		if i-first+1 > r.window.Limit {
			n++
		}
	}
	return n
}

// TestCredit_NeverAboveTheQuota counts arrivals in every sliding window of runs on
// lines of all kinds.
func TestCredit_NeverAboveTheQuota(t *testing.T) {
	bad := map[string]int{}
	for seed := range uint64(*creditRuns) {
		r := drawRun(seed)
		if n := r.over(r.play()); n > 0 {
			bad[r.jitter.name]++
			t.Errorf("seed %d: %d windows above %+v; forth %v, back %v, %s jitter of %v, %d calls, longer %.1f, quick %.3f", seed, n,
				r.window, r.forth, r.back, r.jitter.name, r.scale, r.calls, r.longer, r.quick)
		}
	}
	if len(bad) > 0 {
		t.Log(bad)
	}
}
