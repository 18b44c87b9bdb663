package gate

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Seldom
		var missed []int
		for range 130 {
			if n, ok := s.Due(); ok {
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
	g := New(Rates{All: 1e9, AllBurst: 1e9, Address: 1, AddressBurst: 1, InFlight: 2, OfAddress: 1, Addresses: 10})
	for i := range 1000 {
		leave, refusal := g.Enter("10.0." + strconv.Itoa(i/250) + "." + strconv.Itoa(i%250) + ":1")
		if refusal != None {
			t.Fatal(i, refusal)
		}
		leave()
	}
	if n := len(g.young) + len(g.old); n > 20 {
		t.Errorf("%d addresses are remembered", n)
	}
	if _, refusal := g.Enter("10.0.3.249:2"); refusal != TooOften {
		t.Error("the last address may send again at once")
	}
}

func TestGateCountsWhoIsInside(t *testing.T) {
	g := New(Rates{All: 1e9, AllBurst: 1e9, Address: 1e9, AddressBurst: 1e9, InFlight: 3, OfAddress: 2, Addresses: 10})
	first, refusal := g.Enter("[2001:db8::1]:1")
	if refusal != None {
		t.Fatal(refusal)
	}
	if _, refusal = g.Enter("[2001:db8::2]:1"); refusal != None {
		t.Error(refusal)
	}
	if _, refusal = g.Enter("[2001:db8::3]:1"); refusal != TooMany {
		t.Error("a third of one network")
	}
	if _, refusal = g.Enter("192.0.2.1:1"); refusal != None {
		t.Error(refusal)
	}
	if _, refusal = g.Enter("192.0.2.2:1"); refusal != TooMany {
		t.Error("a fourth of all")
	}
	first()
	if _, refusal = g.Enter("not an address"); refusal != None {
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
