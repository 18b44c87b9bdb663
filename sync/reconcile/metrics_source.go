package reconcile

// tellLookups tells when each source was last looked at with success, 0 for never:
// a source without news has no pass that could tell.
func (r *Reconciler) tellLookups(emit func(value float64, labels ...string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.feeds {
		seconds := 0.0
		if at := f.checked(); !at.IsZero() {
			seconds = float64(at.UnixMilli()) / 1000
		}
		emit(seconds, f.Name)
	}
}
