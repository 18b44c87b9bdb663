package web

import (
	"context"
	"fmt"
	"strings"
	"time"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/daemon/view"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
	"weir/sync/state"
)

// values is a Viewer of what a test says.
type values struct {
	over view.Overview
	list view.List
	one  view.Resource
	plan view.Plan
	asks int // for the overview
}

func (v *values) Overview(context.Context) view.Overview {
	v.asks++
	return v.over
}

func (v *values) List(q view.Query) view.List {
	l := v.list
	l.Resources = l.Resources[:min(q.Limit, len(l.Resources))]
	return l
}

func (v *values) Resource(_ context.Context, id resource.ID) (view.Resource, bool, error) {
	return v.one, id.String() == v.one.ID, nil
}
func (v *values) Plan(int, int) (view.Plan, bool, error) { return v.plan, v.plan.Format != "", nil }

var moment = time.Date(2026, 11, 26, 5, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return moment.Add(-d) }

// full is a Viewer with something in every place of every page, all of it text.
func full(text string) *values {
	origin := resource.Origin{Source: "live", File: text + ".yaml", Line: 3, Commit: "9d2e1f0c6b2a9e41d2", Author: text}
	row := view.Row{
		ID: "ali/Recording/live.example.com/live/main", State: view.Failed, Action: plan.Update, Reason: plan.Edited,
		Note: text, Withheld: text, Origin: origin, Labels: map[string]string{"team": text}, Read: ago(time.Minute),
		LedBy: text,
	}
	v := &values{}
	v.over = view.Overview{
		Kinds: []view.Kind{
			{Account: "ali", Kind: text, Total: 123_404, States: map[view.State]int{"in-sync": 123_400, "drifted": 3, view.Failed: 1}},
		},
		Version: text, Now: moment, Total: 123_456, States: map[view.State]int{"in-sync": 123_400, "drifted": 3, "waiting": 2, view.Failed: 1},
		Quota:   []view.Gauge{{Account: "ali", Operation: text, PerSecond: 18, Used: .42, Waiting: 3, Throttled: 7}},
		Cluster: members(text),
		Run:     &view.Run{Done: 12, Total: 40, Failed: 1, Began: ago(time.Minute), Foreseen: 180, Left: 95},
	}
	v.over.Status = reconcile.Status{
		Ready: true, Mode: plan.Sync, Revision: "9d2e1f0c6b2a9e41d2", Error: text, ReadOnly: text,
		LastPass: reconcile.PassStatus{Started: ago(3 * time.Second)}, LastFull: ago(4 * time.Minute),
		Plan:     reconcile.PlanStatus{Hash: "0123456789abcdef0123456789abcdef", Held: []plan.Hold{{Guard: "max-removals", Message: text}}},
		Failures: []reconcile.Failure{{ID: row.ID, Code: call.Throttled, Error: text, Retries: moment.Add(time.Minute)}},
		Fights:   []reconcile.FightStatus{{ID: row.ID, Fight: plan.Fight{Times: 3, PutBack: ago(time.Hour), Found: ago(time.Minute)}}},
		Unread:   []reconcile.Unread{{ID: row.ID, Why: text, InDoubt: true}},
		Scrub:    []reconcile.ScrubStatus{{Account: "ali", Oldest: ago(5 * time.Minute), Share: .2, Used: .1, Cycle: 412}},
	}
	problem := view.Problem{Problem: manifest.Problem{
		File: text + ".yaml", Line: 3, Column: 8, Path: "spec.regions[0]", Code: "unknown-region", Message: text, Severity: manifest.Error,
	}, Excerpt: []view.Line{{Number: 2, Text: "spec:"}, {Number: 3, Text: "  app: " + text}, {Number: 4, Text: "  stream: main"}}}
	v.over.Sources = []view.Source{{
		SourceStatus: reconcile.SourceStatus{
			Name: "live", Revision: "45ab9f3c0d1e2f3a4b", InForce: "9d2e1f0c6b2a9e41d2", LastSuccess: ago(time.Minute), Documents: 7,
			Problems: []manifest.Problem{problem.Problem}, Error: text, Degraded: text, Pinned: &reconcile.Pin{Revision: "45ab9f3c0d1e2f3a4b", Text: text},
		},
		URL: "https://github.com/example/live.git", Folder: "live",
		InForceCommit: &view.Commit{Hash: "9d2e1f0c6b2a9e41d2", Author: text, When: ago(time.Hour), Subject: text},
		NewestCommit:  &view.Commit{Hash: "45ab9f3c0d1e2f3a4b", Author: text, When: ago(time.Minute), Subject: text},
		InForceSince:  ago(50 * time.Minute), Problems: []view.Problem{problem},
	}}
	for i := range 30 {
		pass := view.Pass{Kind: "quiet", Started: ago(time.Duration(i) * 10 * time.Second), Seconds: .02 * float64(i), Passes: i, Revision: "9d2e1f0c6b2a9e41d2"}
		switch i % 7 {
		case 1:
			pass.Kind, pass.Account, pass.Results, pass.Seconds = "run", text, map[apply.Outcome]int{apply.Done: 4, apply.Failed: i % 2}, 12
		case 3:
			pass.Kind, pass.Error = "pass", text
		case 5:
			pass.Kind, pass.Held, pass.Summary = "full", true, &plan.Summary{Create: 1, Update: 2, Delete: 3}
		}
		v.over.Passes = append(v.over.Passes, pass)
	}
	v.list = view.List{Total: 100_000, Offset: 300}
	for i := range rowsPage {
		r := row
		r.ID = fmt.Sprintf("ali/Recording/live.example.com/live/stream-%d", i)
		r.State = states()[i%6].State
		v.list.Resources = append(v.list.Resources, r)
	}
	v.one = view.Resource{
		Row: row, Failure: text, NextTry: moment.Add(time.Minute), OnAir: text, LeaseEnds: moment.Add(time.Hour),
		Fields: []view.Field{
			{Path: "enabled", Desired: true, Applied: true, Observed: false, Differs: true},
			{Path: "groups[0].name", Desired: text, Applied: text, Observed: text},
			{Path: "note", Desired: strings.Repeat(text, 40)},
		},
		Desired: view.Side{Known: true, Exists: true, At: ago(time.Hour)}, Applied: view.Side{Known: true, Exists: true, At: ago(time.Hour)},
		Observed: view.Side{Why: text},
		Acts:     []resource.Act{{Name: text, Token: text, Begun: ago(time.Hour), Done: ago(time.Hour), Ends: moment.Add(time.Hour)}, {Name: "start", Begun: ago(time.Minute)}},
		Journal: []state.Entry{{
			Number: 7, Opened: ago(time.Minute), Account: "ali", Operation: text, Params: map[string]any{"App": text}, Write: true, Origin: origin,
			Change: &state.Change{Action: "update", Reason: "edited"}, Outcome: state.Outcome{Closed: ago(time.Minute), Code: "throttled", CloudCode: text, Status: 400, RequestID: text, Message: text},
		}, {Number: 6, Opened: ago(time.Hour), Operation: "RealTimeRecordCommand"}},
	}
	v.plan = view.Plan{Total: 250, Offset: 100, Consent: view.Consent(v.over.Status.Plan.Held, "9d2e", v.over.Status.Plan.Hash), Run: v.over.Run, PlanDocument: reconcile.PlanDocument{
		Format: reconcile.PlanFormat, Revision: "9d2e1f0c6b2a9e41d2", Hash: "0123456789abcdef0123456789abcdef",
		Held: v.over.Status.Plan.Held, Summary: plan.Summary{Create: 1, Update: 2, Delete: 3, Unchanged: 4, Waiting: 5, Unknown: 6, Withheld: 7},
		Cost: call.Bill{Seconds: 12, Calls: []call.Price{{Account: "ali", Operation: text, Count: 9, PerSecond: 18, Seconds: .5}}},
	}}
	for i, a := range []plan.Action{plan.Create, plan.Update, plan.Delete} {
		v.plan.Changes = append(v.plan.Changes, reconcile.ChangeDocument{
			ID: row.ID, Action: a, Reason: plan.Edited, State: plan.States()[i+1], Origin: origin, Withheld: text, Note: text, OnAir: text, Wide: text,
			Fields: []resource.Field{{Path: "app", Before: text, After: nil}, {Path: "enabled", Before: nil, After: true}, {Path: "name", Before: text, After: "x"}},
			Calls:  []reconcile.CallDocument{{Operation: text}, {Operation: text, Verify: true}},
		})
	}
	return v
}

// members is a cluster in which this one leads ali, another one volc, and nobody the
// sources.
func members(text string) *view.Cluster {
	return &view.Cluster{
		Self: "a", Error: text, Age: 12, Format: 1, HeldBack: []string{text},
		Members: []view.Member{
			{ID: "a", Name: "weir-a", Version: text, Since: ago(time.Hour), Format: 1, Leads: []string{"ali"}},
			{ID: "b", Name: text, Version: "v1", Address: "https://github.com/example/live/", Since: ago(time.Hour), Format: 2, Leads: []string{text, "ali-2", "ali-3", "ali-4", "volc"}},
			{ID: "c", Name: "weir-c", Version: "v1", Address: text, Since: ago(time.Minute), Format: 2, Once: true, Leads: []string{}},
		},
		Accounts: []view.Lead{
			{Account: "*"},
			{Account: "ali", Member: "a", Name: "weir-a", Since: ago(time.Hour), Term: 7},
			{Account: "volc", Member: "b", Name: text, Address: "https://github.com/example/live/", Since: ago(time.Minute), Term: 9, Seen: ago(4 * time.Second)},
		},
	}
}
