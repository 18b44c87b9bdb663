package view

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"weir/sync/cluster"
	"weir/sync/plan"
	"weir/sync/reconcile"
)

var began = time.Date(2026, 11, 26, 5, 0, 0, 0, time.UTC)

// three is a cluster of three, of which b answers: a leads ali and the sources, b leads
// volc, and nobody leads lost.
func three() *Cluster {
	return clusterOf(cluster.View{
		Self: "b",
		Members: []cluster.Member{
			{ID: "c", Name: "weir-c", Format: 2},
			{ID: "b", Name: "weir-b", Format: 1, Since: began},
			{ID: "a", Name: "weir-a", Format: 2, Address: "https://a.example.com"},
		},
		Leaders: map[string]cluster.Leader{
			"ali":           {Account: "ali", Member: "a", Name: "weir-a", Term: 7, Since: began},
			"volc":          {Account: "volc", Member: "b", Name: "weir-b", Term: 9},
			"other":         {Account: "other", Member: "a", Name: "weir-a", Term: 8}, // in no configuration of ours
			cluster.Sources: {Account: cluster.Sources, Member: "a", Name: "weir-a", Term: 3},
		},
		Age: 1500 * time.Millisecond, Error: "etcd does not answer",
	}, map[string]time.Time{"ali": began, "volc": began.Add(time.Minute), "lost": {}})
}

func TestClusterIsWhatPeopleAsk(t *testing.T) {
	c := three()
	var names []string
	for _, m := range c.Members {
		names = append(names, m.Name)
	}
	if want := []string{"weir-a", "weir-b", "weir-c"}; !slices.Equal(names, want) {
		t.Errorf("members %v, want %v", names, want)
	}
	if got, want := c.Members[0].Leads, []string{"*", "ali", "other"}; !slices.Equal(got, want) {
		t.Errorf("weir-a leads %v, want %v", got, want)
	}
	var accounts []string
	for _, l := range c.Accounts {
		accounts = append(accounts, l.Account+" "+l.Name)
	}
	if want := []string{"* weir-a", "ali weir-a", "lost ", "other weir-a", "volc weir-b"}; !slices.Equal(accounts, want) {
		t.Errorf("accounts %q, want %q", accounts, want)
	}
	if c.Age != 1.5 || c.Error == "" {
		t.Errorf("age %v, error %q", c.Age, c.Error)
	}
	if got := c.Unled(); !slices.Equal(got, []string{"lost"}) {
		t.Errorf("nobody leads %v", got)
	}
}

// TestOthersAreAsOldAsTheirOldest: what is said of a member's accounts is true of each
// of them of which there is something.
func TestOthersAreAsOldAsTheirOldest(t *testing.T) {
	c := three()
	want := []Leader{{Name: "weir-a", Address: "https://a.example.com", Accounts: []string{"ali", "other"}, Seen: began}}
	if got := c.Others(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	c.Accounts[3].Seen = began.Add(-time.Minute)
	if got := c.Others()[0].Seen; !got.Equal(began.Add(-time.Minute)) {
		t.Errorf("seen %v", got)
	}
}

// TestFormatThatAllWrite: one member that is older keeps a newer format from being
// written, and is named.
func TestFormatThatAllWrite(t *testing.T) {
	if c := three(); c.Format != 1 || !slices.Equal(c.HeldBack, []string{"weir-b"}) {
		t.Errorf("format %d, held back by %v", c.Format, c.HeldBack)
	}
	if format, by := formats([]Member{{Name: "a", Format: 3}, {Name: "b", Format: 3}}); format != 3 || len(by) > 0 {
		t.Errorf("all write 3, and yet %d is held back by %v", format, by)
	}
	if format, by := formats(nil); format != 0 || by == nil {
		t.Errorf("nobody: %d, %v", format, by)
	}
}

// TestRowsSayWhoseTheChangeIs: of another's account, where a change is due and nothing
// else withholds it.
func TestRowsSayWhoseTheChangeIs(t *testing.T) {
	due := Row{Action: plan.Update}
	for name, tc := range map[string]struct {
		of      *Cluster
		row     Row
		account string
		ledBy   string
		unled   bool
	}{
		"another's":     {three(), due, "ali", "weir-a", false},
		"our own":       {three(), due, "volc", "", false},
		"nobody's":      {three(), due, "lost", "", true},
		"not known":     {three(), due, "new", "", true},
		"nothing due":   {three(), Row{Action: plan.None}, "ali", "", false},
		"withheld":      {three(), Row{Action: plan.Update, Withheld: "the mode is observe"}, "ali", "", false},
		"alone":         {nil, due, "ali", "", false},
		"nothing known": {&Cluster{Self: "b"}, due, "ali", "", true},
	} {
		if got := tc.of.Led(tc.row, tc.account); got.LedBy != tc.ledBy || got.Unled != tc.unled {
			t.Errorf("%s: led by %q, unled %t", name, got.LedBy, got.Unled)
		}
	}
}

// TestRowsSayItOnce: the plan's own note of the same is left out.
func TestRowsSayItOnce(t *testing.T) {
	for note, want := range map[string]string{reconcile.LeadNote("weir-a"): "", "a read is due": "a read is due"} {
		if got := three().Led(Row{Action: plan.Update, Note: note}, "ali"); got.Note != want || got.LedBy != "weir-a" {
			t.Errorf("%q: %q, led by %q", note, got.Note, got.LedBy)
		}
	}
}

func TestWhyNotDueInACluster(t *testing.T) {
	pending := func(accounts ...string) (out []Kind) {
		for _, a := range accounts {
			out = append(out, Kind{Account: a, States: map[State]int{State(plan.Pending): 1}})
		}
		return out
	}
	for name, tc := range map[string]struct {
		of    *Cluster
		kinds []Kind
		want  string
	}{
		"ours":                {three(), pending("volc"), ""},
		"another's":           {three(), pending("ali"), "led"},
		"ours too":            {three(), pending("ali", "volc"), ""},
		"nobody's":            {three(), pending("lost"), "unled"},
		"another's, nobody's": {three(), pending("ali", "lost"), "unled"},
		"alone":               {nil, pending("ali"), ""},
		"nothing due":         {three(), []Kind{{Account: "ali"}}, ""},
	} {
		o := Overview{Cluster: tc.of, Kinds: tc.kinds, States: map[State]int{State(plan.Pending): len(tc.kinds)}}
		if got := o.WhyNotDue(); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		o.Status = reconcile.Status{DryRun: true}
		if got := o.WhyNotDue(); got != "dry-run" {
			t.Errorf("%s in a dry run: %q", name, got)
		}
	}
}
