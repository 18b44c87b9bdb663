package reconcile

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// shelf is a lane without a cloud: what is chosen is read at once.
type shelf struct {
	order
	all []candidate
}

// read chooses n reads and makes them, one each gap. It returns which.
func (s *shelf) read(n int, gap time.Duration) []int {
	picked, _ := s.choose(slices.All(s.all), n)
	for _, i := range picked {
		s.now = s.now.Add(gap)
		s.all[i].at = s.now
	}
	return picked
}

// newShelf draws a lane of n.
func newShelf(seed uint64, n int, crowded bool) (*shelf, *rand.Rand) {
	random := rand.New(rand.NewPCG(seed, 7))
	s := &shelf{order: order{now: time.Unix(1e9, 0), interval: time.Minute, crowded: crowded}}
	for range n {
		s.all = append(s.all, candidate{
			at:     s.now.Add(-time.Duration(random.Int64N(int64(2 * time.Hour)))),
			weight: []int{weightRest, weightRest, weightDrifted, weightAir, weightChanged}[random.IntN(5)],
		})
	}
	return s, random
}

// TestOrder_ChoosesWhatIsDue: at most n, each once, nothing before its time, and
// nothing left out while there is room.
func TestOrder_ChoosesWhatIsDue(t *testing.T) {
	for seed := range uint64(300) {
		s, random := newShelf(seed, int(seed%40), seed%2 == 0)
		s.interval = time.Duration(random.Int64N(int64(2 * time.Hour)))
		ready := 0
		var first time.Time
		for _, c := range s.all {
			if due := c.at.Add(s.rest(c)); !due.After(s.now) {
				ready++
			} else if first.IsZero() || due.Before(first) {
				first = due
			}
		}
		n := random.IntN(20)
		picked, due := s.choose(slices.All(s.all), n)
		if len(picked) != min(n, ready) {
			t.Errorf("seed %d: %d chosen of %d that are due, want at most %d", seed, len(picked), ready, n)
		}
		if !due.Equal(first) {
			t.Errorf("seed %d: next due %v, want %v", seed, due, first)
		}
		seen := map[int]bool{}
		for _, i := range picked {
			if seen[i] || s.all[i].at.Add(s.rest(s.all[i])).After(s.now) {
				t.Errorf("seed %d: %d is chosen twice, or too early", seed, i)
			}
			seen[i] = true
		}
	}
}

// TestOrder_NeverStarves: however much is worth more, each is read within twice
// as many reads as there are.
func TestOrder_NeverStarves(t *testing.T) {
	for seed := range uint64(8) {
		s, random := newShelf(seed, 50+int(seed)*7, true)
		last := make([]int, len(s.all))
		for turn := 0; turn < 20*len(s.all); {
			for _, i := range s.read(1+random.IntN(9), time.Second) {
				turn++
				if wait := turn - last[i]; wait > 2*len(s.all)+20 && last[i] > 0 {
					t.Fatalf("seed %d: %d of weight %d waited for %d reads of %d candidates", seed, i, s.all[i].weight, wait, len(s.all))
				}
				last[i] = turn
			}
		}
		for i, at := range last {
			if at == 0 {
				t.Errorf("seed %d: %d is never read", seed, i)
			}
		}
	}
}

// TestOrder_ValueComesFirst: where not all can be read, what is worth more is read
// more often, and nothing more than four times an interval.
func TestOrder_ValueComesFirst(t *testing.T) {
	s, _ := newShelf(1, 1000, true)
	for i := range s.all {
		s.all[i].weight = weightRest
		if i < 30 {
			s.all[i].weight = []int{weightDrifted, weightAir, weightChanged}[i%3]
		}
	}
	s.interval = 100 * time.Second
	reads := map[int]int{}
	began := s.now
	for range 5_000 {
		for _, i := range s.read(1, time.Second) {
			reads[s.all[i].weight]++
		}
	}
	most := valuableOften * s.now.Sub(began).Seconds() / s.interval.Seconds()
	per := func(weight, n int) float64 { return float64(reads[weight]) / float64(n) }
	rest, drifted, air, changed := per(weightRest, 970), per(weightDrifted, 10), per(weightAir, 10), per(weightChanged, 10)
	t.Logf("reads each: rest %.1f, drifted %.1f, on air %.1f, changed %.1f; %.0f at most", rest, drifted, air, changed, most)
	if drifted < 8*rest || air < drifted || changed < air || changed > most+1 {
		t.Errorf("reads each: rest %.1f, drifted %.1f, on air %.1f, changed %.1f", rest, drifted, air, changed)
	}
}

// TestOrder_OnceAnInterval: where the share allows it, all is read once an
// interval, whatever it is worth.
func TestOrder_OnceAnInterval(t *testing.T) {
	s, _ := newShelf(1, 50, false)
	reads := make([]int, len(s.all))
	for range 600 { // ten intervals
		for _, i := range s.read(1, 0) {
			reads[i]++
		}
		s.now = s.now.Add(time.Second)
	}
	for i, n := range reads {
		if n < 10 || n > 11 {
			t.Errorf("%d of weight %d is read %d times in ten intervals", i, s.all[i].weight, n)
		}
	}
}

func BenchmarkOrder(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, _ := newShelf(1, n, true)
			for b.Loop() {
				s.choose(slices.All(s.all), 10)
			}
		})
	}
}
