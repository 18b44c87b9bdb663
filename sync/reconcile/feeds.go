package reconcile

import (
	"time"

	"weir/sync/source"
)

// FeedView is a feed as it is shown: what tells more of it than its status.
type FeedView struct {
	SourceStatus
	Since  time.Time        // when this process took over what is in force, zero for nothing
	Loaded *source.Snapshot // what Problems are about, nil for nothing
	Source source.Source    // which may know more of its revisions
}

// Feeds returns the feeds as they are now.
func (r *Reconciler) Feeds() []FeedView {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]FeedView, 0, len(r.feeds))
	for i, s := range r.sources() {
		f := r.feeds[i]
		s.Problems = listed(s.Problems)
		out = append(out, FeedView{s, f.forced, f.loaded, f.Source})
	}
	return out
}
