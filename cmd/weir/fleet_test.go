package main

import (
	"testing"

	"weir/sync/cluster"
	"weir/sync/state/etcdstate"
)

// TestLeastFormat: the state stays in the format that the oldest of all members writes,
// and never is in one that this weir does not know.
func TestLeastFormat(t *testing.T) {
	of := func(formats ...int) (members []cluster.Member) {
		for _, f := range formats {
			members = append(members, cluster.Member{Format: f})
		}
		return members
	}
	now := etcdstate.Format()
	for want, members := range map[int][]cluster.Member{
		now: of(now, now), now - 1: of(now+1, now-1, now),
	} {
		if got := leastFormat(members); got != want {
			t.Errorf("%v: format %d, want %d", members, got, want)
		}
	}
	if got := leastFormat(of(now+1, now+2)); got != now {
		t.Errorf("among newer ones: format %d, want %d", got, now)
	}
}
