package cluster

import "slices"

// Assign says which member is to lead each account, as it is with these leaders now:
// both by the ID of the member. Only a member that lists an account, and is no
// command, can lead it; an account that nobody lists is not in the answer.
//
// Every member comes to the same answer from the same view. Where all list the same
// accounts, no member leads two more than another; where they do not, nothing can be
// moved from member to member to make that better. As few accounts as that allows
// change their leader.
func Assign(members []Member, accounts []string, leaders map[string]string) map[string]string {
	s := newShares(members, accounts, leaders)
	s.keep()
	s.place()
	for s.move() || s.shift() {
		continue
	}
	out := make(map[string]string, len(s.accounts))
	for a, m := range s.of {
		if m != nobody {
			out[s.accounts[a]] = s.members[m]
		}
	}
	return out
}

const nobody = -1

// shares is who leads what while it is found out; members and accounts are numbers in
// the order of their names.
type shares struct {
	members  []string
	accounts []string
	can      [][]bool // by account and member
	holder   []int    // by account: who leads it now, of those that can
	of       []int    // by account: who is to
	load     []int    // by member
	like     [][]uint64
}

func newShares(members []Member, accounts []string, leaders map[string]string) *shares {
	members = slices.DeleteFunc(slices.Clone(members), func(m Member) bool { return m.Once })
	slices.SortFunc(members, func(a, b Member) int { return compare(a.ID, b.ID) })
	accounts = slices.Sorted(slices.Values(accounts))
	accounts = slices.Compact(accounts)
	s := &shares{
		accounts: accounts, can: make([][]bool, len(accounts)), load: make([]int, len(members)),
		holder: make([]int, len(accounts)), of: make([]int, len(accounts)), like: make([][]uint64, len(accounts)),
	}
	number := make(map[string]int, len(accounts))
	for a, name := range accounts {
		number[name] = a
		s.can[a], s.holder[a], s.of[a] = make([]bool, len(members)), nobody, nobody
		for _, m := range members {
			s.like[a] = append(s.like[a], liking(name, m.ID))
		}
	}
	for m, member := range members {
		s.members = append(s.members, member.ID)
		for _, name := range member.Accounts {
			if a, ok := number[name]; ok {
				s.can[a][m] = true
			}
		}
	}
	for a, name := range accounts {
		if m, ok := slices.BinarySearch(s.members, leaders[name]); ok && s.can[a][m] {
			s.holder[a] = m
		}
	}
	return s
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// keep leaves every account with who leads it.
func (s *shares) keep() {
	for a, m := range s.holder {
		if m != nobody {
			s.give(a, m)
		}
	}
}

func (s *shares) give(a, m int) {
	if was := s.of[a]; was != nobody {
		s.load[was]--
	}
	s.of[a] = m
	s.load[m]++
}

// place gives each account that nobody leads to the member it likes best of those that
// have less than a fair share, so that what two members say differs little while they
// know different leaders.
func (s *shares) place() {
	fair := 0
	if n := len(s.members); n > 0 {
		fair = (len(s.accounts) + n - 1) / n
	}
	for a := range s.accounts {
		if s.of[a] != nobody {
			continue
		}
		best := nobody
		for m := range s.members {
			if s.can[a][m] && (best == nobody || s.rather(a, m, best, fair)) {
				best = m
			}
		}
		if best != nobody {
			s.give(a, best)
		}
	}
}

// rather reports whether account a is better with member m than with another one.
func (s *shares) rather(a, m, other, fair int) bool {
	switch full, otherFull := s.load[m] >= fair, s.load[other] >= fair; {
	case full != otherFull:
		return otherFull
	case full && s.load[m] != s.load[other]:
		return s.load[m] < s.load[other]
	}
	return s.like[a][m] > s.like[a][other]
}

// liking is a number that is drawn once and for all for an account and a member.
func liking(account, member string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	x := uint64(offset)
	for _, s := range []string{account, "\x00", member} {
		for i := range len(s) {
			x = (x ^ uint64(s[i])) * prime
		}
	}
	x = (x ^ x>>33) * 0xff51afd7ed558ccd // its high bits hardly depend on the last bytes
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// move moves one account from a member to another that has less by two or more, and
// reports whether there was one: rather one that is not led yet, then between those
// that differ most.
func (s *shares) move() bool {
	best, to := nobody, nobody
	for a := range s.accounts {
		for m := range s.members {
			if s.of[a] == nobody || !s.can[a][m] || s.load[s.of[a]] < s.load[m]+2 {
				continue
			}
			if best == nobody || s.cheaper(a, m, best, to) {
				best, to = a, m
			}
		}
	}
	if best == nobody {
		return false
	}
	s.give(best, to)
	return true
}

// cheaper reports whether account a to member m is a better move than b to n.
func (s *shares) cheaper(a, m, b, n int) bool {
	if held := s.held(a); held != s.held(b) {
		return !held
	}
	if d, e := s.load[s.of[a]]-s.load[m], s.load[s.of[b]]-s.load[n]; d != e {
		return d > e
	}
	return s.like[a][m] > s.like[b][n]
}

// held reports whether an account is with who leads it.
func (s *shares) held(a int) bool { return s.of[a] == s.holder[a] }

// shift moves accounts along a row of members, each of which can lead one that the one
// before it has, where the last has less than the first by two or more.
func (s *shares) shift() bool {
	for first := range s.members {
		if path := s.path(first); path != nil {
			for _, step := range path {
				s.give(step.account, step.to)
			}
			return true
		}
	}
	return false
}

// step is an account that another member is to lead.
type step struct{ account, to int }

// path returns the shortest such row that begins with a member, nil for none.
func (s *shares) path(first int) []step {
	came := make([]step, len(s.members)) // by member: how it was reached
	seen := make([]bool, len(s.members))
	seen[first] = true
	for row := []int{first}; len(row) > 0; row = row[1:] {
		at := row[0]
		if s.load[first] >= s.load[at]+2 {
			return s.back(came, first, at)
		}
		for a, m := range s.of {
			if m != at {
				continue
			}
			for to, can := range s.can[a] {
				if can && !seen[to] {
					seen[to], came[to] = true, step{a, to}
					row = append(row, to)
				}
			}
		}
	}
	return nil
}

func (s *shares) back(came []step, first, at int) []step {
	var out []step
	for at != first {
		out = append(out, came[at])
		at = s.of[came[at].account]
	}
	return out
}
