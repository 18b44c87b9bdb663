package reconcile

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weir/sync/apply"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/plan/guard"
	"weir/sync/resource"
)

// Metrics are the loop's, named in the contract.
type Metrics struct {
	ready        *scraped
	leader       *scraped
	revision     *prometheus.GaugeVec
	lastSource   *scraped
	sourceErrors *prometheus.CounterVec
	documents    *prometheus.GaugeVec
	problems     *prometheus.GaugeVec
	rejected     *prometheus.GaugeVec
	pinned       *prometheus.GaugeVec
	unapplied    *scraped
	applied      *prometheus.HistogramVec
	readOnly     prometheus.Gauge
	duration     prometheus.Histogram
	success      prometheus.Gauge
	attempt      prometheus.Gauge
	interval     prometheus.Gauge
	errors       prometheus.Counter
	resources    *prometheus.GaugeVec
	failing      *prometheus.GaugeVec
	unread       *prometheus.GaugeVec
	doubts       *prometheus.GaugeVec
	changes      *prometheus.GaugeVec
	underWay     *prometheus.GaugeVec
	runLeft      *scraped
	drift        *prometheus.CounterVec
	fights       *prometheus.GaugeVec
	leases       *prometheus.GaugeVec
	unfamiliar   *prometheus.CounterVec
	refused      prometheus.Counter
	held         *prometheus.GaugeVec
	age          *scraped
	predictions  prometheus.Histogram
	scrubReads   *prometheus.CounterVec
	scrubCycle   *scraped
	stateBytes   *scraped

	told map[string]string // revision by source, as it stands in the metric
}

// NewMetrics registers the metrics on reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{told: map[string]string{}}
	m.registerSources(reg)
	m.registerPasses(reg)
	m.registerResources(reg)
	return m
}

// registerSources registers what tells of sources and their revisions.
func (m *Metrics) registerSources(reg prometheus.Registerer) {
	m.revision = newGauge(reg, "weir_source_revision_info", "Revision in force, 1 a source.", "source", "revision")
	m.lastSource = newScraped(reg, "weir_source_last_success_timestamp_seconds",
		"When a source was last looked at with success, 0 for never.", "source")
	m.sourceErrors = newCounter(reg, "weir_source_sync_errors_total", "Times a source could not be read.", "source")
	m.documents = newGauge(reg, "weir_manifest_documents", "Documents in the newest revision.", "source")
	m.problems = newGauge(reg, "weir_manifest_problems", "Problems in the newest revision, warnings among them.", "source")
	m.rejected = newGauge(reg, "weir_source_refused",
		"1 while the newest revision has an error, so that the last good one stays in force.", "source")
	m.pinned = newGauge(reg, "weir_source_pinned", "1 while the newest revision is left out, as it was rolled back.", "source")
	m.unapplied = newScraped(reg, "weir_source_unapplied_seconds",
		"How long the oldest revision waits whose changes are not all applied, 0 for none; what a guard holds does not count.",
		"source")
	m.applied = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "weir_source_apply_duration_seconds",
		Help:    "Time from a revision's arrival until the last of its changes was applied, of those that no guard held.",
		Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600},
	}, []string{"source"})
	reg.MustRegister(m.applied)
}

// registerPasses registers what tells how passes go, and of all accounts together.
func (m *Metrics) registerPasses(reg prometheus.Registerer) {
	m.ready = newScraped(reg, "weir_ready", "1 while /readyz says so: a complete pass was made, sources and state can be used.")
	m.ready.set(func(emit func(float64, ...string)) { emit(0) }) // there is no loop yet
	m.readOnly = newGauge(reg, "weir_read_only", "1 while nothing is applied, after many crashes.").WithLabelValues()
	m.duration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "weir_reconcile_duration_seconds", Help: "How long passes took.",
		Buckets: prometheus.ExponentialBuckets(0.005, 2.5, 12),
	})
	m.success = newGauge(reg, "weir_reconcile_last_success_timestamp_seconds",
		"When a pass last had no failure, 0 for never.").WithLabelValues()
	m.attempt = newGauge(reg, "weir_reconcile_last_attempt_timestamp_seconds",
		"When a pass last ended, 0 for never.").WithLabelValues()
	m.interval = newGauge(reg, "weir_reconcile_interval_seconds",
		"Longest time between two passes, as configured.").WithLabelValues()
	m.errors = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "weir_reconcile_errors_total", Help: "Passes that the state kept from being made or completed.",
	})
	m.changes = newGauge(reg, "weir_plan_changes", "Changes in the newest plan by action.", "action")
	m.held = newGauge(reg, "weir_plan_held", "1 while the guard holds the newest plan.", "guard")
	m.refused = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "weir_removals_refused_total", Help: "Removals that a guard or the policy did not let happen.",
	})
	m.predictions = newPredictions()
	m.stateBytes = newScraped(reg, "weir_state_size_bytes", "Size of the state on disk, with what is not checkpointed yet.")
	reg.MustRegister(m.duration, m.errors, m.refused, m.predictions)
}

// registerResources registers what tells of the resources of accounts.
func (m *Metrics) registerResources(reg prometheus.Registerer) {
	m.leader = newScraped(reg, "weir_leader", "1 while this process changes the account, 0 while another does.", "account")
	m.resources = newGauge(reg, "weir_resources", "Resources by state.", "account", "kind", "state")
	m.failing = newGauge(reg, "weir_resources_failing",
		"Resources whose last change failed; it is tried again later.", "account", "kind")
	m.unread = newGauge(reg, "weir_resources_unread",
		"Resources of a kind that can be read whose read failed; they are left alone.", "account", "kind")
	m.doubts = newGauge(reg, "weir_resources_in_doubt",
		"Resources with a call of which nobody knows the outcome; a person has to settle it.", "account", "kind")
	m.underWay = newGauge(reg, "weir_changes_under_way", "Changes that are being made, or wait for their turn.", "account")
	m.runLeft = newScraped(reg, "weir_run_left_seconds",
		"Estimate of how much longer the changes under way take, 0 for none.", "account")
	m.drift = newCounter(reg, "weir_drift_detected_total", "Resources found changed behind weir's back.", "account", "kind")
	m.fights = newGauge(reg, "weir_fights", "Resources that weir has stopped putting back.", "account", "kind")
	m.leases = newGauge(reg, "weir_lease_end_timestamp_seconds",
		"When the first of what runs out and is not renewed does so, 0 for none.", "account", "kind")
	m.unfamiliar = newCounter(reg, "weir_answers_unfamiliar_total",
		"Resources found with settings or values this weir does not know; they are left alone.", "account", "kind")
	m.age = newScraped(reg, "weir_observation_age_seconds", "Age of the oldest observation.", "account", "kind")
	m.scrubReads = newCounter(reg, "weir_scrub_reads_total", "Reads made to look for drift.", "account", "operation")
	m.scrubCycle = newScraped(reg, "weir_scrub_cycle_seconds",
		"Estimate of how long it takes until everything was read once to look for drift.", "account")
}

func newGauge(reg prometheus.Registerer, name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	reg.MustRegister(g)
	return g
}

func newCounter(reg prometheus.Registerer, name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	reg.MustRegister(c)
	return c
}

// beginMetrics makes r the one that the metrics tell of. What another configuration
// had, whose accounts and sources may be others, is gone.
func (r *Reconciler) beginMetrics() {
	m := r.opts.Metrics
	if m == nil {
		return
	}
	for _, g := range []*prometheus.GaugeVec{
		m.revision, m.documents, m.problems, m.rejected, m.pinned,
		m.resources, m.failing, m.unread, m.doubts, m.underWay, m.fights, m.leases,
	} {
		g.Reset()
	}
	clear(m.told)
	r.preset()
	m.interval.Set(r.opts.Interval.Seconds())
	m.ready.set(r.tellReady)
	m.leader.set(r.tellLeaders)
	m.lastSource.set(r.tellLookups)
	m.unapplied.set(r.tellUnapplied)
	m.age.set(r.tellAges)
	m.scrubCycle.set(r.tellCycles)
	m.runLeft.set(r.tellRuns)
	m.stateBytes.set(r.tellSize)
}

// preset fills in the labels that are known before anything happens, so that a
// rate over them has a beginning.
func (r *Reconciler) preset() {
	m := r.opts.Metrics
	for _, f := range r.opts.Feeds {
		m.sourceErrors.WithLabelValues(f.Name)
		m.problems.WithLabelValues(f.Name)
		m.documents.WithLabelValues(f.Name)
		m.rejected.WithLabelValues(f.Name)
		m.pinned.WithLabelValues(f.Name)
		m.applied.WithLabelValues(f.Name)
	}
	for name, a := range r.opts.Accounts {
		m.underWay.WithLabelValues(name)
		for _, operation := range a.Provider.Reads() {
			m.scrubReads.WithLabelValues(name, operation)
		}
		for kind := range a.Provider.Kinds() {
			m.drift.WithLabelValues(name, kind)
			m.fights.WithLabelValues(name, kind)
			m.leases.WithLabelValues(name, kind)
			m.failing.WithLabelValues(name, kind)
			m.unread.WithLabelValues(name, kind)
			m.doubts.WithLabelValues(name, kind)
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

// meter brings the metrics up to the pass that just ended. What is counted of accounts
// is of those that this process leads, so that the sum over all that share them is
// right; how things are is told of all, as each sees it.
func (r *Reconciler) meter(p, former *plan.Plan, rep *apply.Report, t passTimes, counts []Count, err error) {
	drifted := r.newlyDrifted(p, former)
	m := r.opts.Metrics
	if m == nil {
		return
	}
	m.readOnly.Set(oneIf(r.opts.ReadOnly() != ""))
	m.duration.Observe(time.Since(t.began).Seconds())
	m.attempted(err)
	if err == nil && (rep == nil || !rep.Failed()) {
		m.success.SetToCurrentTime()
	}
	r.meterCounts(counts)
	r.meterTroubles(p)
	r.meterLeases(p, former)
	r.meterChanges(p)
	m.meterHeld(p)
	for _, c := range drifted {
		if r.leads(c.ID.Account) {
			m.drift.WithLabelValues(c.ID.Account, c.ID.Kind).Inc()
		}
	}
	for _, id := range r.newlyUnfamiliar(p, former) {
		if r.leads(id.Account) {
			m.unfamiliar.WithLabelValues(id.Account, id.Kind).Inc()
		}
	}
	m.refused.Add(float64(r.newlyRefused(p, former)))
	r.meterSources()
}

// attempted notes the end of a pass, and what kept it from being made.
func (m *Metrics) attempted(err error) {
	if m == nil {
		return
	}
	m.attempt.SetToCurrentTime()
	if err != nil {
		m.errors.Inc()
	}
}

// meterCounts sets what is and zeroes what was, so that no scrape in between
// sees nothing.
func (r *Reconciler) meterCounts(counts []Count) {
	g := r.opts.Metrics.resources
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

// meterTroubles counts what does not go as it should.
func (r *Reconciler) meterTroubles(p *plan.Plan) {
	type count map[accountKind]float64
	failing, unread, doubts, fights := count{}, count{}, count{}, count{}
	for _, c := range p.Changes {
		k := kindOf(c.ID)
		fights[k] += oneIf(c.Fight != nil)
		unread[k] += oneIf(c.Unread)
		doubts[k] += oneIf(c.InDoubt)
	}
	for id := range r.failures {
		failing[kindOf(id)]++
	}
	m := r.opts.Metrics
	for account, kinds := range r.kinds {
		for kind := range kinds {
			k := accountKind{account, kind}
			m.failing.WithLabelValues(account, kind).Set(failing[k])
			m.unread.WithLabelValues(account, kind).Set(unread[k])
			m.doubts.WithLabelValues(account, kind).Set(doubts[k])
			m.fights.WithLabelValues(account, kind).Set(fights[k])
		}
	}
}

// meterChanges counts what is due, and what is being made.
func (r *Reconciler) meterChanges(p *plan.Plan) {
	s := map[plan.Action]int{plan.Create: 0, plan.Update: 0, plan.Delete: 0}
	for c := range p.Due() {
		if r.leads(c.ID.Account) {
			s[c.Action]++
		}
	}
	for action, n := range s {
		r.opts.Metrics.changes.WithLabelValues(string(action)).Set(float64(n))
	}
	busy := map[string]int{}
	for _, u := range r.state.UnderWay { // as this pass has just published it
		busy[u.Account] = u.Count
	}
	for account := range r.kinds {
		r.opts.Metrics.underWay.WithLabelValues(account).Set(float64(busy[account]))
	}
}

// meterHeld says of every guard whether it holds p.
func (m *Metrics) meterHeld(p *plan.Plan) {
	for _, r := range guard.Rules() {
		holds := slices.ContainsFunc(p.Held, func(h plan.Hold) bool { return h.Guard == r.Name })
		m.held.WithLabelValues(r.Name).Set(oneIf(holds))
	}
}

// newlyRefused counts the removals that are refused and were not at the last
// pass.
func (r *Reconciler) newlyRefused(p, former *plan.Plan) int {
	n := 0
	for c := range p.News(former) {
		is := c.Action == plan.Delete && c.Before != "" && (c.Withheld != "" || len(p.Held) > 0)
		if is && !r.refused[c.ID] && r.leads(c.ID.Account) {
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
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.feeds {
		m.tellRevision(f.Name, f.force.revision)
		m.documents.WithLabelValues(f.Name).Set(float64(f.documents))
		m.problems.WithLabelValues(f.Name).Set(float64(len(f.problems) + len(f.clashes)))
		m.rejected.WithLabelValues(f.Name).Set(oneIf(manifest.Failed(f.standing())))
		m.pinned.WithLabelValues(f.Name).Set(oneIf(f.pin != nil))
	}
}

// tellRevision puts a source's revision in the place of the one before. A scrape in
// between sees both rather than none.
func (m *Metrics) tellRevision(source, revision string) {
	m.revision.WithLabelValues(source, revision).Set(1)
	if former, told := m.told[source]; told && former != revision {
		m.revision.DeleteLabelValues(source, former)
	}
	m.told[source] = revision
}
