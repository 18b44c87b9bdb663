package etcdquota

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/sync/boottime"
	"weir/sync/call"
)

// everyone is a world in which all live but some.
type everyone struct{ dead []string }

func (e everyone) alive(process string) bool            { return !slices.Contains(e.dead, process) }
func (e everyone) gone(process string) boottime.Instant { return 1 }

// sheetOf makes a sheet of a window of one second: "a 10 has 3 wants 0,0,5 turn 2" and
// so on, divided by semicolons. What is left out is 0.
func sheetOf(t *testing.T, text string) *sheet {
	t.Helper()
	s := &sheet{}
	for p := range strings.SplitSeq(text, ";") {
		words := strings.Fields(p)
		h := s.join(words[0]).add(time.Second, 0)
		scan := func(text string, to any) {
			if _, err := fmt.Sscan(text, to); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
		}
		scan(words[1], &h.Limit)
		for word := range slices.Chunk(words[2:], 2) {
			switch word[0] {
			case "has":
				scan(word[1], &h.Has)
			case "turn":
				scan(word[1], &h.Turn)
			case "lent":
				h.Lent = true
			case "wants":
				for level, n := range strings.Split(word[1], ",") {
					scan(n, &h.Wants[level])
				}
			default:
				t.Fatal(word)
			}
		}
	}
	return s
}

func TestSheet_Targets(t *testing.T) {
	for _, test := range []struct {
		name  string
		sheet string
		lost  float64
		dead  []string
		want  []int
	}{
		{name: "alone", sheet: "a 10 wants 0,0,20", want: []int{10}},
		{name: "leftovers stay free", sheet: "a 10 wants 0,0,4", want: []int{4}},
		{name: "equal parts", sheet: "a 10 wants 0,0,10; b 10 wants 0,0,10", want: []int{5, 5}},
		{name: "what one does not want the others have", sheet: "a 10 wants 0,0,2; b 10 wants 0,0,10; c 10 wants 0,0,10", want: []int{2, 4, 4}},
		{name: "the rest goes to whose turn is longest ago", sheet: "a 10 wants 0,0,10 turn 3; b 10 wants 0,0,10 turn 2; c 10 wants 0,0,10 turn 1", want: []int{3, 3, 4}},
		{name: "one slot", sheet: "a 1 wants 0,0,1 turn 1; b 1 wants 0,0,1", want: []int{0, 1}},
		{name: "the higher priority first", sheet: "a 10 wants 0,7,0; b 10 wants 0,0,10; c 10 wants 0,0,0,0,10", want: []int{7, 3, 0}},
		{name: "within a process too", sheet: "a 10 wants 0,2,0,0,10; b 10 wants 0,0,0,0,10", want: []int{6, 4}},
		{name: "lent", sheet: "a 10 wants 0,10; b 10 wants 0,0,10 lent 1", want: []int{9, 1}},
		{name: "dead ones keep what they have", sheet: "a 10 has 6 wants 0,0,10; b 10 wants 0,0,10", dead: []string{"a"}, want: []int{0, 4}},
		{name: "the lower limit while it is wanted", sheet: "a 10 wants 0,0,10; b 4 wants 0,0,10", want: []int{2, 2}},
		{name: "not that of a lower priority", sheet: "a 10 wants 0,10; b 4 wants 0,0,10", want: []int{10, 0}},
		{name: "nor of nobody's calls", sheet: "a 10 wants 0,0,10; b 4", want: []int{10, 0}},
		{name: "throttled", sheet: "a 10 wants 0,0,10; b 10 wants 0,0,10", lost: .5, want: []int{3, 2}},
		{name: "throttled to the last", sheet: "a 10 wants 0,0,10", lost: .99, want: []int{1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := sheetOf(t, test.sheet)
			s.Lost = test.lost
			if got := s.targets(time.Second, everyone{test.dead}.alive); !slices.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

func TestSheet_Grant(t *testing.T) {
	for _, test := range []struct {
		name  string
		sheet string
		want  []int
	}{
		{"all that is free", "a 10 wants 0,0,10; b 10 wants 0,0,10", []int{5, 5}},
		{"no more than is free", "a 10 has 9 wants 0,0,10; b 10 wants 0,0,10", []int{9, 1}},
		{"to the one of a higher priority first", "a 10 has 8 wants 0,0,10; b 10 wants 0,0,10; c 10 wants 0,10", []int{8, 0, 2}},
		{"nothing above one's own limit", "a 10 has 6 wants 0,0,10; b 4 wants 0,0,10", []int{6, 0}},
		{"nothing while somebody does not know what it has", "a 10 has -1 wants 0,0,10; b 10 wants 0,0,10", []int{-1, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := sheetOf(t, test.sheet)
			s.grant(everyone{}.alive)
			var got []int
			for _, p := range s.Parts {
				got = append(got, p.Shares[0].Has)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

func TestSheet_Kept(t *testing.T) {
	s := sheetOf(t, "a 10 has 3 wants 0,0,5 turn 2; b 4 lent 1")
	s.Turns, s.Cuts, s.Lost = 7, 2, .25
	got, err := decode([]byte(s.encode()))
	if err != nil || got.encode() != s.encode() {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := decode([]byte("{")); err == nil {
		t.Error("what is no sheet is read")
	}
}

// pair is two sides of one sheet with one clock, which see each change at once.
type pair struct {
	t     *testing.T
	sheet *sheet
	rev   int64
	now   boottime.Instant
	sides []*side
}

func newPair(t *testing.T) *pair {
	return &pair{t: t, sheet: &sheet{}, now: 1e12, sides: []*side{newSide("a"), newSide("b")}}
}

// settle lets both change the sheet until nobody has anything to change.
func (p *pair) settle() {
	p.t.Helper()
	for range 50 {
		quiet := true
		for _, s := range p.sides {
			s.see(p.now, p.sheet.clone(), p.rev)
			if next, _ := s.plan(p.now, everyone{}); next != nil {
				quiet = false
				p.rev++
				p.sheet = next.clone()
				s.wager(next)
				s.settled(p.now, next, p.rev)
			}
		}
		if quiet {
			return
		}
	}
	p.t.Fatal("it never comes to rest")
}

// take lets a side ask, and reports whether it got a slot.
func (p *pair) take(i int, priority call.Priority, waiting int, windows ...call.Window) bool {
	p.t.Helper()
	want := call.Want{Operation: "Op", Windows: windows, Priority: priority, Waiting: waiting}
	p.sides[i].ask(p.now, want)
	p.settle()
	number, _, _ := p.sides[i].take(p.now, want)
	if number != 0 {
		p.sides[i].book.Give(p.now, number, call.End{})
	}
	return number != 0
}

// TestSide_WhatIsThrottledAllKnow: a throttle that one process met halves the part of
// all, once however many calls met it, and comes back in steps.
func TestSide_WhatIsThrottledAllKnow(t *testing.T) {
	p := newPair(t)
	w := call.Window{Limit: 8, Per: time.Second}
	p.take(0, call.Routine, 8, w)
	p.take(1, call.Routine, 8, w)
	p.sides[0].throttled(0)
	p.sides[1].throttled(0)
	p.settle()
	if p.sheet.Cuts != 1 || p.sides[0].part() != .5 || p.sides[1].part() != .5 {
		t.Errorf("%d cuts, parts %v and %v", p.sheet.Cuts, p.sides[0].part(), p.sides[1].part())
	}
	p.now = p.now.After(2 * time.Second)
	p.settle()
	if held, _ := p.sheet.held(w.Per); held > 4 {
		t.Errorf("parts of %d slots, half of 8 may be used", held)
	}
	for range 5 {
		p.now = p.now.After(giveBack)
		p.settle()
	}
	if p.sheet.Lost != 0 {
		t.Errorf("%v is lost after %v", p.sheet.Lost, 5*giveBack)
	}
}

// TestSide_WindowThatOneDoesNotKnow: a process that is configured with a window of its
// own waits until the other has counted its calls in it, and then both keep to it.
func TestSide_WindowThatOneDoesNotKnow(t *testing.T) {
	p := newPair(t)
	second, long := call.Window{Limit: 8, Per: time.Second}, call.Window{Limit: 10, Per: 10 * time.Second}
	for range 4 {
		if !p.take(0, call.Routine, 8, second) {
			t.Fatal("no slot")
		}
	}
	if p.take(1, call.Routine, 8, second, long) {
		t.Fatal("a slot of a window in which the other's calls are not counted")
	}
	calls := 0
	for range 300 {
		p.now = p.now.After(100 * time.Millisecond)
		if p.take(0, call.Routine, 8, second) {
			calls++
		}
		if p.take(1, call.Routine, 8, second, long) {
			calls++
		}
		if held, known := p.sheet.held(long.Per); known && held > 10 {
			t.Fatalf("parts of %d slots of 10", held)
		}
	}
	if calls < 20 || calls > 40 {
		t.Errorf("%d calls in 30 s, of which the window allows 30", calls)
	}
}

// TestSide_Idle: who has not called for a while has and wants nothing, and is in no
// sheet.
func TestSide_Idle(t *testing.T) {
	p := newPair(t)
	w := call.Window{Limit: 8, Per: time.Second}
	if !p.take(0, call.Routine, 1, w) || p.sides[0].idle(p.now) {
		t.Fatal("no slot, or idle with one")
	}
	for range 4 {
		p.now = p.now.After(settle)
		p.settle()
	}
	if len(p.sheet.Parts) != 0 || !p.sides[0].idle(p.now) {
		t.Errorf("it is idle and the sheet says %s", p.sheet.encode())
	}
}

// TestSide_ChangeThatWasLost: a process that gave slots back, of which etcd never heard,
// has them again when it wants them, once a change has an answer.
func TestSide_ChangeThatWasLost(t *testing.T) {
	p := newPair(t)
	p.sides = p.sides[:1]
	w := call.Window{Limit: 8, Per: time.Second}
	p.take(0, call.Routine, 8, w)
	s := p.sides[0]
	for lost := false; !lost; p.now = p.now.After(settle) {
		if next, _ := s.plan(p.now, everyone{}); next != nil {
			s.wager(next)
			lost = true
		}
	}
	if s.has(w.Per) == 8 {
		t.Fatal("it uses what it may have given back")
	}
	if !p.take(0, call.Routine, 8, w) || s.has(w.Per) != 8 {
		t.Errorf("it has %d slots of 8", s.has(w.Per))
	}
}

// TestSide_Look: others count as rivals while they want more than they have, with a
// lower priority as those that one goes before.
func TestSide_Look(t *testing.T) {
	p := newPair(t)
	w := call.Window{Limit: 2, Per: time.Second}
	p.sides[1].ahead = 0
	p.take(0, call.Routine, 1, w)
	p.take(1, call.Routine, 5, w)
	for _, test := range []struct {
		priority     call.Priority
		equal, lower int
	}{{call.Planning, 1, 0}, {call.Routine, 1, 0}, {call.Person, 0, 1}} {
		view := p.sides[0].look(p.now, call.Want{Windows: []call.Window{w}, Priority: test.priority}, everyone{})
		if len(view.Equal) != test.equal || view.Lower != test.lower || len(view.Busy[0]) != 1 {
			t.Errorf("%v: %+v", test.priority, view)
		}
	}
}

// BenchmarkTake is the cost of a call's slot, taken of the part and given back, with 45
// calls in the book.
func BenchmarkTake(b *testing.B) {
	s := newSide("a")
	w := call.Window{Limit: 50, Per: time.Second}
	want := call.Want{Operation: "Op", Windows: []call.Window{w}, Waiting: 50}
	now := boottime.Instant(1e12)
	s.see(now, nil, 1)
	s.ask(now, want)
	next, _ := s.plan(now, everyone{})
	s.wager(next)
	s.settled(now, next, 2)
	s.plan(now, everyone{})
	for range 45 {
		s.take(now, want)
	}
	for b.Loop() {
		s.ask(now, want)
		number, _, _ := s.take(now, want)
		if number == 0 {
			b.Fatal("no slot")
		}
		s.book.Give(now, number, call.End{Unsent: true})
	}
}
