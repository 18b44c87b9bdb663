package config

import (
	"reflect"
	"strings"
	"testing"

	"weir/sync/plan"
)

func withRules(rules string) []byte {
	return []byte(strings.Replace(least, "policy: {mode: upsert}\n", "policy:\n  mode: upsert\n  driftRules:\n"+rules, 1))
}

func TestDriftRules(t *testing.T) {
	cfg, problems := Parse("weir.yaml", withRules(
		"    - {kind: RelaySource, labels: {team: sports}, drift: report}\n"+
			"    - {kind: RelaySource, ignore: [\"groups[*].servers[0].params\", groups]}\n"+
			"    - {labels: {tier: gold}, drift: heal}\n"))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	want := []plan.DriftRule{
		{Kind: "RelaySource", Labels: map[string]string{"team": "sports"}, Drift: plan.DriftReport},
		{Kind: "RelaySource", Ignore: []plan.Path{
			{{Name: "groups"}, {Index: plan.AnyIndex}, {Name: "servers"}, {Index: 0}, {Name: "params"}},
			{{Name: "groups"}},
		}},
		{Labels: map[string]string{"tier": "gold"}, Drift: plan.DriftHeal},
	}
	if !reflect.DeepEqual(cfg.Policy.DriftRules, want) || !cfg.Policy.HealDrift {
		t.Errorf("policy %+v", cfg.Policy)
	}
}

func TestWrongDriftRules(t *testing.T) {
	ignore := func(path string) string { return "    - {kind: RelaySource, ignore: [\"" + path + "\"]}\n" }
	const at = "weir.yaml:12:36: policy.driftRules[0].ignore[0]: "
	tests := map[string]struct{ rules, want string }{
		"unknown kind": {
			"    - {kind: RelaySorce, drift: report}\n",
			`weir.yaml:12:14: policy.driftRules[0].kind: must be a kind that can be read back (MultiStream, RelaySource, StreamIngest), not "RelaySorce"; did you mean "RelaySource"? [not-allowed-value]`,
		},
		"kind that cannot be read": {
			"    - {kind: Recording, drift: report}\n",
			`weir.yaml:12:14: policy.driftRules[0].kind: must be a kind that can be read back (MultiStream, RelaySource, StreamIngest), not "Recording" [not-allowed-value]`,
		},
		"nothing named": {
			"    - {drift: report}\n",
			"weir.yaml:12:7: policy.driftRules[0]: name a kind, labels, or both; what holds for all resources is policy.drift [drift-rule]",
		},
		"no label": {
			"    - {labels: {}, drift: report}\n",
			"weir.yaml:12:8: policy.driftRules[0].labels: is empty, and no kind is named; what holds for all resources is policy.drift [drift-rule]",
		},
		"mistyped field":     {ignore("groups[*].servers[*].parms"), at + `groups[*].servers[*] has no field "parms"; did you mean "params"? [drift-path]`},
		"far from any field": {ignore("spec.groups"), at + `RelaySource has no field "spec"; known here: groups [drift-path]`},
		"list without [*]":   {ignore("groups.servers"), at + "groups is a list: write groups[*].servers for every entry [drift-path]"},
		"[*] on no list":     {ignore("groups[*].name[*]"), at + "groups[*].name is no list, so it has no positions [drift-path]"},
		"field of a text":    {ignore("groups[*].name.x"), at + "groups[*].name has no fields of its own [drift-path]"},
		"beyond the end":     {ignore("groups[0].servers[10]"), at + "groups[0].servers has at most 10 entries, so the last position is [9] [drift-path]"},
		"identity":           {ignore("vhost"), at + "vhost is part of what names a RelaySource; it can never drift [drift-path]"},
		"no position":        {ignore("groups[-1]"), at + `"groups[-1]" is no path: [-1] is no position: want [*] or a number from 0; write it like groups[*].servers[0].params [drift-path]`},
		"empty":              {ignore(""), at + `"" is no path: "" is no name of a field; write it like groups[*].servers[0].params [drift-path]`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			cfg, problems := Parse("weir.yaml", withRules(tc.rules))
			if cfg != nil || len(problems) != 1 {
				t.Fatalf("config %v, problems %v", cfg, problems)
			}
			if got := problems[0].String(); got != tc.want {
				t.Errorf("problem\n%s, want\n%s", got, tc.want)
			}
		})
	}
}

func TestAllWrongRulesAreTold(t *testing.T) {
	_, problems := Parse("weir.yaml", withRules(
		"    - {kind: MultiStream, ignore: [domain, enable]}\n    - {kind: StreamIngest, ignore: [unti]}\n"))
	if len(problems) != 3 {
		t.Errorf("problems %v", problems)
	}
}

func TestRuleThatNeverCounts(t *testing.T) {
	tests := map[string]struct {
		rules string
		warns bool
	}{
		"narrower after wider":         {"    - {kind: RelaySource, drift: heal}\n    - {kind: RelaySource, labels: {team: a}, drift: report}\n", true},
		"same labels, one kind of all": {"    - {labels: {team: a}, drift: heal}\n    - {kind: RelaySource, labels: {team: a, tier: b}, drift: report}\n", true},
		"narrower first":               {"    - {kind: RelaySource, labels: {team: a}, drift: report}\n    - {kind: RelaySource, drift: heal}\n", false},
		"other labels":                 {"    - {labels: {team: a}, drift: heal}\n    - {labels: {team: b}, drift: report}\n", false},
		"the first only ignores":       {"    - {kind: RelaySource, ignore: [groups]}\n    - {kind: RelaySource, drift: report}\n", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			cfg, problems := Parse("weir.yaml", withRules(tc.rules))
			if cfg == nil || (len(problems) == 1) != tc.warns {
				t.Fatalf("problems %v", problems)
			}
			if tc.warns && !strings.HasPrefix(problems[0].String(), "weir.yaml:13:") {
				t.Errorf("problem %v", problems[0])
			}
		})
	}
}
