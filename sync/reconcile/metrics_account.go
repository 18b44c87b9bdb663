package reconcile

import (
	"time"

	"weir/sync/plan"
)

// tellAges tells how old the oldest observation of each account and kind is.
func (r *Reconciler) tellAges(emit func(value float64, labels ...string)) {
	for k, at := range r.sights.oldest() {
		emit(time.Since(at).Seconds(), k.account, k.kind)
	}
}

// tellCycles tells how long the scrub of each account takes to read everything once.
func (r *Reconciler) tellCycles(emit func(value float64, labels ...string)) {
	for account, s := range r.scrubs {
		emit(s.whole().Seconds(), account)
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

// meterLeases tells when the first lease of each kind ends. It looks at all of them
// only where one has another end than at the pass before.
func (r *Reconciler) meterLeases(p, former *plan.Plan) {
	news := false
	for c := range p.News(former) {
		if r.ends[c.ID].Equal(c.Ends) {
			continue
		}
		news = true
		if r.ends[c.ID] = c.Ends; c.Ends.IsZero() {
			delete(r.ends, c.ID)
		}
	}
	for id := range p.Gone(former) {
		if _, ends := r.ends[id]; ends {
			delete(r.ends, id)
			news = true
		}
	}
	if !news {
		return
	}
	first := map[accountKind]time.Time{}
	for id, end := range r.ends {
		first[kindOf(id)] = plan.Earliest(first[kindOf(id)], end)
	}
	for account, kinds := range r.kinds {
		for kind := range kinds {
			r.opts.Metrics.leases.WithLabelValues(account, kind).Set(unix(first[accountKind{account, kind}]))
		}
	}
}

// unix returns t in seconds, 0 for never.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// scrubbed counts reads that looked for drift.
func (m *Metrics) scrubbed(account, operation string, calls int) {
	if m != nil {
		m.scrubReads.WithLabelValues(account, operation).Add(float64(calls))
	}
}
