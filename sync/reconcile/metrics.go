package reconcile

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weir/sync/apply"
	"weir/sync/plan"
	"weir/sync/plan/guard"
	"weir/sync/resource"
)

// Metrics are the loop's, named in the contract.
type Metrics struct {
	revision     *prometheus.GaugeVec
	lastSource   *scraped
	sourceErrors *prometheus.CounterVec
	documents    *prometheus.GaugeVec
	problems     *prometheus.GaugeVec
	pinned       *prometheus.GaugeVec
	readOnly     prometheus.Gauge
	duration     prometheus.Histogram
	success      prometheus.Gauge
	attempt      prometheus.Gauge
	resources    *prometheus.GaugeVec
	changes      *prometheus.GaugeVec
	drift        *prometheus.CounterVec
	fights       *prometheus.GaugeVec
	unfamiliar   *prometheus.CounterVec
	refused      prometheus.Counter
	held         *prometheus.GaugeVec
	age          *scraped
	predictions  prometheus.Histogram
	scrubReads   *prometheus.CounterVec
	scrubCycle   *scraped
}

// NewMetrics registers the metrics on reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		reg.MustRegister(g)
		return g
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	m := &Metrics{
		revision: gauge("weir_source_revision_info", "Revision in force, 1 a source.", "source", "revision"),
		lastSource: newScraped("weir_source_last_success_timestamp_seconds",
			"When a source was last looked at with success, 0 for never.", "source"),
		sourceErrors: counter("weir_source_sync_errors_total", "Times a source could not be read.", "source"),
		documents:    gauge("weir_manifest_documents", "Documents in the newest revision.", "source"),
		problems:     gauge("weir_manifest_problems", "Problems in the newest revision.", "source"),
		pinned:       gauge("weir_source_pinned", "1 while the newest revision is not applied: it was rolled back.", "source"),
		readOnly:     gauge("weir_read_only", "1 while nothing is applied, after many crashes.").WithLabelValues(),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "weir_reconcile_duration_seconds", Help: "How long passes took.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2.5, 12),
		}),
		success:   gauge("weir_reconcile_last_success_timestamp_seconds", "When a pass last had no failure.").WithLabelValues(),
		attempt:   gauge("weir_reconcile_last_attempt_timestamp_seconds", "When a pass last ended.").WithLabelValues(),
		resources: gauge("weir_resources", "Resources by state.", "account", "kind", "state"),
		changes:   gauge("weir_plan_changes", "Changes in the newest plan by action.", "action"),
		held:      gauge("weir_plan_held", "Whether a guard holds the newest plan: 1, else 0.", "guard"),
		drift:     counter("weir_drift_detected_total", "Resources found changed behind weir's back.", "account", "kind"),
		fights:    gauge("weir_fights", "Resources that weir has stopped putting back.", "account", "kind"),
		unfamiliar: counter("weir_answers_unfamiliar_total",
			"Resources found with settings or values this weir does not know; they are left alone.", "account", "kind"),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weir_removals_refused_total", Help: "Removals that a guard or the policy did not let happen.",
		}),
		age:         newScraped("weir_observation_age_seconds", "Age of the oldest observation.", "account", "kind"),
		predictions: newPredictions(),
		scrubReads:  counter("weir_scrub_reads_total", "Reads made to look for drift.", "account", "operation"),
		scrubCycle: newScraped("weir_scrub_cycle_seconds",
			"Estimate of how long it takes until everything was read once to look for drift.", "account"),
	}
	reg.MustRegister(m.duration, m.refused, m.age, m.lastSource, m.predictions, m.scrubCycle)
	return m
}

// preset fills in the labels that are known before anything happens, so that a
// rate over them has a beginning.
func (r *Reconciler) preset() {
	m := r.opts.Metrics
	for _, f := range r.opts.Feeds {
		m.sourceErrors.WithLabelValues(f.Name)
		m.problems.WithLabelValues(f.Name)
		m.documents.WithLabelValues(f.Name)
		m.pinned.WithLabelValues(f.Name)
	}
	for name, a := range r.opts.Accounts {
		for _, operation := range a.Provider.Reads() {
			m.scrubReads.WithLabelValues(name, operation)
		}
		for kind := range a.Provider.Kinds() {
			m.drift.WithLabelValues(name, kind)
			m.fights.WithLabelValues(name, kind)
			m.unfamiliar.WithLabelValues(name, kind)
			for _, s := range plan.States() {
				m.resources.WithLabelValues(name, kind, string(s))
			}
		}
	}
	for _, g := range guard.Rules() {
		m.held.WithLabelValues(g.Name)
	}
	for _, a := range []plan.Action{plan.Create, plan.Update, plan.Delete} {
		m.changes.WithLabelValues(string(a))
	}
}

// meter brings the metrics up to the pass that just ended.
func (r *Reconciler) meter(p, former *plan.Plan, rep *apply.Report, t passTimes, counts []Count, err error) {
	drifted := r.newlyDrifted(p, former)
	m := r.opts.Metrics
	if m == nil {
		return
	}
	m.readOnly.Set(oneIf(r.opts.ReadOnly() != ""))
	m.duration.Observe(time.Since(t.began).Seconds())
	m.attempt.SetToCurrentTime()
	if err == nil && (rep == nil || !rep.Failed()) {
		m.success.SetToCurrentTime()
	}
	r.preset()
	r.meterCounts(counts)
	r.meterChanges(p)
	m.meterHeld(p)
	for _, c := range drifted {
		m.drift.WithLabelValues(c.ID.Account, c.ID.Kind).Inc()
	}
	r.meterFights(p)
	for _, id := range r.newlyUnfamiliar(p, former) {
		m.unfamiliar.WithLabelValues(id.Account, id.Kind).Inc()
	}
	m.refused.Add(float64(r.newlyRefused(p, former)))
	r.meterSources()
}

// meterCounts sets what is and zeroes what was, so that no scrape in between
// sees nothing. The first pass of a configuration drops the one before.
func (r *Reconciler) meterCounts(counts []Count) {
	g := r.opts.Metrics.resources
	if r.counted == nil {
		g.Reset()
		r.preset()
	}
	left := map[Count]bool{}
	for _, c := range r.counted {
		c.Count = 0
		left[c] = true
	}
	for _, c := range counts {
		g.WithLabelValues(c.Account, c.Kind, string(c.State)).Set(float64(c.Count))
		c.Count = 0
		delete(left, c)
	}
	for c := range left {
		g.WithLabelValues(c.Account, c.Kind, string(c.State)).Set(0)
	}
	r.counted = counts
}

func (r *Reconciler) meterChanges(p *plan.Plan) {
	s := map[plan.Action]int{plan.Create: 0, plan.Update: 0, plan.Delete: 0}
	for c := range p.Due() {
		s[c.Action]++
	}
	for action, n := range s {
		r.opts.Metrics.changes.WithLabelValues(string(action)).Set(float64(n))
	}
}

// meterHeld says of every guard whether it holds p.
func (m *Metrics) meterHeld(p *plan.Plan) {
	for _, r := range guard.Rules() {
		holds := slices.ContainsFunc(p.Held, func(h plan.Hold) bool { return h.Guard == r.Name })
		m.held.WithLabelValues(r.Name).Set(map[bool]float64{true: 1}[holds])
	}
}

// newlyRefused counts the removals that are refused and were not at the last
// pass.
func (r *Reconciler) newlyRefused(p, former *plan.Plan) int {
	n := 0
	for c := range p.News(former) {
		is := c.Action == plan.Delete && c.Before != "" && (c.Withheld != "" || len(p.Held) > 0)
		if is && !r.refused[c.ID] {
			n++
		}
		if is {
			r.refused[c.ID] = true
		} else if c.State != plan.Unknown {
			delete(r.refused, c.ID)
		}
	}
	return n
}

// newlyUnfamiliar returns what holds something that weir does not know, and did
// not when it was last read.
func (r *Reconciler) newlyUnfamiliar(p, former *plan.Plan) []resource.ID {
	var out []resource.ID
	for c := range p.News(former) {
		switch {
		case !c.Unread && c.Read.IsZero(): // it is being read
		case !c.Unread:
			delete(r.odd, c.ID)
		case r.seen.of[c.ID].Unfamiliar && !r.odd[c.ID]:
			out = append(out, c.ID)
			r.odd[c.ID] = true
		}
	}
	return out
}

// newlyDrifted returns the changes that are drift and were none at the last
// pass. A read that fails in between does not make the same drift a new one.
func (r *Reconciler) newlyDrifted(p, former *plan.Plan) []plan.Change {
	var out []plan.Change
	for c := range p.News(former) {
		is := c.Reason == plan.Drifted || c.Reason == plan.Conflict
		switch {
		case !is || r.drifted[c.ID]:
		case c.Ineffective():
			r.opts.Logger.Warn("not effective: what was applied was never seen", "resource", c.ID.String(),
				"fields", paths(c.Fields))
		default:
			out = append(out, c)
			r.opts.Logger.Warn("drift: changed behind weir's back", "resource", c.ID.String(),
				"reason", string(c.Reason), "fields", paths(c.Fields))
		}
		if is {
			r.drifted[c.ID] = true
		} else if c.State != plan.Unknown {
			delete(r.drifted, c.ID)
		}
	}
	return out
}

func paths(fields []resource.Field) string {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.Path)
	}
	return strings.Join(names, " ")
}

func (r *Reconciler) meterSources() {
	m := r.opts.Metrics
	if m == nil {
		return
	}
	m.revision.Reset()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.feeds {
		m.revision.WithLabelValues(f.Name, f.force.revision).Set(1)
		m.documents.WithLabelValues(f.Name).Set(float64(f.documents))
		m.problems.WithLabelValues(f.Name).Set(float64(len(f.problems) + len(f.clashes)))
		m.pinned.WithLabelValues(f.Name).Set(oneIf(f.pin != nil))
	}
}
