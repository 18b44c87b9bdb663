package reconcile

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"time"
)

// The weights by which the age of what was read last is multiplied: what changed
// lately is most likely to be changed back, what is on air matters most while it is.
const (
	weightRest    = 1
	weightDrifted = 16
	weightAir     = 32
	weightChanged = 64
)

// valuableOften is how many times an interval what has a weight may be read, where
// there is more to read than the share allows.
const valuableOften = 4

// candidate is what one read serves, as the order looks at it.
type candidate struct {
	at     time.Time // of its oldest observation
	weight int       // one of the weights
}

// order says by what the next reads are chosen.
type order struct {
	now      time.Time
	interval time.Duration // nothing is read again before
	crowded  bool          // there is more to read in an interval than the share allows
}

// rest is for how long c is not read again.
func (o order) rest(c candidate) time.Duration {
	if o.crowded && c.weight > weightRest {
		return o.interval / valuableOften
	}
	return o.interval
}

// choose returns which of the candidates to read next, at most n, the first one
// first, and when the next one is due where none is. Every second one is the one
// that was read longest ago, whatever it is worth: so each has its turn within
// twice as many reads as there are candidates. The time it takes grows with the
// candidates, and hardly with n.
func (o order) choose(all iter.Seq2[int, candidate], n int) (next []int, due time.Time) {
	worth, oldest := best{most: n}, best{most: n}
	soonest := time.Duration(math.MaxInt64)
	for i, c := range all {
		age := o.now.Sub(c.at)
		if left := o.rest(c) - age; left > 0 {
			soonest = min(soonest, left)
			continue
		}
		worth.offer(i, float64(age)*float64(c.weight))
		oldest.offer(i, float64(age))
	}
	if soonest < math.MaxInt64 {
		due = o.now.Add(soonest)
	}
	return alternate(worth.list, oldest.list, n), due
}

// alternate takes from each of two lists in turn, at most n in all, each element
// once.
func alternate(first, second []ranked, n int) []int {
	var out []int
	taken := map[int]bool{}
	for len(out) < n && len(first)+len(second) > 0 {
		if len(first) > 0 && !taken[first[0].index] {
			taken[first[0].index] = true
			out = append(out, first[0].index)
			first = first[1:]
			first, second = second, first
			continue
		}
		if len(first) > 0 {
			first = first[1:]
			continue
		}
		first, second = second, first
	}
	return out
}

// ranked is a candidate and its rank.
type ranked struct {
	index int
	rank  float64
}

// best keeps those of the highest rank, the highest first; of equal ones the one
// that was offered first.
type best struct {
	most int
	list []ranked
}

func (b *best) offer(index int, rank float64) {
	full := len(b.list) == b.most
	if full && (b.most == 0 || rank <= b.list[b.most-1].rank) {
		return
	}
	at, _ := slices.BinarySearchFunc(b.list, rank, func(r ranked, rank float64) int {
		if r.rank == rank {
			return -1
		}
		return cmp.Compare(rank, r.rank)
	})
	if full {
		b.list = b.list[:b.most-1]
	}
	b.list = slices.Insert(b.list, at, ranked{index, rank})
}
