package manifest

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"weir/sync/resource"
	"weir/sync/source"
)

// relayDraft is a draft with one server that has one parameter.
func relayDraft(app, name, value string) Draft {
	spec, err := resource.NewSpec(map[string]any{
		"vhost": "v.example.com", "app": app,
		"groups": []any{map[string]any{"name": "g", "servers": []any{
			map[string]any{"address": "o.example.net", "protocol": "rtmp", "params": map[string]string{name: value}},
		}}},
	})
	if err != nil {
		panic(err)
	}
	return Draft{APIVersion: "volcengine/v1", Kind: "RelaySource", Account: "volc-main", Spec: spec}
}

// written returns a file of drafts and what it loads to.
func written(t interface{ Fatalf(string, ...any) }, drafts ...Draft) (string, Result) {
	text := Head("head")
	for _, d := range drafts {
		text = append(text, d.Text()...)
	}
	res := New(Options{}).Load(&source.Snapshot{Files: []source.File{{Path: "a.yaml", Data: text, Hash: "h"}}})
	if res.Errors > 0 {
		t.Fatalf("%v\n%s", res.Problems, text)
	}
	return string(text), res
}

// TestDraftsReadTheSame holds that what counts is read as it was given, whatever
// the texts in it, and that what does not is no document.
func TestDraftsReadTheSame(t *testing.T) {
	nasty := rapid.OneOf(
		rapid.SampledFrom([]string{
			"NO", "on", "010", "'", `"`, "~", "null", "1e3", "0x1F", "1:30", "2026-01-02", "", " ", "a: b", "- x", "#x", "<<", "=", "*",
			"a\nb", "a\n---\nkind: X", "\u202eabc", "\u2028", "\ufeff", "\u0007", "\u0085", "%TAG", "é", "\xff", "{{", "null\n",
		}),
		rapid.String(),
	)
	loader := New(Options{})
	rapid.Check(t, func(t *rapid.T) {
		var drafts []Draft
		want := map[string]resource.Spec{}
		for range rapid.IntRange(1, 4).Draw(t, "n") {
			app := rapid.OneOf(rapid.SampledFrom([]string{"NO", "on", "010", "1e3", "null", "a b", "", "*"}), nasty).Draw(t, "app")
			d := relayDraft(app, nasty.Draw(t, "name"), nasty.Draw(t, "value"))
			d.Notes = []string{nasty.Draw(t, "note")}
			if rapid.Bool().Draw(t, "held") {
				d.Obstacle = nasty.Draw(t, "why")
			}
			d = loader.Settle(d)
			if d.Counts() && want[app] != "" {
				continue
			}
			if d.Counts() {
				want[app] = d.Spec
			}
			drafts = append(drafts, d)
		}
		text, res := written(t, drafts...)
		for r := range res.Set.All() {
			if !slices.ContainsFunc(drafts, func(d Draft) bool { return d.Counts() && d.Spec.Equal(r.Spec) }) {
				t.Fatalf("%s was not given:\n%s", r.ID, text)
			}
		}
		if counted := countWanted(drafts); res.Set.Len() != counted || res.Documents != counted {
			t.Fatalf("%d documents, %d resources, want %d:\n%s", res.Documents, res.Set.Len(), counted, text)
		}
	})
}

func countWanted(drafts []Draft) int {
	n := 0
	for _, d := range drafts {
		if d.Counts() {
			n++
		}
	}
	return n
}

func TestSettle(t *testing.T) {
	for name, tc := range map[string]struct {
		draft    Draft
		obstacle string // part of it
		note     string
	}{
		"fine":          {relayDraft("live", "k", "v"), "", ""},
		"nasty":         {relayDraft("010", "on", "NO"), "", ""},
		"bad app":       {relayDraft("a b", "k", "v"), "spec.app: ", ""},
		"bad character": {relayDraft("live", "k", "\u202e"), "direction of text", ""},
		"a secret":      {relayDraft("live", "token", "0123456789abcdef"), "", "looks like a key or password"},
		"held":          {Draft{Spec: "{}", Obstacle: "because"}, "because", ""},
		"no kind":       {Draft{APIVersion: "volcengine/v1", Kind: "Nothing", Spec: "{}"}, "kind", ""},
		"no spec":       {Draft{}, "", ""},
		"no JSON":       {Draft{APIVersion: "volcengine/v1", Kind: "RelaySource", Spec: "{"}, "spec: ", ""},
	} {
		got := New(Options{}).Settle(tc.draft)
		if (got.Obstacle == "") != (tc.obstacle == "") || !strings.Contains(got.Obstacle, tc.obstacle) {
			t.Errorf("%s: obstacle %q, want %q", name, got.Obstacle, tc.obstacle)
		}
		if notes := strings.Join(got.Notes, "\n"); (notes == "") != (tc.note == "") || !strings.Contains(notes, tc.note) {
			t.Errorf("%s: notes %q, want %q", name, notes, tc.note)
		}
	}
}

// TestSettleKnowsTheSource holds that a draft that the source would refuse does
// not count.
func TestSettleKnowsTheSource(t *testing.T) {
	d := relayDraft("live", "k", "v")
	for name, tc := range map[string]struct {
		options  Options
		obstacle string
	}{
		"owned":         {Options{Owns: []string{"volc-main/RelaySource/**"}}, ""},
		"not owned":     {Options{Owns: []string{"volc-main/RelaySource/other/*"}}, "this source may not declare"},
		"other account": {Options{Accounts: map[string][]string{"volcengine/v1": {"b"}}}, "no account"},
	} {
		if got := New(tc.options).Settle(d).Obstacle; !strings.Contains(got, tc.obstacle) || (got == "") != (tc.obstacle == "") {
			t.Errorf("%s: obstacle %q, want %q", name, got, tc.obstacle)
		}
	}
}

func TestDraftText(t *testing.T) {
	one := relayDraft("NO", "k", "010")
	two := relayDraft("live", "k", "v")
	two.Obstacle, two.Account = "it is the entry\nof the whole vhost", ""
	text, _ := written(t, one, two, Draft{Obstacle: strings.Repeat("word ", 30)})
	want := `# head

---
apiVersion: volcengine/v1
kind: RelaySource
metadata:
  account: volc-main
spec:
  app: 'NO'
  groups:
  - name: g
    servers:
    - address: o.example.net
      params:
        k: '010'
      protocol: rtmp
  vhost: v.example.com

#---
## it is the entry\nof the whole vhost
#apiVersion: volcengine/v1
#kind: RelaySource
#spec:
#  app: live
#  groups:
#  - name: g
#    servers:
#    - address: o.example.net
#      params:
#        k: v
#      protocol: rtmp
#  vhost: v.example.com

#---
## word word word word word word word word word word word word word word word word word word word
## word word word word word word word word word word word
`
	if text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	var declared []byte
	for line := range bytes.Lines(two.Text()) {
		declared = append(declared, bytes.TrimPrefix(line, []byte("#"))...)
	}
	if d := New(Options{}).Load(&source.Snapshot{Files: []source.File{{Path: "a.yaml", Data: declared}}}); d.Errors > 0 || d.Set.Len() != 1 {
		t.Errorf("with a # less in front of each line it is no document: %v\n%s", d.Problems, declared)
	}
	if bytes.Contains(Head("a\nb: c"), []byte("\nb")) {
		t.Error("a line of the head ends it")
	}
}
