package cluster_test

import (
	"fmt"
	"testing"

	"weir/sync/cluster"
)

// BenchmarkAssign is a thousand accounts over three members: all led evenly, and all led by one.
func BenchmarkAssign(b *testing.B) {
	accounts := names("account", 1000)
	for _, n := range []int{3, 10} {
		members := alike(n, accounts)
		even := cluster.Assign(members, accounts, nil)
		one := map[string]string{}
		for _, a := range accounts {
			one[a] = members[0].ID
		}
		b.Run(fmt.Sprint("even/", n), func(b *testing.B) {
			for b.Loop() {
				cluster.Assign(members, accounts, even)
			}
		})
		b.Run(fmt.Sprint("one/", n), func(b *testing.B) {
			for b.Loop() {
				cluster.Assign(members, accounts, one)
			}
		})
	}
}
