package simulation

import (
	"sync"
	"time"
)

// draw is a random number that others can be derived from: the same for the
// same words, whatever else was drawn.
type draw uint64

// of derives a draw from d for a purpose.
func (d draw) of(what string, n ...uint64) draw {
	h := uint64(d) ^ 14695981039346656037
	for i := range len(what) {
		h = (h ^ uint64(what[i])) * 1099511628211
	}
	h = spread(h)
	for _, v := range n {
		h = spread(h ^ spread(v))
	}
	return draw(h)
}

// spread spreads a number's bits (splitmix64).
func spread(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// chance reports whether something of probability p happens.
func (d draw) chance(p float64) bool { return float64(d>>11)/(1<<53) < p }

// below returns a number of [0, n).
func (d draw) below(n int) int { return int(uint64(d) % uint64(n)) }

// within returns a time of [from, to), to the nanosecond.
func (d draw) within(from, to time.Duration) time.Duration {
	return from + time.Duration(uint64(d)%uint64(to-from))
}

// dice are draws one after the other, for a single goroutine.
type dice struct {
	seed draw
	n    uint64
}

func (d *dice) next() draw { d.n++; return d.seed.of("roll", d.n) }

func (d *dice) chance(p float64) bool                       { return d.next().chance(p) }
func (d *dice) below(n int) int                             { return d.next().below(n) }
func (d *dice) within(from, to time.Duration) time.Duration { return d.next().within(from, to) }

// one returns an element of a list.
func one[T any](d *dice, list ...T) T { return list[d.below(len(list))] }

// counter says how often something was asked for before.
type counter struct {
	mu sync.Mutex
	n  map[string]uint64
}

func (c *counter) next(what string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]uint64{}
	}
	c.n[what]++
	return c.n[what]
}

// luck derives a draw of a process from what it does and when. It counts
// nothing: whether what is given up at an instant was begun before that is up to
// the scheduler, and must not be the luck of what comes later.
func (p *process) luck(what string) draw {
	return p.run.seed.of(p.name+" "+what, uint64(time.Now().UnixNano()))
}
