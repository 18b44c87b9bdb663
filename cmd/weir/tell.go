package main

import (
	"context"
	"net/url"
	"os"

	"weir/sync/config"
	"weir/sync/notify"
	"weir/sync/plan"
	"weir/sync/reconcile"
)

// heldData is what an event about a held plan says.
type heldData struct {
	Plan     string       `json:"plan"` // its hash
	Revision string       `json:"revision"`
	Held     []plan.Hold  `json:"held"`
	Summary  plan.Summary `json:"summary"`
	Consent  string       `json:"consent"` // the command that lets it through
}

// teller returns what tells of held plans, in a process that has metrics for it:
// the daemon. Without an address nobody is told.
func (b *builder) teller(cfg *config.Config) (tell func(reconcile.HeldPlan), end func() error, err error) {
	if cfg.Notify == nil || b.events == nil || b.dryRun {
		return nil, func() error { return nil }, nil
	}
	n, err := notify.New(notify.Options{
		URL: cfg.Notify.URL, Secret: cfg.Notify.Secret, Source: eventSource(), Metrics: b.events, Logger: b.log,
	})
	if err != nil {
		return nil, func() error { return nil }, err
	}
	tell = func(p reconcile.HeldPlan) {
		n.Send(notify.Event{Type: notify.PlanHeld, Subject: p.Hash, Data: heldData{
			Plan: p.Hash, Revision: p.Revision, Held: p.Held, Summary: p.Summary, Consent: "weir apply --consent " + p.Hash,
		}})
	}
	return tell, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), lastReports/2)
		defer cancel()
		if err := n.Close(ctx); err != nil {
			b.log.Warn("not everybody was told all", "error", err)
		}
		return nil
	}, nil
}

// eventSource names this weir in its events.
func eventSource() string {
	host, err := os.Hostname()
	if err != nil {
		return "/weir"
	}
	return "/weir/" + url.PathEscape(host)
}
