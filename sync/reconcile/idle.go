package reconcile

import (
	"context"
	"sync"
)

// busy counts by account what is under way beside the passes: reads and runs. The zero
// value counts nothing yet.
type busy struct {
	mu   sync.Mutex
	n    map[string]int
	less chan struct{} // closed when something has ended, nil where nobody waits
}

// begin counts what begins, until what it returns is called.
func (b *busy) begin(account string) (end func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n == nil {
		b.n = map[string]int{}
	}
	b.n[account]++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.n[account]--
		if b.less != nil {
			close(b.less)
			b.less = nil
		}
	}
}

// wait waits until nothing of an account is under way, or ctx ends.
func (b *busy) wait(ctx context.Context, account string) {
	for {
		b.mu.Lock()
		if b.n[account] == 0 {
			b.mu.Unlock()
			return
		}
		if b.less == nil {
			b.less = make(chan struct{})
		}
		less := b.less
		b.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-less:
		}
	}
}

// Idle waits until nothing of an account is under way any more, or ctx ends: no call,
// and nothing that is to be written down of one. What was seen of it is posted then, for
// who leads it next. It is for an account whose Term is 0 already, so that nothing new
// begins.
func (r *Reconciler) Idle(ctx context.Context, account string) {
	r.busy.wait(ctx, account)
	if err := r.poster.flushOf(ctx, account); err != nil && ctx.Err() == nil {
		r.opts.Logger.Warn("cannot write for the next leader what was seen last", "account", account, "error", err)
	}
}
