package reconcile

import "time"

// tellLookups tells when each source was last looked at with success, 0 for never:
// a source without news has no pass that could tell.
func (r *Reconciler) tellLookups(emit func(value float64, labels ...string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.feeds {
		emit(unix(f.checked()), f.Name)
	}
}

// tellUnapplied tells how long the oldest edit of each source waits.
func (r *Reconciler) tellUnapplied(emit func(value float64, labels ...string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.feeds {
		seconds := 0.0
		if !f.edit.since.IsZero() {
			seconds = time.Since(f.edit.since).Seconds()
		}
		emit(seconds, f.Name)
	}
}

// tellReady tells what /readyz does.
func (r *Reconciler) tellReady(emit func(value float64, labels ...string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	emit(oneIf(r.ready()))
}

// sizer is a store that knows its size on disk.
type sizer interface {
	Size() (int64, error)
}

// tellSize tells how large the store is, where it knows.
func (r *Reconciler) tellSize(emit func(value float64, labels ...string)) {
	if s, ok := r.opts.Store.(sizer); ok {
		if n, err := s.Size(); err == nil {
			emit(float64(n))
		}
	}
}
