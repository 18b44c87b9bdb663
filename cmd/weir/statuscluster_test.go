package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"weir/sync/daemon/view"
	"weir/sync/plan"
	"weir/sync/reconcile"
)

// TestStatusOfACluster: who is there and who leads what is said in the same words by
// each member; of one that works alone nothing is.
func TestStatusOfACluster(t *testing.T) {
	now := time.Now()
	c := view.Cluster{
		Self: "a", Format: 1, HeldBack: []string{"weir-b"}, Error: "no member of etcd answers", Age: 12,
		Members: []view.Member{
			{ID: "a", Name: "weir-a", Version: "v2", Since: now.Add(-time.Hour), Leads: []string{"*", "ali"}},
			{ID: "b", Name: "weir-b", Version: "v1", Since: now.Add(-time.Minute)},
			{ID: "c", Name: "ops", Since: now.Add(-time.Second), Once: true, Leads: []string{"volc"}},
		},
		Accounts: []view.Lead{{Account: "*", Member: "a"}, {Account: "ali", Member: "a"}, {Account: "lost"}, {Account: "volc", Member: "c"}},
	}
	text := func(c *view.Cluster) string {
		var b bytes.Buffer
		printStatus(&b, view.Overview{Version: "v1", Status: reconcile.Status{Ready: true}, Cluster: c}, now, style{})
		return b.String()
	}
	a := text(&c)
	const want = `
Members
  weir-a  weir v2, since 1h0m ago  leads the sources, ali
  weir-b  weir v1, since 1m0s ago  leads nothing
  ops     a command, since 1s ago  leads volc
  nobody leads lost
  the state is written in format 1: weir-b writes no newer one
  as of 12s ago: no member of etcd answers
`
	if !strings.Contains(a, want) {
		t.Errorf("%s\nwant\n%s", a, want)
	}
	c.Self = "b"
	if b := text(&c); a != b {
		t.Errorf("another member says\n%s", b)
	}
	if alone := text(nil); strings.Contains(alone, "Members") {
		t.Errorf("one that is alone says\n%s", alone)
	}
}

// TestChangeOfAnotherMember: a resource says whose its change is.
func TestChangeOfAnotherMember(t *testing.T) {
	row := view.Row{ID: "ali/MultiStream/live.example.com", Action: plan.Update, Reason: plan.Edited}
	for want, set := range map[string]func(*view.Row){
		"because it is edited; made by weir-b, which leads the account\n":         func(r *view.Row) { r.LedBy = "weir-b" },
		"because it is edited; nobody makes it, since nobody leads the account\n": func(r *view.Row) { r.Unled = true },
		"because it is edited\n": func(*view.Row) {},
	} {
		r := view.Resource{Row: row}
		set(&r.Row)
		var b bytes.Buffer
		printResource(&b, r, style{})
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s\nwant %s", b.String(), want)
		}
	}
}
