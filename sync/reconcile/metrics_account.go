package reconcile

import "time"

// tellAges tells how old the oldest observation of each account and kind is.
func (r *Reconciler) tellAges(emit func(value float64, labels ...string)) {
	for k, at := range r.sights.oldest() {
		emit(time.Since(at).Seconds(), k.account, k.kind)
	}
}

// tellCycles tells how long the scrub of each account takes to read everything once.
func (r *Reconciler) tellCycles(emit func(value float64, labels ...string)) {
	for _, s := range r.scrubStatus() {
		emit(s.Cycle, s.Account)
	}
}

// tellRuns tells how much longer what is being made in each account takes.
func (r *Reconciler) tellRuns(emit func(value float64, labels ...string)) {
	now, left := time.Now(), map[string]time.Duration{}
	for _, run := range r.Runs() {
		left[run.Account] = max(left[run.Account], run.Left(now))
	}
	for account := range r.kinds {
		emit(left[account].Seconds(), account)
	}
}

// scrubbed counts reads that looked for drift.
func (m *Metrics) scrubbed(account, operation string, calls int) {
	if m != nil {
		m.scrubReads.WithLabelValues(account, operation).Add(float64(calls))
	}
}
