package blame_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"weir/sync/blame"
	"weir/sync/resource"
	"weir/sync/source"
	"weir/sync/state"
)

var id = resource.ID{Account: "volc", Kind: "RelaySource", Key: "push.example.com/live"}

func at(n int) time.Time { return time.Date(2026, 5, 1, 10, 0, n, 0, time.UTC) }

// version is a commit by its number, and what it came from.
func version(n int, spec string, from ...int) source.Version {
	return source.Version{
		Change: source.Change{Commit: fmt.Sprint("c", n), Author: "a"}, At: at(n),
		Present: spec != "", File: "a.yaml", Line: 1, Text: spec, From: from,
	}
}

// wrote is a call that changed before to after and went well.
func wrote(n int, reason, before, after string) state.Entry {
	return state.Entry{
		Number: int64(n), Opened: at(n), Operation: "Update", Write: true, Plan: fmt.Sprint("p", n), Resource: id.String(),
		Change:  &state.Change{Action: "update", Reason: reason, Before: resource.Spec(before), After: resource.Spec(after)},
		Outcome: state.Outcome{Closed: at(n), Code: "ok", RequestID: fmt.Sprint("r", n)},
	}
}

func ended(e state.Entry, code string) state.Entry {
	if e.Outcome.Code = code; code == state.CodeOpen {
		e.Outcome = state.Outcome{}
	}
	return e
}

func applied(n int, spec string) *resource.Applied {
	return &resource.Applied{ID: id, Spec: resource.Spec(spec), At: at(n)}
}

func declared(spec string, list ...source.Version) blame.Declaration {
	d := blame.Declaration{Spec: resource.Spec(spec), Written: resource.Spec(spec), History: source.Versions{List: list}}
	if len(list) == 0 {
		d.History.Head = -1
	}
	return d
}

// told writes who set each field and which call made it true.
func told(a blame.Answer) string {
	var out []string
	for _, f := range a.Fields {
		text := f.Path + " "
		if f.Set != nil {
			text += f.Set.Commit
		}
		if f.Call != nil {
			text += " " + f.Call.RequestID
		} else {
			text += " (" + f.Why + ")"
		}
		out = append(out, text)
	}
	return string(a.State) + ": " + strings.Join(out, "; ")
}

func TestBlame(t *testing.T) {
	const one, two, three = `{"a":"1","b":"1"}`, `{"a":"2","b":"1"}`, `{"a":"2","b":"3"}`
	cases := map[string]struct {
		e    blame.Evidence
		want string
	}{
		"a field a commit, and its call": {
			blame.Evidence{
				Declared: declared(two, version(2, two, 1), version(1, one)), Applied: applied(9, two),
				Calls: []state.Entry{wrote(9, "edited", one, two), wrote(8, "new", "", one)},
			}, "applied: a c2 r9; b c1 r8",
		},
		"taken back and made again": {
			blame.Evidence{Declared: declared(one, version(3, one, 1), version(2, two, 2), version(1, one))},
			"not-applied: a c3 (not applied yet); b c1 (not applied yet)",
		},
		"through a merge": {
			blame.Evidence{
				Declared: declared(three, version(4, three, 1, 2), version(3, `{"a":"1","b":"3"}`, 3), version(2, two, 3), version(1, one)),
			}, "not-applied: a c2 (not applied yet); b c3 (not applied yet)",
		},
		"put back": {
			blame.Evidence{
				Declared: declared(one, version(1, one)), Applied: applied(9, one),
				Calls: []state.Entry{wrote(9, "drifted", two, one), wrote(8, "new", "", one)},
			}, "applied: a c1 r9; b c1 r8",
		},
		"found so": {
			blame.Evidence{Declared: declared(one, version(1, one)), Applied: applied(9, one)},
			"applied: a c1 (found so in the cloud, and taken over at 2026-05-01T10:00:09Z); " +
				"b c1 (found so in the cloud, and taken over at 2026-05-01T10:00:09Z)",
		},
		"found so in part": {
			blame.Evidence{
				Declared: declared(two, version(1, two)), Applied: applied(9, two),
				Calls: []state.Entry{wrote(9, "new", one, two)},
			}, "applied: a c1 r9; b c1 (found so in the cloud, and taken over)",
		},
		"older than the journal": {
			blame.Evidence{Declared: declared(`{"a":"1"}`, version(1, `{"a":"1"}`)), Applied: applied(2, `{"a":"1"}`), Journal: at(5), Pruned: true},
			"applied: a c1 (older than the journal, which begins at 2026-05-01T10:00:05Z, or found so in the cloud)",
		},
		"in doubt": {
			blame.Evidence{
				Declared: declared(two, version(2, two, 1), version(1, one)), Applied: applied(8, one),
				Calls: []state.Entry{ended(wrote(9, "edited", one, two), state.CodeOpen), wrote(8, "new", "", one)},
			}, "pending: a c2 (in doubt: how Update at 2026-05-01T10:00:09Z ended is not known); b c1 r8",
		},
		"in doubt after an answer that says nothing": {
			blame.Evidence{
				Declared: declared(one, version(1, one)),
				Calls:    []state.Entry{ended(wrote(9, "new", "", one), "unknown")},
			}, "not-applied: a c1 (in doubt: how Update at 2026-05-01T10:00:09Z ended is not known); " +
				"b c1 (in doubt: how Update at 2026-05-01T10:00:09Z ended is not known)",
		},
		"read back after a lost answer": {
			blame.Evidence{
				Declared: declared(two, version(2, two, 1), version(1, one)), Applied: applied(9, two),
				Calls: []state.Entry{ended(wrote(9, "edited", one, two), "unknown"), wrote(8, "new", "", one)},
			}, "applied: a c2 r9; b c1 r8",
		},
		"found later after a lost answer": {
			blame.Evidence{
				Declared: declared(three, version(2, three)), Applied: applied(9, three),
				Calls: []state.Entry{wrote(9, "edited", two, three), ended(wrote(8, "edited", one, two), "unknown"), wrote(7, "new", "", one)},
			}, "applied: a c2 r8; b c2 r9",
		},
		"without effect after a lost answer": {
			blame.Evidence{
				Declared: declared(three, version(2, three)), Applied: applied(9, three),
				Calls: []state.Entry{wrote(9, "edited", one, three), ended(wrote(8, "edited", one, two), "unknown"), wrote(7, "new", "", one)},
			}, "applied: a c2 r9; b c2 r9",
		},
		"refused": {
			blame.Evidence{
				Declared: declared(two, version(2, two, 1), version(1, one)), Applied: applied(8, one),
				Calls: []state.Entry{ended(wrote(9, "edited", one, two), "invalid"), wrote(8, "new", "", one)},
			}, "pending: a c2 (not applied yet: Update at 2026-05-01T10:00:09Z ended as invalid); b c1 r8",
		},
		"a field that was removed": {
			blame.Evidence{
				Declared: declared(`{"a":"1"}`, version(2, `{"a":"1"}`, 1), version(1, one)), Applied: applied(8, one),
				Calls: []state.Entry{wrote(8, "new", "", one)},
			}, "pending: a c1 r8; b c2 (not applied yet)",
		},
		"without history": {
			blame.Evidence{Declared: declared(`{"a":"1"}`), Applied: applied(8, `{"a":"1"}`), Calls: []state.Entry{wrote(8, "new", "", `{"a":"1"}`)}},
			"applied: a  r8",
		},
		"of a former weir": {
			blame.Evidence{Declared: declared(`{"a":"1"}`), Applied: applied(8, `{"a":"1"}`), Calls: []state.Entry{{Number: 1, Opened: at(8)}}},
			"applied: a  (made by a weir that did not keep what a call changed)",
		},
		"removed": {
			blame.Evidence{
				Declared: declared("", version(2, "", 1), version(1, `{"a":"1"}`)),
				Calls:    []state.Entry{ended(wrote(9, "removed", `{"a":"1"}`, ""), "not-found"), wrote(8, "new", "", `{"a":"1"}`)},
			}, "removed: a c1 r8",
		},
		"removed, and only the journal knows": {
			blame.Evidence{
				Declared: declared(""),
				Calls:    []state.Entry{wrote(9, "removed", `{"a":"1"}`, ""), wrote(8, "new", "", `{"a":"1"}`)},
			}, "removed: a  r8",
		},
		"regions in another order": {
			blame.Evidence{
				Declared: declared(`{"regions":["A","B","C"]}`, version(2, `{"regions":["A","B","C"]}`, 1), version(1, `{"regions":["B","C"]}`)),
			}, "not-applied: regions[0] c2 (not applied yet); regions[1] c1 (not applied yet); regions[2] c1 (not applied yet)",
		},
		"never":               {blame.Evidence{Declared: declared("")}, "unheard: "},
		"no source was asked": {blame.Evidence{Applied: applied(1, `{"a":"1"}`), Calls: []state.Entry{wrote(1, "new", "", `{"a":"1"}`)}}, "leaving: a  r1"},
	}
	for name, c := range cases {
		c.e.ID = id
		if got := told(blame.Blame(c.e)); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}

// TestBlame_CallOfTheRegion holds that of the calls of one change that one is
// told which had the value.
func TestBlame_CallOfTheRegion(t *testing.T) {
	const spec = `{"regions":["A","B"]}`
	first, second := wrote(8, "new", "", spec), wrote(9, "new", "", spec)
	first.Params, second.Params = map[string]any{"Regions": []any{"A"}}, map[string]any{"Regions": []any{"B"}}
	second.Plan, second.Change = first.Plan, first.Change
	e := blame.Evidence{ID: id, Declared: declared(spec), Applied: applied(9, spec), Calls: []state.Entry{second, first}}
	if got := told(blame.Blame(e)); got != "applied: regions[0]  r8; regions[1]  r9" {
		t.Error(got)
	}
}

func TestBlame_Places(t *testing.T) {
	d := declared(`{"finish":"delayed","regions":["A","B"]}`)
	d.Written = `{"regions":["B","A"]}`
	d.Places = map[string]blame.Place{"regions": {"a.yaml", 3, 1}, "regions[0]": {"a.yaml", 4, 3}, "regions[1]": {"a.yaml", 5, 3}}
	var got []string
	for _, f := range blame.Blame(blame.Evidence{ID: id, Declared: d}).Fields {
		got = append(got, fmt.Sprint(f.Path, f.Place))
	}
	if want := "[finish<nil> regions[0]&{a.yaml 5 3} regions[1]&{a.yaml 4 3}]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestBlame_Observed(t *testing.T) {
	e := blame.Evidence{
		ID: id, Declared: declared(`{"a":"1"}`), Applied: applied(1, `{"a":"1"}`),
		Seen: &resource.Observation{Spec: `{"a":"2","b":"1"}`, Exists: true},
	}
	a := blame.Blame(e)
	if a.Observed != "differs" || len(a.Fields) != 2 || !a.Fields[0].Differs || a.Fields[1].Observed != "1" || !a.Fields[1].Differs {
		t.Errorf("%+v", a)
	}
	for want, seen := range map[string]resource.Observation{
		"absent": {}, "unreadable: no key": {Unreadable: "no key"}, "as declared": {Spec: `{"a":"1"}`, Exists: true},
	} {
		if e.Seen = &seen; blame.Blame(e).Observed != want {
			t.Errorf("got %q, want %q", blame.Blame(e).Observed, want)
		}
	}
}

// found writes a finding in short.
func found(f blame.Finding) string {
	var out []string
	for _, c := range []*blame.Commit{f.Set, f.Ended} {
		if c == nil {
			c = &blame.Commit{Commit: "-"}
		}
		out = append(out, c.Commit)
	}
	for _, c := range []*blame.Call{f.Call, f.Undid} {
		if c == nil {
			c = &blame.Call{RequestID: "-"}
		}
		out = append(out, c.RequestID)
	}
	if o := f.Outside; o != nil {
		after := "?"
		if !o.After.IsZero() {
			after = o.After.Format("05")
		}
		text := after + "-" + o.Before.Format("05")
		if o.Call != nil {
			text += " " + o.Call.RequestID
		}
		if o.Still {
			text += " still"
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestBisect(t *testing.T) {
	const one, two, three = `{"a":"1"}`, `{"a":"2"}`, `{"a":"3"}`
	edited := []state.Entry{wrote(12, "edited", two, three), wrote(11, "edited", one, two), wrote(10, "new", "", one)}
	history := declared(three, version(3, three, 1), version(2, two, 2), version(1, one))
	cases := map[string]struct {
		e     blame.Evidence
		value string
		want  string
	}{
		"now":               {blame.Evidence{Declared: history, Applied: applied(12, three), Calls: edited}, "a=3", "c3 - r12 -"},
		"between":           {blame.Evidence{Declared: history, Applied: applied(12, three), Calls: edited}, "a=2", "c2 c3 r11 r12"},
		"first":             {blame.Evidence{Declared: history, Applied: applied(12, three), Calls: edited}, "a=1", "c1 c2 r10 r11"},
		"never":             {blame.Evidence{Declared: history, Applied: applied(12, three), Calls: edited}, "a=4", "- - - -"},
		"declared only":     {blame.Evidence{Declared: history}, "a=2", "c2 c3 - -"},
		"the journal alone": {blame.Evidence{Declared: declared(three), Applied: applied(12, three), Calls: edited}, "a=2", "- - r11 r12"},
		"removed": {
			blame.Evidence{Declared: declared("", version(4, "", 1), version(3, three)), Calls: []state.Entry{wrote(13, "removed", three, ""), wrote(12, "new", "", three)}},
			"a=3", "c3 c4 r12 r13",
		},
		"gone is null": {
			blame.Evidence{Declared: declared("", version(4, "", 1), version(3, three)), Calls: []state.Entry{wrote(13, "removed", three, ""), wrote(12, "new", "", three)}},
			"a=null", "c4 - r13 -",
		},
		"the last of several": {
			blame.Evidence{Declared: declared(two, version(4, two, 1), version(3, one, 2), version(2, two, 3), version(1, one))}, "a=2", "c4 - - -",
		},
		"by a merge": {
			blame.Evidence{Declared: declared(two, version(4, `{"a":"2","b":"1"}`, 1, 2), version(3, `{"a":"1","b":"1"}`, 3), version(2, two, 3), version(1, one))},
			"a=1", "c1 c2 - -",
		},
		"put back": {
			blame.Evidence{Declared: declared(one, version(1, one)), Applied: applied(15, one), Calls: []state.Entry{wrote(15, "drifted", two, one), wrote(10, "new", "", one)}},
			"a=2", "- - - - 10-15 r15",
		},
		"tried to put back before": {
			blame.Evidence{
				Declared: declared(one, version(1, one)), Applied: applied(15, one),
				Calls: []state.Entry{wrote(15, "drifted", two, one), ended(wrote(13, "drifted", two, one), "denied"), wrote(10, "new", "", one)},
			}, "a=2", "- - - - 10-13 r15",
		},
		"twice from outside": {
			blame.Evidence{
				Declared: declared(one, version(1, one)), Applied: applied(15, one),
				Calls: []state.Entry{wrote(15, "conflict", two, one), wrote(13, "drifted", two, one), wrote(10, "new", "", one)},
			}, "a=2", "- - - - 13-15 r15",
		},
		"there before weir": {
			blame.Evidence{Declared: declared(one, version(1, one)), Applied: applied(10, one), Calls: []state.Entry{wrote(10, "new", two, one)}},
			"a=2", "- - - - ?-10 r10",
		},
		"deleted outside": {
			blame.Evidence{Declared: declared(one, version(1, one)), Applied: applied(12, one), Calls: []state.Entry{wrote(12, "drifted", "", one), wrote(10, "new", "", one)}},
			"a=null", "- - - - 10-12 r12",
		},
		"seen now": {
			blame.Evidence{
				Declared: declared(one, version(1, one)), Applied: applied(10, one), Calls: []state.Entry{wrote(10, "new", "", one)},
				Seen: &resource.Observation{At: at(20), Spec: two, Exists: true},
			}, "a=2", "- - - - 10-20 still",
		},
		"taken over, then edited": {
			blame.Evidence{Declared: declared(two), Applied: applied(10, two), Calls: []state.Entry{wrote(10, "edited", one, two)}},
			"a=1", "- - - - ?-10 r10",
		},
		"declared, and again from outside": {
			blame.Evidence{
				Declared: declared(two, version(2, two, 1), version(1, one)), Applied: applied(15, two),
				Calls: []state.Entry{wrote(15, "drifted", one, two), wrote(11, "edited", one, two), wrote(10, "new", "", one)},
			}, "a=1", "c1 c2 r10 r11 11-15 r15",
		},
	}
	for name, c := range cases {
		c.e.ID = id
		path, value, _ := strings.Cut(c.value, "=")
		f := blame.Bisect(c.e, path, value)
		if got := found(f); got != c.want || f.Found != (c.want != "- - - -") {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}

func TestBisect_Values(t *testing.T) {
	const spec = `{"on":true,"n":9007199254740993,"text":"true","list":["x"],"quoted":"\"x\""}`
	e := blame.Evidence{ID: id, Declared: declared(spec, version(1, spec))}
	for _, c := range []struct {
		path, value string
		want        bool
	}{
		{"on", "true", true},
		{"on", `"true"`, false},
		{"text", "true", true},
		{"text", `"true"`, true},
		{"n", "9007199254740993", true},
		{"n", "9007199254740992", false},
		{"list", `["x"]`, true},
		{"list[0]", "x", true},
		{"list[0]", `"x"`, true},
		{"quoted", `"x"`, true},
		{"gone", "null", true},
		{"on", "null", false},
		{"on", "", false},
	} {
		if got := blame.Bisect(e, c.path, c.value); got.Found != c.want {
			t.Errorf("%s=%s: %+v", c.path, c.value, got)
		}
	}
	if !e.Has("list") || e.Has("gone") || !reflect.DeepEqual(e.Paths(), []string{"list[0]", "n", "on", "quoted", "text"}) {
		t.Errorf("fields %v", e.Paths())
	}
}
