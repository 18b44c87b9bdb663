package reconcile

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weir/sync/apply"
)

// worthForeseeing is from when on a forecast matters: of what takes a moment the
// round trips of a few calls are all of it.
const worthForeseeing = 2 * time.Second

// ApplyStatus is the carrying out of a plan, or of a part of one, that ended last.
type ApplyStatus struct {
	Plan      string      `json:"plan"`
	Ended     time.Time   `json:"ended"`
	Changes   int         `json:"changes"`
	Seconds   float64     `json:"seconds"`
	Predicted *Prediction `json:"predicted"`
}

// newPredictions returns the metric of how good forecasts are.
func newPredictions() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "weir_apply_prediction_ratio",
		Help: "Time that carrying out a plan took as a part of what was foreseen, where that was two seconds or more.",
		Buckets: []float64{
			0.5, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.25, 1.5, 2, 5,
		},
	})
}

// carriedOut tells how long what ended took, and how good its forecast was. It is
// called from several goroutines.
func (r *Reconciler) carriedOut(rep *apply.Report) {
	if rep.Foreseen == nil || rep.Foreseen.Took < worthForeseeing {
		return
	}
	s := ApplyStatus{
		Plan: rep.Plan, Ended: time.Now(), Changes: len(rep.Foreseen.Ends), Seconds: rep.Took.Seconds(),
		Predicted: predictionOf(rep),
	}
	r.publish(func(status *Status) { status.LastApply = &s })
	attrs := []any{
		"plan", s.Plan, "changes", s.Changes, "applied", rep.Summary[apply.Done],
		"seconds", s.Seconds, "foreseen_seconds", s.Predicted.Seconds,
	}
	if ratio, says := rep.Ratio(); says {
		attrs = append(attrs, "ratio", ratio)
		if r.opts.Metrics != nil {
			r.opts.Metrics.predictions.Observe(ratio)
		}
	}
	r.opts.Logger.Info("carried out", attrs...)
}
