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

func TestSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s seldom
		var missed []int
		for range 130 {
			if n, ok := s.due(); ok {
				missed = append(missed, n)
			}
			time.Sleep(time.Second)
		}
		if len(missed) != 3 || missed[0] != 0 || missed[1] != 59 {
			t.Errorf("done with %v", missed)
		}
	})
}

func TestGateForgetsAddresses(t *testing.T) {
	g := newGate(rates{all: 1e9, allBurst: 1e9, address: 1, addressBurst: 1, inFlight: 2, ofAddress: 1, addresses: 10})
	for i := range 1000 {
		leave, refusal := g.enter("10.0." + strconv.Itoa(i/250) + "." + strconv.Itoa(i%250) + ":1")
		if refusal != nil {
			t.Fatal(i, refusal)
		}
		leave()
	}
	if n := len(g.young) + len(g.old); n > 20 {
		t.Errorf("%d addresses are remembered", n)
	}
	if _, refusal := g.enter("10.0.3.249:2"); refusal != &tooOften {
		t.Error("the last address may send again at once")
	}
}

func TestGateCountsWhoIsInside(t *testing.T) {
	g := newGate(rates{all: 1e9, allBurst: 1e9, address: 1e9, addressBurst: 1e9, inFlight: 3, ofAddress: 2, addresses: 10})
	first, refusal := g.enter("[2001:db8::1]:1")
	if refusal != nil {
		t.Fatal(refusal)
	}
	if _, refusal = g.enter("[2001:db8::2]:1"); refusal != nil {
		t.Error(refusal)
	}
	if _, refusal = g.enter("[2001:db8::3]:1"); refusal != &tooMany {
		t.Error("a third of one network")
	}
	if _, refusal = g.enter("192.0.2.1:1"); refusal != nil {
		t.Error(refusal)
	}
	if _, refusal = g.enter("192.0.2.2:1"); refusal != &tooMany {
		t.Error("a fourth of all")
	}
	first()
	if _, refusal = g.enter("not an address"); refusal != nil {
		t.Error(refusal)
	}
}

func TestNetwork(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1",
		"[2001:db8:1:2:3::4%eth0]:80": "2001:db8:1:2::", "": "invalid IP", "x:1": "invalid IP",
	} {
		if got := network(remote).String(); got != want {
			t.Errorf("%q: %s", remote, got)
		}
	}
}
