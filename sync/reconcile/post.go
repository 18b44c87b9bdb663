package reconcile

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"weir/sync/call"
	"weir/sync/resource"
	"weir/sync/state"
)

// The pace at which what is seen is posted for other processes.
const (
	postEvery = time.Second      // what comes meanwhile is posted together
	postMost  = 1000             // resources at a time
	postRetry = 30 * time.Second // the longest pause while it cannot be written
)

// poster posts what this process sees of the accounts that it leads, beside the passes.
// A nil one posts nothing.
type poster struct {
	board  state.Board
	logger *slog.Logger
	poke   chan struct{} // capacity one: there is something to post

	writing sync.Mutex // one at a time
	mu      sync.Mutex // guards due
	due     map[string]map[resource.ID]post
}

// post is what is to be posted of a resource. At most one waits of each.
type post struct {
	resource.Observation
	same bool // as the last that was known, but for its time
	gone bool
}

// newPoster returns what posts for the others, nil where there is no board.
func newPoster(board state.Board, logger *slog.Logger) *poster {
	if board == nil {
		return nil
	}
	return &poster{board: board, logger: logger, poke: make(chan struct{}, 1), due: map[string]map[resource.ID]post{}}
}

// add lets what was seen be posted; same says that only its time is new.
func (p *poster) add(o resource.Observation, same bool) {
	if p != nil {
		p.put(post{Observation: o, same: same})
	}
}

// remove lets it be posted that a resource is not looked at any more.
func (p *poster) remove(id resource.ID) {
	if p != nil {
		p.put(post{Observation: resource.Observation{ID: id}, gone: true})
	}
}

func (p *poster) put(n post) {
	p.mu.Lock()
	of := p.due[n.ID.Account]
	if of == nil {
		of = map[resource.ID]post{}
		p.due[n.ID.Account] = of
	}
	if former, waits := of[n.ID]; waits {
		n.same = n.same && former.same
	}
	of[n.ID] = n
	p.mu.Unlock()
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

// forget drops what is not posted yet of an account.
func (p *poster) forget(account string) {
	if p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.due, account)
	}
}

// run posts until ctx ends.
func (p *poster) run(ctx context.Context) {
	pause := postEvery
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-p.poke:
		}
		if !pauseFor(ctx, pause) {
			return
		}
		err := p.flush(ctx)
		switch {
		case err == nil:
			pause = postEvery
		case ctx.Err() == nil:
			if pause == postEvery {
				p.logger.Warn("cannot write for other processes what is seen; trying again", "error", err)
			}
			pause = min(2*pause, postRetry)
		}
	}
}

// pauseFor waits, and reports whether ctx goes on.
func pauseFor(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// flush posts all that is due.
func (p *poster) flush(ctx context.Context) error {
	p.mu.Lock()
	accounts := sortedKeys(p.due)
	p.mu.Unlock()
	var failed error
	for _, account := range accounts {
		failed = cmp.Or(failed, p.flushOf(ctx, account))
	}
	return failed
}

// flushOf posts what is due of one account. What another process leads by now is its to
// post.
func (p *poster) flushOf(ctx context.Context, account string) error {
	if p == nil {
		return nil
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	for {
		batch := p.take(account)
		if len(batch) == 0 {
			return nil
		}
		var seen []resource.Observation
		var gone []resource.ID
		for _, n := range batch {
			if n.gone {
				gone = append(gone, n.ID)
			} else {
				seen = append(seen, n.Observation)
			}
		}
		if err := p.board.Post(ctx, account, seen, gone); err != nil {
			if call.Lapsed(err) {
				p.forget(account)
				return nil
			}
			p.putBack(account, batch)
			return err
		}
	}
}

// take takes out what to post next of an account: what says something new before what
// only is of a later time.
func (p *poster) take(account string) []post {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.due[account]
	if len(of) <= postMost {
		delete(p.due, account)
		return inOrder(slices.Collect(maps.Values(of)))
	}
	batch := make([]post, 0, postMost)
	for _, same := range []bool{false, true} {
		for id, n := range of {
			if len(batch) < postMost && n.same == same {
				batch = append(batch, n)
				delete(of, id)
			}
		}
	}
	return inOrder(batch)
}

func inOrder(batch []post) []post {
	slices.SortFunc(batch, func(a, b post) int { return resource.Compare(a.ID, b.ID) })
	return batch
}

// putBack lets a batch be posted later, but for what is newer by then.
func (p *poster) putBack(account string, batch []post) {
	for _, n := range batch {
		p.mu.Lock()
		_, newer := p.due[account][n.ID]
		p.mu.Unlock()
		if !newer {
			p.put(n)
		}
	}
}
