package view

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/plan/guard"
	"weir/sync/reconcile"
	"weir/sync/resource"
	"weir/sync/source"
)

func TestExcerpt(t *testing.T) {
	snap := &source.Snapshot{Files: []source.File{
		{Path: "a.yaml", Data: []byte("one\r\ntwo\nthree\nfour\nfive\nsix")},
		{Path: "b.yaml", Data: []byte(strings.Repeat("é", 500) + "\n\xff\n")},
	}}
	for name, tc := range map[string]struct {
		snap *source.Snapshot
		file string
		line int
		want string
	}{
		"in the middle":          {snap, "a.yaml", 3, "1 one|2 two|3 three|4 four|5 five"},
		"at the beginning":       {snap, "a.yaml", 1, "1 one|2 two|3 three"},
		"at the end":             {snap, "a.yaml", 6, "4 four|5 five|6 six"},
		"the file as a whole":    {snap, "a.yaml", 0, ""},
		"beyond the end":         {snap, "a.yaml", 60, ""},
		"a file that is not":     {snap, "c.yaml", 1, ""},
		"nothing was loaded":     {nil, "a.yaml", 1, ""},
		"too long, and no UTF-8": {snap, "b.yaml", 1, "1 " + strings.Repeat("é", lineLength) + "…|2 \uFFFD"},
	} {
		var got []string
		for _, l := range excerpt(tc.snap, manifest.Problem{File: tc.file, Line: tc.line}) {
			got = append(got, string(rune('0'+l.Number))+" "+l.Text)
		}
		if strings.Join(got, "|") != tc.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestPathsAreOrderedAsOneCounts(t *testing.T) {
	want := []string{"app", "g[0].a", "g[0].b", "g[2].a", "g[10].a", "g[10].a.b", "h1", "h1b", "h02", "vhost"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, comparePaths)
	if !slices.Equal(got, []string{"app", "g[0].a", "g[0].b", "g[2].a", "g[10].a", "g[10].a.b", "h1", "h1b", "h02", "vhost"}) {
		t.Errorf("%v", got)
	}
}

func TestFieldsOfThreeSides(t *testing.T) {
	d := reconcile.Detail{
		Declared: &resource.Resource{Spec: `{"a":1,"l":["x","y"]}`},
		Change:   plan.Change{Last: &resource.Applied{Spec: `{"a":1,"l":["x"]}`}},
		Known:    true, Seen: resource.Observation{Spec: `{"a":2,"l":["x","y"],"z":false}`},
	}
	var got []string
	for _, f := range fieldsOf(d) {
		mark := ""
		if f.Differs {
			mark = "!"
		}
		got = append(got, f.Path+mark)
	}
	if want := []string{"a!", "l[0]", "l[1]", "z!"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	d.Known = false
	for _, f := range fieldsOf(d) {
		if f.Differs || f.Observed != nil {
			t.Errorf("nothing was read, and yet %+v", f)
		}
	}
}

func TestConsentLetsThrough(t *testing.T) {
	held := []plan.Hold{{Guard: "removals"}}
	for name, tc := range map[string]struct {
		held     []plan.Hold
		revision string
		want     string
	}{
		"not held":            {nil, "r", ""},
		"held":                {held, "r", "weir apply --consent 0123"},
		"a rollback":          {held, reconcile.RollbackOf + "0123456789abcdef", "weir rollback 0123456789ab --consent 0123"},
		"what was taken back": {append(held, plan.Hold{Guard: guard.RolledBack}), "r", "weir rollback --unpin"},
	} {
		if got := Consent(tc.held, tc.revision, "0123"); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestLeaseEndsWithTheFirst(t *testing.T) {
	now := time.Now()
	at := func(d time.Duration) resource.Act { return resource.Act{Ends: now.Add(d)} }
	if got := leaseEnds([]resource.Act{at(time.Hour), at(time.Minute), at(-time.Minute), {}}, now); !got.Equal(now.Add(time.Minute)) {
		t.Errorf("ends %v", got.Sub(now))
	}
	if got := leaseEnds([]resource.Act{at(-time.Minute), {}}, now); !got.IsZero() {
		t.Errorf("what has run out ends %v", got)
	}
}

func TestAlike(t *testing.T) {
	for _, tc := range []struct {
		id, text string
		near     bool
	}{
		{"ali/multistream/live.example.com", "ali/multistream/liev.example.com", true},
		{"ali/multistream/live.example.com", "ali/multistream/live.example.org", true},
		{"ali/multistream/live.example.com", "live.example", true},
		{"ali/multistream/live.example.com", "volc/relaysource/push.example.net/x", false},
		{"ali/multistream/live.example.com", "", false},
		{"a/b/c", "a/b/c", true},
	} {
		if like := alike(tc.id, tc.text); (like >= leastAlike) != tc.near || like > 100 {
			t.Errorf("%q and %q are alike by %d", tc.id, tc.text, like)
		}
	}
}

// TestCountsAddUp: what failed counts as nothing else, in all and by account and
// kind.
func TestCountsAddUp(t *testing.T) {
	status := reconcile.Status{Counts: []reconcile.Count{
		{Account: "volc", Kind: "RelaySource", State: plan.Pending, Count: 3},
		{Account: "ali", Kind: "MultiStream", State: plan.InSync, Count: 1},
		{Account: "volc", Kind: "RelaySource", State: plan.InSync, Count: 5},
	}}
	shown := reconcile.Shown{Failing: map[reconcile.Group]int{{Account: "volc", Kind: "RelaySource", State: plan.Pending}: 2}}
	want := []Kind{
		{"ali", "MultiStream", 1, map[State]int{"in-sync": 1}},
		{"volc", "RelaySource", 8, map[State]int{"in-sync": 5, "pending": 1, Failed: 2}},
	}
	if got := kinds(status, shown); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	total, of := counts(status, shown)
	if total != 9 || of["in-sync"] != 6 || of["pending"] != 1 || of[Failed] != 2 {
		t.Errorf("%d: %v", total, of)
	}
}
