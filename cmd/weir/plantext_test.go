package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"

	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
)

// updateOf is a change of one field, declared in a source.
func updateOf(source, id string) reconcile.ChangeDocument {
	return reconcile.ChangeDocument{
		ID: id, Action: plan.Update, Reason: plan.Edited, State: plan.Pending,
		Origin: resource.Origin{Source: source, File: "relay.yaml", Line: 4, Commit: "45ab9f3c0ffee", Author: "Jane Doe <jane@example.com>"},
		Fields: []resource.Field{{Path: "groups[0].servers[0].protocol", Before: "rtmp", After: "flv"}, {Path: "vhost", After: "push.example.com"}},
		Calls:  []reconcile.CallDocument{{Operation: "UpdateRelaySourceV3", Params: map[string]any{"App": "live", "Vhost": strings.Repeat("v", 200)}}},
	}
}

func printed80(doc reconcile.PlanDocument) string { return printedAt(doc, style{width: 80}) }

func printedAt(doc reconcile.PlanDocument, s style) string {
	var b bytes.Buffer
	printPlan(&b, doc, s)
	return b.String()
}

// TestPlanByFate: what is due stands by source and account, the rest by why it
// is not made, each reason once.
func TestPlanByFate(t *testing.T) {
	waiting := updateOf("live", "ali/Recording/live.example.com/live/one")
	waiting.State, waiting.Note, waiting.Fields, waiting.Calls = plan.Waiting, "starts when the stream is on air", nil, nil
	second := waiting
	second.ID = "ali/Recording/live.example.com/live/two"
	withheld := updateOf("live", "volc/RelaySource/push.example.com/other")
	withheld.Withheld, withheld.Calls = "policy.drift is report", nil
	got := printedAt(reconcile.PlanDocument{
		Changes: []reconcile.ChangeDocument{
			waiting, second, updateOf("live", "volc/RelaySource/push.example.com/live"), withheld,
			updateOf("more", "ali/MultiStream/live.example.com"),
		},
		Unreadable: []reconcile.Unread{
			{ID: "ali/MultiStream/a", Why: "no key"},
			{ID: "ali/MultiStream/b", Why: "no key"},
			{ID: "ali/RtcPrefetch/c", Why: "region SG", InDoubt: true},
		},
	}, style{})
	call := `      → UpdateRelaySourceV3 {"App":"live","Vhost":"` + strings.Repeat("v", 200) + "\"}\n"
	fields := `      groups[0].servers[0].protocol: "rtmp" → "flv"
      vhost:                         "push.example.com"
`
	want := `live → volc  1 to update
  ~ RelaySource push.example.com/live  edited  relay.yaml:4  45ab9f3 Jane Doe
` + fields + call + `
more → ali  1 to update
  ~ MultiStream live.example.com       edited  relay.yaml:4  45ab9f3 Jane Doe
` + fields + call + `
Waiting  2
  starts when the stream is on air
  … ali/Recording/live.example.com/live/one  edited  relay.yaml:4  45ab9f3 Jane Doe
  … ali/Recording/live.example.com/live/two  edited  relay.yaml:4  45ab9f3 Jane Doe

Withheld  1
  policy.drift is report
  · volc/RelaySource/push.example.com/other  edited  relay.yaml:4  45ab9f3 Jane Doe
` + fields + `
Unknown  3
  cannot read: no key
  ? ali/MultiStream/a
  ? ali/MultiStream/b
  in doubt: region SG
  ? ali/RtcPrefetch/c

Plan: `
	if !strings.HasPrefix(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestPlanFits: no line of a plan is wider than the terminal, whatever it says.
func TestPlanFits(t *testing.T) {
	c := updateOf("live", "volc/RelaySource/push.example.com/直播频道")
	c.Note, c.OnAir, c.Wide = "a note that says why this is so", "streams are pulled from it now", "takes in every application of the domain"
	c.Fields = append(c.Fields, resource.Field{Path: "标题", Before: strings.Repeat("直播", 60) + "一", After: strings.Repeat("直播", 60) + "二"})
	doc := reconcile.PlanDocument{
		Changes: []reconcile.ChangeDocument{c},
		Held:    []plan.Hold{{Guard: "on-air", Message: "streams are pulled from it now"}}, Hash: strings.Repeat("0", 32),
	}
	for _, width := range []int{120, 80, 60, 40} {
		got := printedAt(doc, style{width: width})
		for line := range strings.Lines(got) {
			line = strings.TrimRight(line, "\n")
			if columns(line) > width && len(strings.Fields(line)) > 1 { // a word that is to be copied may be
				t.Errorf("%d columns at %d: %q", columns(line), width, line)
			}
		}
		if !strings.Contains(got, `一"`) || !strings.Contains(got, `二"`) {
			t.Errorf("at %d columns nobody sees what differs:\n%s", width, got)
		}
	}
}

// TestPlanShowsWhatIsHidden: what turns writing round, or speaks to the terminal,
// is seen and does nothing.
func TestPlanShowsWhatIsHidden(t *testing.T) {
	const hostile = "a\u202eb\x1b[31mc\r\nd\u200be\x07"
	c := updateOf("live", "volc/RelaySource/"+hostile)
	c.Origin.File, c.Origin.Author = hostile, hostile
	c.Fields = []resource.Field{{Path: hostile, Before: hostile, After: hostile + "!"}}
	c.Calls[0].Params = map[string]any{hostile: hostile}
	c.Note, c.OnAir, c.Wide = hostile, hostile, hostile
	got := printed80(reconcile.PlanDocument{
		Changes: []reconcile.ChangeDocument{c}, Held: []plan.Hold{{Guard: "on-air", Message: hostile}},
		Unreadable: []reconcile.Unread{{ID: hostile, Why: hostile}},
	})
	for _, r := range got {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			t.Fatalf("%U is in what is shown:\n%q", r, got)
		}
	}
	if !strings.Contains(got, `\u202e`) {
		t.Errorf("nobody sees that something is hidden:\n%s", got)
	}
}

// TestPlanOfMany: a terminal counts what is alike, but shows every removal; a
// pipe shows all.
func TestPlanOfMany(t *testing.T) {
	doc := manyChanges(1000)
	for i := range 200 {
		c := &doc.Changes[5*i]
		c.Action, c.Reason = plan.Delete, plan.Removed
	}
	short, long := printed80(doc), printedAt(doc, style{})
	if n := strings.Count(short, "  - MultiStream"); n != 200 {
		t.Errorf("%d removals shown, want 200", n)
	}
	if n := strings.Count(short, "  ~ MultiStream"); n != alikeShown || !strings.Contains(short, "… 750 more: MultiStream to update (edited)") {
		t.Errorf("%d updates shown:\n%s", n, short[len(short)-500:])
	}
	if n := strings.Count(long, "  ~ MultiStream"); n != 800 {
		t.Errorf("%d updates in a pipe, want 800", n)
	}
	if want := "live → ali  800 to update, 200 to delete\n"; !strings.HasPrefix(long, want) {
		t.Errorf("begins %q, want %q", long[:len(want)], want)
	}
}

func manyChanges(n int) reconcile.PlanDocument {
	var doc reconcile.PlanDocument
	for i := range n {
		doc.Changes = append(doc.Changes, updateOf("live", fmt.Sprintf("ali/MultiStream/live%06d.example.com", i)))
	}
	return doc
}

// BenchmarkPlanText is how long it takes to write a plan of 100,000 changes, and
// how much of it is kept.
func BenchmarkPlanText(b *testing.B) {
	doc := manyChanges(100_000)
	for name, s := range map[string]style{"pipe": {}, "terminal": {colored: true, width: 80}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				printPlan(io.Discard, doc, s)
			}
		})
	}
}
