package cluster_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir/sync/cluster"
)

// TestAssign_EvenAndStill: where every member lists the same accounts, none leads two
// more than another, and no more accounts change their leader than that takes.
func TestAssign_EvenAndStill(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		accounts := names("account", rapid.IntRange(0, 40).Draw(t, "accounts"))
		members := alike(rapid.IntRange(1, 6).Draw(t, "members"), accounts)
		leaders := drawLeaders(t, members, accounts)
		to := cluster.Assign(members, accounts, leaders)
		load, held := map[string]int{}, map[string]int{}
		moved := 0
		for _, a := range accounts {
			load[to[a]]++
			held[leaders[a]]++
			if was, led := leaders[a]; led && was != to[a] && alive(members, was) {
				moved++
			}
		}
		most, least := 0, math.MaxInt
		var counts []int
		for _, m := range members {
			most, least = max(most, load[m.ID]), min(least, load[m.ID])
			counts = append(counts, held[m.ID])
		}
		if len(to) != len(accounts) || most-least > 1 {
			t.Fatalf("%d accounts over %v", len(accounts), load)
		}
		if need := movesNeeded(counts, len(accounts)); moved != need {
			t.Fatalf("%d accounts moved, %d had to: held %v, now %v", moved, need, counts, load)
		}
	})
}

// movesNeeded is how many of those that members hold are too many: of n accounts each
// may have its even part, and those that have most the one that is over.
func movesNeeded(held []int, n int) int {
	held = slices.Clone(held)
	slices.SortFunc(held, func(a, b int) int { return b - a })
	moves := 0
	for i, h := range held {
		may := n / len(held)
		if i < n%len(held) {
			may++
		}
		moves += max(0, h-may)
	}
	return moves
}

// TestAssign_NothingIsBetter: whatever members list, an account goes to one that lists
// it, and no row of moves would make the shares more even.
func TestAssign_NothingIsBetter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		accounts := names("account", rapid.IntRange(1, 12).Draw(t, "accounts"))
		var members []cluster.Member
		for i := range rapid.IntRange(1, 4).Draw(t, "members") {
			some := rapid.SliceOfDistinct(rapid.SampledFrom(accounts), rapid.ID[string]).Draw(t, "lists")
			members = append(members, cluster.Member{ID: fmt.Sprint("m", i), Accounts: some, Once: rapid.IntRange(0, 5).Draw(t, "once") == 0})
		}
		leaders := drawLeaders(t, members, accounts)
		to := cluster.Assign(members, accounts, leaders)
		load := map[string]int{}
		for _, a := range accounts {
			id, ok := to[a]
			if could := eligible(members, a); ok != (len(could) > 0) || ok && !slices.Contains(could, id) {
				t.Fatalf("%s goes to %q, and could to %q", a, id, could)
			}
			load[id]++
		}
		for _, m := range members {
			for other := range reach(members, to, m.ID) {
				if load[m.ID] >= load[other]+2 {
					t.Fatalf("%s leads %d and %s %d: %v", m.ID, load[m.ID], other, load[other], to)
				}
			}
		}
	})
}

// TestAssign_OrderDoesNotMatter: members that know the same come to the same, and what
// was assigned stays so once it is led.
func TestAssign_OrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		accounts := names("account", rapid.IntRange(0, 30).Draw(t, "accounts"))
		members := alike(rapid.IntRange(1, 5).Draw(t, "members"), accounts)
		leaders := drawLeaders(t, members, accounts)
		to := cluster.Assign(members, accounts, leaders)
		shuffled := rapid.Permutation(accounts).Draw(t, "shuffled")
		if again := cluster.Assign(rapid.Permutation(members).Draw(t, "members shuffled"), shuffled, leaders); !maps.Equal(to, again) {
			t.Fatalf("%v, and in another order %v", to, again)
		}
		if still := cluster.Assign(members, accounts, to); !maps.Equal(to, still) {
			t.Fatalf("%v, and when that is led %v", to, still)
		}
		// Some of them have been taken already: the rest stays where it was to go.
		part := map[string]string{}
		for a, m := range to {
			if rapid.Bool().Draw(t, "taken") {
				part[a] = m
			}
		}
		for a, m := range cluster.Assign(members, accounts, part) {
			if was, taken := part[a]; taken && was != m {
				t.Fatalf("%s was taken by %s and is to go to %s", a, was, m)
			}
		}
	})
}

func reach(members []cluster.Member, to map[string]string, from string) map[string]bool {
	seen := map[string]bool{from: true}
	for row := []string{from}; len(row) > 0; row = row[1:] {
		for a, id := range to {
			if id != row[0] {
				continue
			}
			for _, next := range eligible(members, a) {
				if !seen[next] {
					seen[next] = true
					row = append(row, next)
				}
			}
		}
	}
	return seen
}

func eligible(members []cluster.Member, account string) []string {
	var out []string
	for _, m := range members {
		if !m.Once && slices.Contains(m.Accounts, account) {
			out = append(out, m.ID)
		}
	}
	return out
}

func alive(members []cluster.Member, id string) bool {
	return slices.ContainsFunc(members, func(m cluster.Member) bool { return m.ID == id })
}

func names(what string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%03d", what, i)
	}
	return out
}

func alike(n int, accounts []string) []cluster.Member {
	var out []cluster.Member
	for _, id := range names("member", n) {
		out = append(out, cluster.Member{ID: id, Name: id, Accounts: accounts})
	}
	return out
}

// drawLeaders leaves some accounts without a leader, and some with one that has gone.
func drawLeaders(t *rapid.T, members []cluster.Member, accounts []string) map[string]string {
	ids := []string{"", "", "gone"}
	for _, m := range members {
		ids = append(ids, m.ID)
	}
	out := map[string]string{}
	for _, a := range accounts {
		if id := rapid.SampledFrom(ids).Draw(t, a); id != "" {
			out[a] = id
		}
	}
	return out
}
