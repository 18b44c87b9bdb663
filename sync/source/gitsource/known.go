package gitsource

import (
	"github.com/go-git/go-git/v5/plumbing"

	"weir/sync/source"
)

// mostKnown is how many answers are remembered. Then all are dropped: what is
// asked for again is found again.
const mostKnown = 100_000

// target is what a walk looks for: who made this document what it is, or, where
// it is gone, who took it away.
type target struct {
	path string
	text digest
	gone bool
}

// known remembers answers by the commit they hold for: of the same document
// another commit may tell otherwise, as when a change was taken back.
type known struct {
	at    map[plumbing.Hash]map[target]source.Change
	count int
}

func (k *known) remember(commit plumbing.Hash, t target, c source.Change) {
	if k.count >= mostKnown {
		k.at, k.count = nil, 0
	}
	if k.at == nil {
		k.at = map[plumbing.Hash]map[target]source.Change{}
	}
	if k.at[commit] == nil {
		k.at[commit] = map[target]source.Change{}
	}
	if _, twice := k.at[commit][t]; !twice {
		k.count++
	}
	k.at[commit][t] = c
}
