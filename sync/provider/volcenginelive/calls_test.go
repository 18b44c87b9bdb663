package volcenginelive

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

var pushLive = resource.ID{Account: "volc-main", Kind: KindRelaySource, Key: "push.example.com/live"}

// spec returns push.example.com/live with groups of the names given. A name
// may carry a version after a colon, which changes its server.
func spec(t interface{ Fatal(...any) }, names ...string) resource.Spec {
	r := RelaySource{Vhost: "push.example.com", App: "live"}
	for _, n := range names {
		name, v, _ := strings.Cut(n, ":")
		r.Groups = append(r.Groups, Group{Name: name, Servers: []Server{{Address: name + v, Protocol: "rtmp"}}})
	}
	s, err := r.spec()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shown is what a journal would show of requests.
func shown(reqs []*call.Request) string {
	var lines []string
	for _, r := range reqs {
		b, err := json.Marshal(r.Params)
		if err != nil || !r.Repeatable || r.Account != "volc-main" || r.Act.Name != "" {
			return fmt.Sprintf("odd request %+v", r)
		}
		lines = append(lines, fmt.Sprintf("%s %t %s", r.Operation, r.Write, b))
	}
	return strings.Join(lines, "\n")
}

func TestCalls(t *testing.T) {
	withParams := resource.Spec(`{"vhost":"push.example.com","app":"live","groups":[{"name":"main","servers":[` +
		`{"address":"a.example.net:1935","protocol":"flv","params":{"k":"v"}},{"address":"b","protocol":"rtmp"}]}]}`)
	cases := []struct {
		name string
		c    plan.Change
		want string
	}{
		{
			"create sends all",
			plan.Change{Action: plan.Create, After: withParams},
			`UpdateRelaySourceV3 true {"App":"live","GroupDetails":[{"Group":"main","Servers":[` +
				`{"RelaySourceDomain":"a.example.net:1935","RelaySourceParams":{"k":"v"},"RelaySourceProtocol":"flv"},` +
				`{"RelaySourceDomain":"b","RelaySourceProtocol":"rtmp"}]}],"Vhost":"push.example.com"}`,
		},
		{
			"update sends unchanged groups too",
			plan.Change{Action: plan.Update, Before: spec(t, "a", "b"), After: spec(t, "a", "b:2")},
			`UpdateRelaySourceV3 true {"App":"live","GroupDetails":[` +
				`{"Group":"a","Servers":[{"RelaySourceDomain":"a","RelaySourceProtocol":"rtmp"}]},` +
				`{"Group":"b","Servers":[{"RelaySourceDomain":"b2","RelaySourceProtocol":"rtmp"}]}],"Vhost":"push.example.com"}`,
		},
		{
			"delete names vhost and app",
			plan.Change{Action: plan.Delete, Before: spec(t, "a", "b")},
			`DeleteRelaySourceV3 true {"App":"live","Vhost":"push.example.com"}`,
		},
		{"delete of what is gone", plan.Change{Action: plan.Delete}, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			tc.c.ID = pushLive
			reqs, err := calls(tc.c)
			if err != nil || shown(reqs) != tc.want {
				t.Errorf("calls\n got %s (%v)\nwant %s", shown(reqs), err, tc.want)
			}
		})
	}
}

// No call is made of a change whose spec would reach beyond its app: D10.
func TestFailure_D10_NoCallForTheWholeVhost(t *testing.T) {
	bad := []resource.Spec{
		`{"vhost":"v","app":"","groups":[{"name":"g","servers":[{"address":"a","protocol":"rtmp"}]}]}`,
		`{"vhost":"v","app":"*","groups":[{"name":"g","servers":[{"address":"a","protocol":"rtmp"}]}]}`,
		`{"vhost":"","app":"a","groups":[{"name":"g","servers":[{"address":"a","protocol":"rtmp"}]}]}`,
		`{`,
	}
	for _, s := range bad {
		for _, c := range []plan.Change{
			{Action: plan.Create, After: s}, {Action: plan.Update, Before: s, After: s}, {Action: plan.Delete, Before: s},
		} {
			c.ID = pushLive
			if reqs, err := calls(c); err == nil || len(reqs) != 0 {
				t.Errorf("%s %s: calls %s", c.Action, s, shown(reqs))
			}
		}
	}
}

func TestVerify(t *testing.T) {
	const want = `DescribeRelaySourceV3 false {"App":"live","Vhost":"push.example.com"}`
	if got := shown(verify(plan.Change{ID: pushLive, Action: plan.Update, After: spec(t, "a")})); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := verify(plan.Change{ID: pushLive, Action: plan.Delete, Before: spec(t, "a")}); got != nil {
		t.Errorf("after a removal %s", shown(got))
	}
}

func TestRepair(t *testing.T) {
	remove := func(group string) string {
		return fmt.Sprintf(`DeleteRelaySourceV3 true {"App":"live","Group":%q,"Vhost":"push.example.com"}`, group)
	}
	cases := []struct {
		name       string
		want, seen []string
		calls      []string // groups removed, "update"
	}{
		{"nothing to do", []string{"a", "b"}, []string{"a", "b"}, nil},
		{"leftovers", []string{"b"}, []string{"a", "b", "c"}, []string{"a", "c"}},
		{"in another order", []string{"b", "a"}, []string{"a", "b"}, []string{"a", "update"}},
		{"new one first", []string{"n", "a", "b"}, []string{"a", "b", "n"}, []string{"a", "b", "update"}},
		{"leftover and order", []string{"b", "a"}, []string{"a", "x", "b"}, []string{"x", "a", "update"}},
		{"group without a name", []string{"a"}, []string{"", "a"}, nil},
		{"leftover twice", []string{"a"}, []string{"x", "a", "x"}, []string{"x"}},
		{"wanted twice", []string{"b", "a"}, []string{"a", "b", "a"}, nil},
		// A31: what the cloud does not take over is not sent again and again.
		{"A31 a server not taken over", []string{"a:2"}, []string{"a"}, nil},
		{"A31 a group not taken over", []string{"b", "a"}, []string{"a"}, nil},
		{"A31 order with a group not taken over", []string{"b", "a:2"}, []string{"a", "b"}, nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := plan.Change{ID: pushLive, Action: plan.Update, After: spec(t, tc.want...)}
			var lines []string
			for _, one := range tc.calls {
				line := remove(one)
				if one == "update" {
					reqs, err := calls(c)
					if err != nil {
						t.Fatal(err)
					}
					line = shown(reqs)
				}
				lines = append(lines, line)
			}
			seen := resource.Observation{ID: pushLive, Spec: spec(t, tc.seen...), Exists: true}
			if got, want := shown(repair(c, seen)), strings.Join(lines, "\n"); got != want {
				t.Errorf("repair\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestRepairLeavesAloneWhatIsNotKnown(t *testing.T) {
	c := plan.Change{ID: pushLive, Action: plan.Update, After: spec(t, "a")}
	for name, seen := range map[string]resource.Observation{
		"absent": {}, "broken": {Exists: true, Spec: "{"},
		"unreadable": {Exists: true, Spec: spec(t, "b"), Unreadable: "timeout"},
	} {
		if got := repair(c, seen); got != nil {
			t.Errorf("%s: %s", name, shown(got))
		}
	}
	seen := resource.Observation{Exists: true, Spec: spec(t, "b")}
	if got := repair(plan.Change{ID: pushLive, Action: plan.Delete, Before: spec(t, "a")}, seen); got != nil {
		t.Errorf("removal: %s", shown(got))
	}
}

// From any groups to any other, the calls and at most one round of repair end
// in what is wanted, whether the cloud replaces or merges, and something stays
// configured at every step.
func TestCallsEndRightUnderReplaceAndMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		merge := rapid.Bool().Draw(t, "merge")
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-e](:[12])?`), 1, 5, func(s string) string { return s[:1] })
		before, after := spec(t, names.Draw(t, "before")...), spec(t, names.Draw(t, "after")...)
		cloud := model{merge: merge, spec: before}
		c := plan.Change{ID: pushLive, Action: plan.Update, Before: before, After: after}
		reqs, err := calls(c)
		if err != nil {
			t.Fatal(err)
		}
		cloud.take(t, reqs)
		cloud.take(t, repair(c, resource.Observation{Spec: cloud.spec, Exists: true}))
		if cloud.spec != after {
			t.Fatalf("merge %t: from %s\n  to %s\nended %s", merge, before, after, cloud.spec)
		}
		if more := repair(c, resource.Observation{Spec: cloud.spec, Exists: true}); len(more) != 0 {
			t.Fatalf("more to repair: %s", shown(more))
		}
	})
}

// model is the app in the cloud, written apart from the emulator.
type model struct {
	merge bool
	spec  resource.Spec
}

func (m *model) take(t *rapid.T, reqs []*call.Request) {
	for _, req := range reqs {
		held, err := relaySource(m.spec)
		if err != nil {
			t.Fatal(err)
		}
		if req.Operation == opDelete {
			group := req.Params["Group"].(string)
			held.Groups = slices.DeleteFunc(held.Groups, func(g Group) bool { return g.Name == group })
		} else {
			held.Groups = m.update(held.Groups, decodeGroups(t, req))
		}
		if len(held.Groups) == 0 {
			t.Fatal("nothing was configured for a while")
		}
		if m.spec, err = held.spec(); err != nil {
			t.Fatal(err)
		}
	}
}

func (m *model) update(held, sent []Group) []Group {
	if !m.merge {
		return sent
	}
	for _, g := range sent {
		at := slices.IndexFunc(held, func(h Group) bool { return h.Name == g.Name })
		if at < 0 {
			held = append(held, g)
		} else {
			held[at] = g
		}
	}
	return held
}

// decodeGroups reads the groups of an update as the cloud would.
func decodeGroups(t *rapid.T, req *call.Request) []Group {
	body, err := json.Marshal(req.Params)
	if err != nil {
		t.Fatal(err)
	}
	var e entry
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatal(err)
	}
	return e.source("", "").Groups
}
