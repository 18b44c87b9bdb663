package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/sync/resource"
)

func paths(texts ...string) []Path {
	var out []Path
	for _, text := range texts {
		p, err := ParsePath(text)
		if err != nil {
			panic(err)
		}
		out = append(out, p)
	}
	return out
}

func TestParsePath(t *testing.T) {
	for _, text := range []string{"a", "a.b", "a[*].b[2]", "groups[*].servers[0].params.x-y", "a[0][1]"} {
		if p, err := ParsePath(text); err != nil || p.String() != text {
			t.Errorf("%s: %v, %v", text, p, err)
		}
	}
	for _, text := range []string{"", ".", "a.", ".a", "[0]", "a[", "a[]", "a[x]", "a[-1]", "a[1]b", "a[10000]", "a b", "a..b", "a.[0]", "a]", `a."b"`, "a.*"} {
		if p, err := ParsePath(text); err == nil {
			t.Errorf("%q was read as %v", text, p)
		}
	}
}

// TestIgnore: two servers, of which somebody changes parts.
func TestIgnore(t *testing.T) {
	server := func(address, params string) string {
		return fmt.Sprintf(`{"address":%q,"params":{%s}}`, address, params)
	}
	spec := func(servers ...string) resource.Spec {
		return resource.Spec(`{"name":"n","servers":[` + strings.Join(servers, ",") + `]}`)
	}
	a, b := server("a", `"k":"1"`), server("b", ``)
	token, other := server("a", `"k":"2"`), server("z", `"k":"1"`)
	declared := spec(a, b)
	all := []string{"servers[*].params"}
	tests := map[string]struct {
		ignore           []string
		want, last, seen resource.Spec
		action           Action
		reason           Reason
		note             string
	}{
		"nothing differs":                  {all, declared, declared, declared, None, "", ""},
		"only what is ignored":             {all, declared, declared, spec(token, b), None, "", "ignored: servers[0].params.k"},
		"added below what is ignored":      {all, declared, declared, spec(a, server("b", `"x":"y"`)), None, "", "ignored: servers[1].params.x"},
		"one key of a map":                 {[]string{"servers[*].params.k"}, declared, declared, spec(token, b), None, "", "ignored: servers[0].params.k"},
		"another key of the map":           {[]string{"servers[*].params.x"}, declared, declared, spec(token, b), Update, Drifted, ""},
		"the position":                     {[]string{"servers[0].params"}, declared, declared, spec(token, b), None, "", "ignored: servers[0].params.k"},
		"another position":                 {[]string{"servers[1].params"}, declared, declared, spec(token, b), Update, Drifted, ""},
		"what is not ignored":              {all, declared, declared, spec(other, b), Update, Drifted, ""},
		"both":                             {all, declared, declared, spec(server("z", `"k":"9"`), b), Update, Drifted, ""},
		"one more entry":                   {all, declared, declared, spec(a, b, b), Update, Drifted, ""},
		"one less":                         {all, declared, declared, spec(a), Update, Drifted, ""},
		"entries swapped":                  {all, declared, declared, spec(b, a), Update, Drifted, ""},
		"one more entry, all ignored":      {[]string{"servers[*]"}, declared, declared, spec(a, b, b), None, "", "ignored: servers[2].address"},
		"the whole list":                   {[]string{"servers"}, declared, declared, spec(), None, "", "ignored: servers[0].address, servers[0].params.k, servers[1].address"},
		"edit of what is ignored":          {all, spec(token, b), declared, declared, Update, Edited, ""},
		"edit of it, and drifted there":    {all, spec(token, b), declared, spec(server("a", `"k":"9"`), b), Update, Edited, ""},
		"edit of it into what is there":    {all, spec(token, b), declared, spec(token, b), None, "", ""},
		"edit beside ignored drift":        {all, spec(other, b), declared, spec(token, b), Update, Edited, ""},
		"edit beside both":                 {all, spec(other, b), declared, spec(server("y", `"k":"9"`), b), Update, Conflict, ""},
		"edit into what is there, save it": {all, spec(other, b), declared, spec(server("z", `"k":"9"`), b), None, "", "ignored: servers[0].params.k"},
		"never applied, differs there":     {all, declared, "", spec(token, b), None, "", "ignored: servers[0].params.k"},
		"never applied, differs elsewhere": {all, declared, "", spec(other, b), Update, New, ""},
		"no longer there at all":           {all, declared, declared, "", Create, Drifted, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var records []resource.Applied
			if tc.last != "" {
				records = append(records, *last(tc.last))
			}
			in := input(Policy{Mode: Sync, HealDrift: true, DriftRules: []DriftRule{{Kind: "K", Ignore: paths(tc.ignore...)}}},
				[]resource.Resource{*want(tc.want)}, records, *seen(tc.seen))
			c := first(Diff(in))
			if c.Action != tc.action || c.Reason != tc.reason || c.Note != tc.note {
				t.Errorf("%s %q (%s), want %s %q (%s)", c.Action, c.Reason, c.Note, tc.action, tc.reason, tc.note)
			}
			if c.Action != None && (c.Before != tc.seen || c.After != tc.want) {
				t.Errorf("before %s after %s: not what was seen and is declared", c.Before, c.After)
			}
			if c.Fingerprint != Fingerprint(seen(tc.seen)) {
				t.Error("the fingerprint is not of what was seen")
			}
		})
	}
}

// TestIgnoredFieldsAreConfirmed: a write of an ignored field counts only once
// a read has shown it.
func TestIgnoredFieldsAreConfirmed(t *testing.T) {
	for name, tc := range map[string]struct {
		ago  time.Duration
		want State
	}{"just written": {time.Second, Pending}, "written a minute ago": {time.Minute, InSync}} {
		t.Run(name, func(t *testing.T) {
			in := input(Policy{Mode: Sync, HealDrift: true, DriftRules: []DriftRule{{Kind: "K", Ignore: paths("on")}}},
				[]resource.Resource{*want(on)}, []resource.Applied{*fresh(on, tc.ago)}, *seen(mid))
			if c := first(Diff(in)); c.State != tc.want {
				t.Errorf("state %s, want %s", c.State, tc.want)
			}
		})
	}
}

func TestDriftRules(t *testing.T) {
	sports := map[string]string{"team": "sports", "tier": "gold"}
	tests := map[string]struct {
		heal   bool
		rules  []DriftRule
		labels map[string]string
		due    bool
		ignore int
	}{
		"no rule":                  {true, nil, nil, true, 0},
		"no rule, report":          {false, nil, nil, false, 0},
		"the kind":                 {true, []DriftRule{{Kind: "K", Drift: DriftReport}}, nil, false, 0},
		"another kind":             {true, []DriftRule{{Kind: "L", Drift: DriftReport}}, nil, true, 0},
		"the label":                {false, []DriftRule{{Labels: map[string]string{"team": "sports"}, Drift: DriftHeal}}, sports, true, 0},
		"not all labels":           {false, []DriftRule{{Labels: map[string]string{"team": "sports", "x": "y"}, Drift: DriftHeal}}, sports, false, 0},
		"no labels":                {false, []DriftRule{{Labels: map[string]string{"team": "sports"}, Drift: DriftHeal}}, nil, false, 0},
		"the first decides":        {true, []DriftRule{{Kind: "K", Drift: DriftReport}, {Kind: "K", Drift: DriftHeal}}, nil, false, 0},
		"one that is silent":       {true, []DriftRule{{Kind: "K", Ignore: paths("a")}, {Kind: "K", Drift: DriftReport}}, nil, false, 1},
		"ignored fields are added": {true, []DriftRule{{Kind: "K", Ignore: paths("a")}, {Labels: sports}, {Kind: "K", Ignore: paths("b", "c")}}, nil, true, 3},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			res := want(on)
			res.Labels = tc.labels
			policy := Policy{Mode: Sync, HealDrift: tc.heal, DriftRules: tc.rules}
			c := first(Diff(input(policy, []resource.Resource{*res}, []resource.Applied{*last(on)}, *seen(mid))))
			if c.Reason != Drifted || c.State != Differs || c.Due() != tc.due {
				t.Errorf("%+v", c)
			}
			if n := len(policy.ignores(res)); n != tc.ignore {
				t.Errorf("%d ignored paths, want %d", n, tc.ignore)
			}
		})
	}
}

// tree draws a value of the shape of our specs: maps with few keys, lists, texts.
func tree(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 2).Draw(t, "kind")
	switch {
	case depth > 0 && kind == 0:
		m := map[string]any{}
		for _, k := range []string{"a", "b", "c"} {
			if rapid.Bool().Draw(t, "has "+k) {
				m[k] = tree(t, depth-1)
			}
		}
		return m
	case depth > 0 && kind == 1:
		l := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			l = append(l, tree(t, depth-1))
		}
		return l
	}
	return rapid.SampledFrom([]string{"x", "y"}).Draw(t, "text")
}

// object draws a spec: a map at the top.
func object(t *rapid.T) resource.Spec {
	m := map[string]any{"name": "n"}
	for _, k := range []string{"a", "b", "c"} {
		m[k] = tree(t, 3)
	}
	return encoded(t, m)
}

func encoded(t *rapid.T, v any) resource.Spec {
	s, err := resource.NewSpec(v)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// disturbed draws a change of some places of a value.
func disturbed(t *rapid.T, v any) any {
	switch at := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(mapKeys(at)) {
			at[k] = disturbed(t, at[k])
		}
		return at
	case []any:
		for i := range at {
			at[i] = disturbed(t, at[i])
		}
		if rapid.IntRange(0, 3).Draw(t, "longer") == 0 {
			return append(at, tree(t, 1))
		}
		return at[rapid.IntRange(0, min(1, len(at))).Draw(t, "shorter"):]
	}
	if rapid.IntRange(0, 4).Draw(t, "disturb") == 0 {
		return tree(t, 1)
	}
	return v
}

func mapKeys(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func drawnPath(t *rapid.T) Path {
	p := Path{{Name: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "first")}}
	for range rapid.IntRange(0, 3).Draw(t, "steps") {
		p = append(p, rapid.SampledFrom([]Step{
			{Name: "a"}, {Name: "b"}, {Name: "c"}, {Index: AnyIndex}, {Index: 0}, {Index: 1},
		}).Draw(t, "step"))
	}
	return p
}

// leads reports whether path is at or above a field that resource.Fields tells.
// It knows the text alone, so that it shares no mistake with the code.
func leads(path Path, field string) bool {
	rest := field
	for i, step := range path {
		var ok bool
		switch {
		case step.Name == "" && step.Index == AnyIndex:
			if rest, ok = strings.CutPrefix(rest, "["); ok {
				_, rest, ok = strings.Cut(rest, "]")
			}
		case step.Name == "":
			rest, ok = strings.CutPrefix(rest, fmt.Sprintf("[%d]", step.Index))
		case i == 0:
			rest, ok = strings.CutPrefix(rest, step.Name)
		default:
			rest, ok = strings.CutPrefix(rest, "."+step.Name)
		}
		if !ok {
			return false
		}
	}
	return rest == "" || rest[0] == '.' || rest[0] == '['
}

// TestFailure_A33_IgnoringHidesNothingElse: whatever is ignored, a resource
// that differs from its declaration in any other field is never in sync, what
// is written is what is declared, and nothing is said to be ignored that is not.
func TestFailure_A33_IgnoringHidesNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		declared := object(t)
		var copied any
		if err := json.Unmarshal([]byte(declared), &copied); err != nil {
			t.Fatal(err)
		}
		observed := encoded(t, disturbed(t, copied))
		ignore := []Path{drawnPath(t), drawnPath(t)}
		var records []resource.Applied
		if rapid.Bool().Draw(t, "applied") {
			records = append(records, *last(declared))
		}
		in := input(Policy{Mode: Sync, HealDrift: true, DriftRules: []DriftRule{{Kind: "K", Ignore: ignore}}},
			[]resource.Resource{*want(declared)}, records, *seen(observed))
		c := first(Diff(in))
		var others []string
		for _, f := range resource.Fields(declared, observed) {
			if !leads(ignore[0], f.Path) && !leads(ignore[1], f.Path) {
				others = append(others, f.Path)
			}
		}
		if len(others) > 0 && (c.State == InSync || c.Action == None) {
			t.Fatalf("%s and %s differ in %v beside %v, and count as %s", declared, observed, others, ignore, c.State)
		}
		if c.Action != None && (c.Before != observed || c.After != declared) {
			t.Fatalf("writes %s over %s", c.After, c.Before)
		}
		if c.State == InSync && !declared.Equal(observed) && !strings.HasPrefix(c.Note, "ignored: ") {
			t.Fatalf("ignored without a word: %+v", c)
		}
	})
}

// FuzzParsePath: a path that is read is written as it was.
func FuzzParsePath(f *testing.F) {
	f.Add("groups[*].servers[0].params")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := ParsePath(text); err == nil && p.String() != text && !strings.Contains(text, "[0") {
			t.Errorf("%q became %q", text, p)
		}
	})
}
