package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"weir/sync/cluster"
	"weir/sync/commitstatus"
	"weir/sync/config"
	"weir/sync/daemon/webhook"
	"weir/sync/reconcile"
	"weir/sync/source"
)

// lastReports is how long the last commit statuses may take when weir stops.
const lastReports = time.Second

// reporters tell git hosts what became of their commits, by source.
type reporters struct {
	of    map[string]*commitstatus.Reporter
	voice *cluster.Voice
	log   *slog.Logger
}

// reporters opens one for each source that wants it, in a process that has
// metrics for them: the daemon.
func (b *builder) reporters(cfg *config.Config) (reporters, error) {
	out := reporters{map[string]*commitstatus.Reporter{}, b.speaker(), b.log}
	if b.statuses == nil || b.dryRun {
		return out, nil
	}
	for _, s := range cfg.Sources {
		if s.Git == nil || s.Git.Status == nil {
			continue
		}
		st := s.Git.Status
		r, err := commitstatus.New(commitstatus.Options{
			Kind: st.Kind, API: st.API, URL: s.Git.URL, Repository: st.Repository, Token: st.Token, Name: st.Name,
			CAFile: s.Git.Auth.CAFile, Source: s.Name, Metrics: b.statuses, Logger: b.log,
		})
		if err != nil {
			return out, fmt.Errorf("source %s: status: %w", s.Name, err)
		}
		out.of[s.Name] = r
	}
	return out, nil
}

// close sends what waits. What a host does not take by then is told and no more:
// the accounts are as they should be.
func (r reporters) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastReports)
	defer cancel()
	for name, reporter := range r.of {
		if err := reporter.Close(ctx); err != nil {
			r.log.Warn("the git host was not told all", "source", name, "error", err)
		}
	}
	return nil
}

// tell reports a verdict to the host of its source: of a cluster one member does.
func (r reporters) tell(v reconcile.Verdict) {
	if reporter, ok := r.of[v.Source]; ok {
		r.voice.Say(cluster.Sources, func() { reporter.Report(statusOf(v)) }, func() {})
	}
}

// statusOf is a verdict as git hosts show it.
func statusOf(v reconcile.Verdict) commitstatus.Status {
	s := v.Summary
	sum := commitstatus.Summary{
		Create: s.Create, Update: s.Update, Delete: s.Delete,
		Unchanged: s.Unchanged, Waiting: s.Waiting, Unknown: s.Unknown, Withheld: s.Withheld,
	}
	out := commitstatus.Status{Commit: v.Revision, State: commitstatus.Failure}
	switch v.Outcome {
	case reconcile.Rejected:
		out.Text = commitstatus.Refused(v.Text, v.Problems)
	case reconcile.Stopped:
		out.State, out.Text = commitstatus.Held, sum.Held(strings.TrimSpace(v.By+" "+v.Plan), v.Text)
		if v.By != "" && faulty(v.By) {
			out.State, out.Text = commitstatus.Failure, commitstatus.Refused(v.Text, 1)
		}
	case reconcile.Unmade:
		out.Text = sum.Failed(v.Failed, v.Text)
	case reconcile.Applied:
		out.State, out.Text = commitstatus.Success, sum.Applied()
	}
	return out
}

// faulty reports whether a source's code says that the commit itself cannot be
// taken, which no consent changes.
func faulty(code string) bool {
	switch code {
	case source.CodeRewritten, source.CodeUnsigned:
		return false
	}
	_, ofSource := source.Explain(code)
	return ofSource
}

// hooks returns the webhooks that the sources take.
func hooks(cfg *config.Config, feeds []reconcile.Feed) ([]webhook.Hook, error) {
	var out []webhook.Hook
	for i, s := range cfg.Sources {
		if s.Git == nil || s.Git.Webhook == nil {
			continue
		}
		poker, ok := feeds[i].Source.(interface{ Poke() })
		if !ok {
			return nil, fmt.Errorf("source %s cannot be told of news", s.Name)
		}
		ref := s.Git.Branch
		if s.Git.Tag != "" {
			ref = s.Git.Tag
		}
		out = append(out, webhook.Hook{
			Source: s.Name, Kind: webhook.Kind(s.Git.Webhook.Kind), Secret: s.Git.Webhook.Secret,
			URL: s.Git.URL, Ref: ref, Poke: poker.Poke,
		})
	}
	return out, nil
}
