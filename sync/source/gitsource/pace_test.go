package gitsource

import (
	"testing"
	"time"
)

func TestFailure_S01_BackOff(t *testing.T) {
	random := 0.0
	opt := Options{random: func() float64 { return random }}
	opt.fill()
	p := pace{opt: &opt}
	now := time.Unix(1000, 0)
	for i, want := range []time.Duration{5, 10, 20, 40, 80, 160, 300, 300} {
		p.ill(now, false)
		if got := p.due.Sub(now); got != want*time.Second {
			t.Errorf("wait %d is %v, want %v s", i, got, int(want))
		}
	}
	random = 0.5
	p.ill(now, false)
	if got := p.due.Sub(now); got != 270*time.Second {
		t.Errorf("with jitter %v, want 4m30s", got)
	}
	p.ill(now, true)
	if got := p.due.Sub(now); got != 54*time.Second {
		t.Errorf("at a remote that answers %v, want 54s", got)
	}
	p.well(now, true)
	p.ill(now, false)
	if got := p.due.Sub(now); got != 4500*time.Millisecond {
		t.Errorf("after a success %v, want 4.5s", got)
	}
}

func TestFailure_S40_PokeAheadOfReplica(t *testing.T) {
	opt := Options{random: func() float64 { return 0 }}
	opt.fill()
	p := pace{opt: &opt}
	now := time.Unix(1000, 0)
	p.begin(now)
	p.well(now, true)
	p.hurry(now.Add(time.Second))
	if got := p.due.Sub(now); got != 5*time.Second {
		t.Errorf("a poke after 1s makes the look due after %v, want 5s", got)
	}
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		p.well(now, false)
		if got := p.due.Sub(now); got != want*time.Second {
			t.Errorf("look %d after %v, want %v s", i, got, int(want))
		}
	}
	p.hurry(now.Add(time.Minute))
	p.well(now, true)
	if got := p.due.Sub(now); got != time.Minute {
		t.Errorf("after news %v, want 1m", got)
	}
}
