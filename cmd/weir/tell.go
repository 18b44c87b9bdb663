package main

import (
	"context"
	"log/slog"
	"net/url"
	"os"

	"weir/sync/config"
	"weir/sync/notify"
	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
)

// heldData is what an event about a held plan says.
type heldData struct {
	Plan     string       `json:"plan"` // its hash
	Revision string       `json:"revision"`
	Held     []plan.Hold  `json:"held"`
	Summary  plan.Summary `json:"summary"`
	Consent  string       `json:"consent"` // the command that lets it through
}

// fightData is what an event about a fight says. It names fields and not their
// values, since those of parameters are often secret.
type fightData struct {
	Resource string          `json:"resource"`
	Origin   resource.Origin `json:"origin"`
	Fields   []string        `json:"fields"`
	Reason   string          `json:"reason"`
	plan.Fight
	Settle string `json:"settle"` // the command that has weir put it back again
}

// tellers tell people of what they should look at. The zero value tells nobody.
type tellers struct {
	held  func(reconcile.HeldPlan)
	fight func(reconcile.Fight)
}

// teller returns what tells people, in a process that has metrics for it: the
// daemon. Without an address nobody is told.
func (b *builder) teller(cfg *config.Config) (tell tellers, end func() error, err error) {
	if cfg.Notify == nil || b.events == nil || b.dryRun {
		return tell, func() error { return nil }, nil
	}
	n, err := notify.New(notify.Options{
		URL: cfg.Notify.URL, Secret: cfg.Notify.Secret, Source: eventSource(), Metrics: b.events, Logger: b.log,
	})
	if err != nil {
		return tell, func() error { return nil }, err
	}
	tell.held = func(p reconcile.HeldPlan) {
		n.Send(notify.Event{Type: notify.PlanHeld, Subject: p.Hash, Data: heldData{
			Plan: p.Hash, Revision: p.Revision, Held: p.Held, Summary: p.Summary, Consent: letThrough(p.Held, p.Revision, p.Hash),
		}})
	}
	tell.fight = func(f reconcile.Fight) {
		data := fightData{
			Resource: f.ID.String(), Origin: f.Origin, Fields: []string{}, Reason: f.String(), Fight: f.Fight,
			Settle: "weir settle " + f.ID.String() + " again",
		}
		for _, field := range f.Fields {
			data.Fields = append(data.Fields, field.Path)
		}
		n.Send(notify.Event{Type: notify.Fight, Subject: f.ID.String(), Data: data})
	}
	return tell, lastWords{n, b.log}.tell, nil
}

// lastWords tells what waits when weir stops, with half the time that the git
// hosts have.
type lastWords struct {
	to  *notify.Notifier
	log *slog.Logger
}

func (l lastWords) tell() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastReports/2)
	defer cancel()
	if err := l.to.Close(ctx); err != nil {
		l.log.Warn("not everybody was told all", "error", err)
	}
	return nil
}

// eventSource names this weir in its events.
func eventSource() string {
	host, err := os.Hostname()
	if err != nil {
		return "/weir"
	}
	return "/weir/" + url.PathEscape(host)
}
