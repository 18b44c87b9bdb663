package clustertest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/cluster/clustertest"
)

// TestMemory is a cluster as all are.
func TestMemory(t *testing.T) {
	clustertest.Run(t, synctest.Test, func(t *testing.T) clustertest.World {
		m := clustertest.NewMemory(t, clustertest.Options{})
		return clustertest.World{
			Join:  func(j clustertest.Joining) clustertest.Joined { return m.Join(j) },
			Lose:  func(j clustertest.Joined) { j.(*clustertest.Process).Cut() },
			Lease: m.Lease(),
		}
	})
}

// TestMemory_NeverTwo: whatever is paused, cut off, killed and started, at no moment two
// can prove that they lead an account; and when all is well again, all are led.
func TestMemory_NeverTwo(t *testing.T) {
	for seed := range uint64(15) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { neverTwo(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func neverTwo(t *testing.T, r *rand.Rand) {
	world := clustertest.NewMemory(t, clustertest.Options{})
	accounts := clustertest.Accounts(7)
	var all []*clustertest.Process
	var mu sync.Mutex // of r, which calls that end use as well
	draw := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
	start := func() *clustertest.Process {
		p := world.Join(clustertest.Joining{Name: fmt.Sprint("p", len(all)), Idle: func(ctx context.Context, _ string) {
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(draw(2000)) * time.Millisecond):
			}
		}})
		p.Ready(accounts...)
		all = append(all, p)
		return p
	}
	live := []*clustertest.Process{start(), start(), start()}
	led := 0
	for range 200 {
		i := draw(len(live))
		switch draw(8) {
		case 0:
			live[i].Kill()
			live[i] = start()
		case 1:
			live[i].Pause()
		case 2, 3:
			live[i].Resume()
		case 4:
			live[i].Cut()
		case 5, 6:
			live[i].Mend()
		case 7:
			_ = live[i].Close(t.Context())
			live[i] = start()
		}
		time.Sleep(time.Duration(draw(4000)) * time.Millisecond)
		led += single(t, all, accounts)
	}
	for _, p := range live {
		p.Resume()
		p.Mend()
	}
	time.Sleep(2 * time.Minute) // who was slow once gets its share only later
	if n := single(t, all, accounts); n != len(accounts) {
		t.Errorf("%d of %d accounts are led when all is well", n, len(accounts))
	}
	if led == 0 {
		t.Error("nothing was ever led")
	}
	for _, p := range live {
		if n := clustertest.Leads(p, accounts...); n < 2 || n > 3 {
			t.Errorf("one of three leads %d of seven", n)
		}
	}
}

// single counts the accounts that are led, by one each.
func single(t *testing.T, all []*clustertest.Process, accounts []string) int {
	t.Helper()
	led := 0
	for _, account := range accounts {
		n := 0
		for _, p := range all {
			if p.Left(account) > 0 {
				n++
			}
		}
		if n > 1 {
			t.Fatalf("%d lead %s", n, account)
		}
		led += n
	}
	return led
}
