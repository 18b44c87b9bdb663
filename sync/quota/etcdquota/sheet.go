package etcdquota

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"weir/sync/call"
)

// levels is the number of priorities; the highest one is level 0.
const levels = int(call.Urgent-call.Scrub) + 1

// levelOf returns a priority's level.
func levelOf(p call.Priority) int { return int(call.Urgent - min(max(p, call.Scrub), call.Urgent)) }

// wants are the slots that a process would use, by level.
type wants [levels]int

// sum returns the slots of all levels.
func (w wants) sum() int {
	n := 0
	for _, v := range w {
		n += v
	}
	return n
}

// top returns the first level that wants something, levels where none does.
func (w wants) top() int {
	for level, v := range w {
		if v > 0 {
			return level
		}
	}
	return levels
}

// sheet is what is kept of one operation of an account: who has which part of its
// windows. The zero value is that of an operation nobody has called.
type sheet struct {
	Turns int64   `json:"turns,omitempty"` // turns that have ended
	Cuts  int64   `json:"cuts,omitempty"`  // times the cloud throttled the operation
	Lost  float64 `json:"lost,omitempty"`  // part of the windows that throttles took, below 1
	Parts []part  `json:"parts,omitempty"` // ordered by process
}

// part is what a process has and wants.
type part struct {
	Process string  `json:"process"`
	Ahead   int     `json:"ahead,omitempty"` // calls it foresees, 0 where it does not say
	Since   int64   `json:"since,omitempty"` // the turns that had ended when it came, or was last lent a slot
	Shares  []share `json:"shares"`          // ordered by Per
}

// share is a part of one window.
type share struct {
	Per   time.Duration `json:"per"`
	Limit int           `json:"limit,omitempty"` // of the window as the process is configured, 0 where it has no such window
	Has   int           `json:"has"`             // slots, or unknown
	Wants wants         `json:"wants"`
	Turn  int64         `json:"turn,omitempty"` // when its turn last ended
	Lent  bool          `json:"lent,omitempty"` // one slot is lent to it, whatever its priority
}

// unknown is what a process has of a window that it did not count its calls in until
// now: nobody is given any of it before that process has.
const unknown = -1

// leastPart is the smallest part that throttles leave.
const leastPart = 0.01

// rounding is what a product of binary fractions may be off by.
const rounding = 1e-9

// decode reads a sheet as it is kept, an empty one where there is none.
func decode(data []byte) (*sheet, error) {
	s := &sheet{}
	if len(data) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("sheet of a quota: %w", err)
	}
	s.Lost = min(max(0, s.Lost), 1-leastPart)
	return s, nil
}

// encode writes a sheet as it is kept.
func (s *sheet) encode() string {
	data, _ := json.Marshal(s) // numbers and texts
	return string(data)
}

// clone returns a copy that shares nothing.
func (s *sheet) clone() *sheet {
	c := *s
	c.Parts = slices.Clone(s.Parts)
	for i := range c.Parts {
		c.Parts[i].Shares = slices.Clone(c.Parts[i].Shares)
	}
	return &c
}

// part returns a process's part, nil where it has none.
func (s *sheet) part(process string) *part {
	i, found := slices.BinarySearchFunc(s.Parts, process, comparePart)
	if !found {
		return nil
	}
	return &s.Parts[i]
}

func comparePart(p part, process string) int { return cmp.Compare(p.Process, process) }

// join returns a process's part, an empty one where it had none.
func (s *sheet) join(process string) *part {
	i, found := slices.BinarySearchFunc(s.Parts, process, comparePart)
	if !found {
		s.Parts = slices.Insert(s.Parts, i, part{Process: process, Since: s.Turns})
	}
	return &s.Parts[i]
}

// share returns the part of a window, nil where there is none.
func (p *part) share(per time.Duration) *share {
	for i := range p.Shares {
		if p.Shares[i].Per == per {
			return &p.Shares[i]
		}
	}
	return nil
}

// add returns the part of a window, one with so many slots where there was none.
func (p *part) add(per time.Duration, has int) *share {
	i, found := slices.BinarySearchFunc(p.Shares, per, func(h share, per time.Duration) int { return cmp.Compare(h.Per, per) })
	if !found {
		p.Shares = slices.Insert(p.Shares, i, share{Per: per, Has: has})
	}
	return &p.Shares[i]
}

// wants returns what the process wants of whichever window it wants the most of.
func (p *part) wants() wants {
	var w wants
	for _, h := range p.Shares {
		for level, v := range h.Wants {
			w[level] = max(w[level], v)
		}
	}
	return w
}

// pers returns the windows that anyone has a part of, ordered.
func (s *sheet) pers() []time.Duration {
	var out []time.Duration
	for _, p := range s.Parts {
		for _, h := range p.Shares {
			out = append(out, h.Per)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// usable is the part of the windows that throttles left.
func (s *sheet) usable() float64 { return max(leastPart, 1-s.Lost) }

// capacity returns how many slots a window of a limit has now.
func (s *sheet) capacity(limit int) int { return max(1, int(s.usable()*float64(limit)+rounding)) }

// held returns how many slots of a window anyone has, dead ones too, and whether that
// is known of all.
func (s *sheet) held(per time.Duration) (n int, known bool) {
	known = true
	for i := range s.Parts {
		if h := s.Parts[i].share(per); h != nil {
			n += max(0, h.Has)
			known = known && h.Has != unknown
		}
	}
	return n, known
}

// limit returns the limit of a window for a part of it: its own, or where it has none
// the lowest of the others.
func (s *sheet) limit(h *share) int {
	if h.Limit > 0 {
		return h.Limit
	}
	lowest := 0
	for i := range s.Parts {
		if o := s.Parts[i].share(h.Per); o != nil && o.Limit > 0 && (lowest == 0 || o.Limit < lowest) {
			lowest = o.Limit
		}
	}
	return lowest
}

// claim is what one process wants of a window at one level.
type claim struct {
	at      int // its place in Parts
	want    int
	turn    int64
	process string
}

// targets returns how many slots of a window each process should have, by its place
// in Parts: the higher level first, within one in equal parts as far as they are
// wanted, and what cannot be divided in turns. Where limits differ the lowest one
// holds of those at the same level or above.
func (s *sheet) targets(per time.Duration, alive func(string) bool) []int {
	out := make([]int, len(s.Parts))
	used := s.fixed(per, alive, out)
	limit := 0
	for level := range levels {
		var claims []claim
		for i := range s.Parts {
			p := &s.Parts[i]
			h := p.share(per)
			if h == nil || h.Wants[level] == 0 || !alive(p.Process) {
				continue
			}
			want := h.Wants[level]
			if h.Lent && h.Wants.top() == level {
				want--
			}
			claims = append(claims, claim{i, want, h.Turn, p.Process})
			if c := s.capacity(s.limit(h)); limit == 0 || c < limit {
				limit = c
			}
		}
		if len(claims) > 0 {
			used += fill(claims, max(0, limit-used), out)
		}
	}
	return out
}

// fixed writes down what is not divided, and returns it: what dead processes have and
// what is lent.
func (s *sheet) fixed(per time.Duration, alive func(string) bool, out []int) int {
	used := 0
	for i := range s.Parts {
		switch h := s.Parts[i].share(per); {
		case h == nil:
		case !alive(s.Parts[i].Process):
			used += max(0, h.Has)
		case h.Lent:
			out[i]++
			used++
		}
	}
	return used
}

// fill divides a room among claims, adds to each what it gets, and returns the sum.
func fill(claims []claim, room int, out []int) int {
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.want, b.want), cmp.Compare(a.turn, b.turn), cmp.Compare(a.process, b.process))
	})
	left := room
	for i, c := range claims {
		if c.want*(len(claims)-i) > left {
			return room - left + rest(claims[i:], left, out)
		}
		out[c.at] += c.want
		left -= c.want
	}
	return room - left
}

// rest divides a room among claims that are each larger than an equal part, or at
// least as large.
func rest(claims []claim, room int, out []int) int {
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.turn, b.turn), cmp.Compare(a.process, b.process))
	})
	each, more := room/len(claims), room%len(claims)
	for _, c := range claims {
		out[c.at] += each
		if more > 0 && c.want > each {
			out[c.at]++
			more--
		}
	}
	return room - more
}

// grant gives the slots nobody has to those who should have more: one at a time to
// whoever would make the most urgent call with it, and then to whoever has the least.
func (s *sheet) grant(alive func(string) bool) {
	for _, per := range s.pers() {
		held, known := s.held(per)
		if !known {
			continue
		}
		targets := s.targets(per, alive)
		for next := s.next(per, targets, held); next != nil; next = s.next(per, targets, held) {
			next.Has++
			held++
		}
	}
}

// next returns whose part of a window grows next, nil where none does.
func (s *sheet) next(per time.Duration, targets []int, held int) *share {
	var best *share
	for i := range s.Parts {
		h := s.Parts[i].share(per)
		if h == nil || h.Has >= targets[i] || held >= s.capacity(s.limit(h)) {
			continue
		}
		if best == nil || cmp.Or(
			cmp.Compare(h.level(), best.level()), cmp.Compare(h.Has, best.Has), cmp.Compare(h.Turn, best.Turn),
		) < 0 {
			best = h
		}
	}
	return best
}

// level returns the level of the calls for which the next slot would be.
func (h *share) level() int {
	n := 0
	for level, v := range h.Wants {
		if n += v; n > h.Has {
			return level
		}
	}
	return levels
}
