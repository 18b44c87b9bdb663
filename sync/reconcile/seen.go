package reconcile

import "time"

// Seen says of each account when something of it was read last, by whoever reads it,
// as far as this process has heard of it; zero for never.
func (r *Reconciler) Seen() map[string]time.Time {
	newest, out := r.sights.newest(), map[string]time.Time{}
	for account := range r.opts.Accounts {
		out[account] = newest[account]
	}
	return out
}

// newest returns by account when that was read which was read last.
func (s *sights) newest() map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]time.Time{}
	for _, one := range s.all {
		if at := one.seen.At; one.known && at.After(out[one.id.Account]) {
			out[one.id.Account] = at
		}
	}
	return out
}
