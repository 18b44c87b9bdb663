package gitsource

import (
	"context"

	"github.com/go-git/go-git/v5/plumbing"
)

// mostHaves is how many commits of ours are named to the remote. They go back
// from the head, so that after a rewrite only what is new is sent.
const mostHaves = 64

// back visits a commit and its ancestors, the nearest first, until visit
// returns false.
func (m *mirror) back(ctx context.Context, from plumbing.Hash, visit func(plumbing.Hash) bool) error {
	seen := map[plumbing.Hash]bool{from: true}
	for queue := []plumbing.Hash{from}; len(queue) > 0; queue = queue[1:] {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !visit(queue[0]) {
			return nil
		}
		c, err := m.commit(queue[0])
		if err != nil {
			return err
		}
		for _, p := range c.parents {
			if !seen[p] {
				seen[p] = true
				queue = append(queue, p)
			}
		}
	}
	return nil
}

// follows reports whether ancestor is commit itself or in its history.
func (m *mirror) follows(ctx context.Context, commit, ancestor plumbing.Hash) (bool, error) {
	known, err := m.has(ancestor)
	if err != nil || !known {
		return false, err
	}
	found := false
	err = m.back(ctx, commit, func(h plumbing.Hash) bool {
		found = h == ancestor
		return !found
	})
	return found, err
}

// haves returns commits that need not be sent again.
func (m *mirror) haves(ctx context.Context) ([]plumbing.Hash, error) {
	var have []plumbing.Hash
	for _, ref := range []plumbing.ReferenceName{refHead, refAccepted} {
		head := m.ref(ref)
		known, err := m.has(head)
		if err != nil {
			return nil, err
		}
		if !known {
			continue
		}
		left := mostHaves
		err = m.back(ctx, head, func(h plumbing.Hash) bool {
			have = append(have, h)
			left--
			return left > 0
		})
		if err != nil {
			return nil, err
		}
	}
	return have, nil
}
