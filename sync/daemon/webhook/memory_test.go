package webhook

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		body := []byte("{}")
		again := func(want bool, id string) {
			t.Helper()
			if got := m.again("live", id, body); got != want {
				t.Errorf("%q: %v", id, got)
			}
		}
		again(false, "one")
		again(true, "one")
		again(false, "two")
		again(false, "")
		again(true, "")
		if m.again("other", "one", body) || m.again("live", "one", []byte("[]")) || m.again("liveo", "ne", body) {
			t.Error("another source or body is another delivery")
		}
		time.Sleep(bodyMemory)
		again(false, "")
		again(true, "one")
		time.Sleep(idMemory)
		again(false, "one")
		again(true, "one")
	})
}

// TestMemoryIsBounded: the oldest makes room, also where some came again after
// they were forgotten.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.again("live", "", nil)
		time.Sleep(bodyMemory)
		m.again("live", "", nil) // two slots, one mark
		for i := range 3*remembered - 2 {
			m.again("live", strconv.Itoa(i), nil)
		}
		if len(m.seen) > remembered || len(m.ring) != remembered {
			t.Errorf("%d marks, %d slots", len(m.seen), len(m.ring))
		}
		if !m.again("live", strconv.Itoa(3*remembered-3), nil) || !m.again("live", strconv.Itoa(2*remembered), nil) {
			t.Error("a young one is forgotten")
		}
		if m.again("live", "0", nil) {
			t.Error("the oldest is remembered")
		}
	})
}

// TestPokesAreFew: the first at once, one a gap after it, and none is lost.
func TestPokesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		p := poker{poke: func() { at = append(at, time.Since(start)) }}
		for range 100 {
			p.ask()
			time.Sleep(25 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(at) != 4 || at[0] != 0 || at[1] != pokeGap || at[3] != 3*pokeGap {
			t.Errorf("poked at %v", at)
		}
		p.ask()
		p.ask()
		p.close()
		p.ask()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(at) != 5 {
			t.Errorf("poked at %v after close", at)
		}
	})
}
