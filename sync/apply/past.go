package apply

import (
	"context"
	"fmt"
	"time"

	"weir/sync/call"
	"weir/sync/state"
)

// pastMost bounds the calls of the past that are looked at: more than any
// account can make within the longest quota window.
const pastMost = 20_000

// Past returns the calls of an account that were begun since a time, by any
// process that uses the store.
func (r *Recorder) Past(ctx context.Context, account string, since time.Time) ([]call.Past, error) {
	entries, err := r.store.Journal(ctx, state.Query{Account: account, Since: since, Limit: pastMost})
	if err != nil {
		return nil, fmt.Errorf("calls of the past: %w", err)
	}
	past := make([]call.Past, 0, len(entries))
	for _, e := range entries {
		past = append(past, call.Past{Operation: e.Operation, Opened: e.Opened, Closed: e.Outcome.Closed})
	}
	return past, nil
}
