package message

import (
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
)

// Samples returns one message of each event, begun and over, as examples: what a
// receiver is tried with.
func Samples() []Data {
	var out []Data
	for _, n := range Names() {
		out = append(out, Sample(n, false))
		if n.Stands() {
			out = append(out, Sample(n, true))
		}
	}
	return out
}

// Sample returns a message of one event.
func Sample(name Name, over bool) Data {
	at := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	e := sampleOf(name, at)
	e.Name, e.Over, e.At, e.Key = name, over, at, "sample"
	d := Data{
		Name: name, Over: over, Weir: "sample", At: at, Source: e.Source, Revision: e.Revision, Events: []Event{e}, Total: 1,
	}
	if name == Applied {
		second := e
		second.Resource, second.Action, second.Calls = "ali/MultiStream/live.example.com", plan.Update, 2
		second.Origin.File = "domains/live.yaml"
		d.Events, d.Total, d.Calls = append(d.Events, second), 12, 26
		d.Actions = map[string]int{"create": 3, "update": 8, "delete": 1}
		d.Authors = []string{"Ann Example"}
	}
	return d
}

func sampleOf(name Name, at time.Time) Event {
	const revision = "4f2a91c07be35d8861aa20c1f0b7d9e3526c8a14"
	of := Event{
		Source: "live", Revision: revision, Resource: "volc/RelaySource/push.example.com/live",
		Account: "volc", Kind: "RelaySource", Labels: map[string]string{"team": "sports"},
		Origin: resource.Origin{Source: "live", File: "relay/live.yaml", Line: 3, Commit: revision, Author: "Ann Example"},
	}
	switch name {
	case Applied:
		of.Action, of.Cause, of.Calls = plan.Create, plan.New, 2
	case Failed:
		of.Action, of.Cause = plan.Update, plan.Edited
		of.Reason, of.Code = "the cloud refuses the value of UpdateRelaySourceV3", "invalid"
	case Held:
		const hash = "0123456789abcdef0123456789abcdef"
		return Event{
			Revision: revision, Plan: hash, Summary: &plan.Summary{Delete: 7},
			Held:    []plan.Hold{{Guard: "removals", Message: "7 removals, policy.maxRemovals is 5"}},
			Consent: "weir apply --consent " + hash,
		}
	case Refused:
		return Event{
			Source: "live", Revision: revision, Wrong: 3, Remedy: "weir validate",
			Problems: []Problem{{"relay/live.yaml", 7, 16, "protocol: must be rtmp or flv, not \"hls\"", "bad-value"}},
		}
	case Drift:
		of.Action, of.Cause, of.Fields = plan.Update, plan.Drifted, []string{"groups[0].servers[0].address"}
	case Fight:
		of.Fields, of.Times, of.PutBack, of.Found = []string{"groups[0].servers[0].address"}, 3, at.Add(-time.Hour), at
		of.Reason = plan.Fight{Times: 3, PutBack: of.PutBack, Found: of.Found}.String()
		of.Settle = "weir settle " + of.Resource + " again"
	case Lease:
		of.Resource, of.Account, of.Kind = "ali/RtcPrefetch/live.example.com/live/main", "ali", "RtcPrefetch"
		of.Ends = at.Add(15 * time.Minute)
	case Source:
		return Event{
			Source: "live", Reason: "the host does not answer", Code: "remote-unreachable", Since: at.Add(-10 * time.Minute),
		}
	case Ready:
		return Event{Reason: "the state cannot be used", Since: at.Add(-10 * time.Minute)}
	}
	return of
}
