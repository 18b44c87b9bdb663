package plan

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"weir/sync/resource"
)

var (
	now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	id  = resource.ID{Account: "acc", Kind: "K", Key: "x"}
)

const (
	on  resource.Spec = `{"on":true}`
	off resource.Spec = `{"on":false}`
	mid resource.Spec = `{"on":"half"}`
)

func want(s resource.Spec) *resource.Resource {
	return &resource.Resource{ID: id, Spec: s, Origin: resource.Origin{File: "a.yaml", Line: 3}}
}

func last(s resource.Spec) *resource.Applied {
	return &resource.Applied{ID: id, Spec: s, At: now.Add(-time.Hour), Confirmed: true, Origin: resource.Origin{File: "a.yaml", Line: 3}}
}

func seen(s resource.Spec) *resource.Observation {
	return &resource.Observation{ID: id, Spec: s, Exists: s != off && s != "", At: now}
}

func blind() *resource.Observation {
	return &resource.Observation{ID: id, Unreadable: "403 Forbidden", At: now}
}

func fresh(s resource.Spec, ago time.Duration) *resource.Applied {
	l := last(s)
	l.At, l.Confirmed = now.Add(-ago), false
	return l
}

func TestCompare(t *testing.T) {
	tests := map[string]struct {
		c      Case
		action Action
		reason Reason
		state  State
	}{
		"as declared":                     {Case{Want: want(on), Last: last(on), Seen: seen(on)}, None, "", InSync},
		"as declared, never applied":      {Case{Want: want(on), Seen: seen(on)}, None, "", InSync},
		"new and absent":                  {Case{Want: want(on), Seen: seen(off)}, Create, New, Pending},
		"new and different":               {Case{Want: want(on), Seen: seen(mid)}, Update, New, Pending},
		"edited":                          {Case{Want: want(on), Last: last(mid), Seen: seen(mid)}, Update, Edited, Pending},
		"drifted":                         {Case{Want: want(on), Last: last(on), Seen: seen(mid)}, Update, Drifted, Differs},
		"drifted away":                    {Case{Want: want(on), Last: last(on), Seen: seen(off)}, Create, Drifted, Differs},
		"conflict":                        {Case{Want: want(on), Last: last(off), Seen: seen(mid)}, Update, Conflict, Pending},
		"edited into what is there":       {Case{Want: want(mid), Last: last(on), Seen: seen(mid)}, None, "", InSync},
		"not read yet":                    {Case{Want: want(on), Last: last(on)}, None, "", Unknown},
		"unreadable":                      {Case{Want: want(on), Last: last(on), Seen: blind()}, None, "", Unknown},
		"just written, shows the old":     {Case{Want: want(on), Last: fresh(on, time.Second), Seen: seen(off)}, None, "", Pending},
		"written a minute ago, still old": {Case{Want: want(on), Last: fresh(on, time.Minute), Seen: seen(off)}, Create, Drifted, Differs},
		"just written, then edited":       {Case{Want: want(on), Last: fresh(mid, time.Second), Seen: seen(mid)}, Update, Edited, Pending},
		"just written, edited back":       {Case{Want: want(mid), Last: fresh(on, time.Second), Seen: seen(mid)}, Update, Edited, Pending},
		"edited back, the write is old":   {Case{Want: want(mid), Last: fresh(on, time.Minute), Seen: seen(mid)}, None, "", InSync},
		"confirmed, then changed at once": {Case{Want: want(on), Last: last(on), Seen: seen(off)}, Create, Drifted, Differs},
		"removed":                         {Case{Last: last(on), Seen: seen(on)}, Delete, Removed, Pending},
		"removed and changed":             {Case{Last: last(on), Seen: seen(mid)}, Delete, Removed, Pending},
		"removed and gone":                {Case{Last: last(on), Seen: seen(off)}, Delete, Removed, Pending},
		"removed, unreadable":             {Case{Last: last(on), Seen: blind()}, None, Removed, Unknown},
		"removed, not read":               {Case{Last: last(on)}, None, Removed, Unknown},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.c.Now = now
			v := Compare(tc.c)
			if v.Action != tc.action || v.Reason != tc.reason || v.State != tc.state {
				t.Errorf("%s %q %s, want %s %q %s", v.Action, v.Reason, v.State, tc.action, tc.reason, tc.state)
			}
		})
	}
}

func TestCompareKeepsBothSides(t *testing.T) {
	v := Compare(Case{Want: want(on), Last: last(mid), Seen: seen(mid), Now: now})
	if v.Before != mid || v.After != on {
		t.Errorf("before %s, after %s", v.Before, v.After)
	}
	gone := Compare(Case{Last: last(on), Seen: seen(off), Now: now})
	if gone.Before != "" || gone.Note == "" {
		t.Errorf("a resource that is gone is only forgotten: %+v", gone)
	}
	young := Compare(Case{Last: fresh(on, time.Second), Seen: &resource.Observation{At: now}, Now: now})
	if young.Before != on {
		t.Errorf("what was written a second ago is removed though the cloud does not show it yet: %+v", young)
	}
	lag := Compare(Case{Want: want(on), Last: fresh(on, time.Second), Seen: seen(off), Now: now})
	if !lag.Next.Equal(now.Add(2 * time.Second)) {
		t.Errorf("looks again at %v", lag.Next)
	}
}

// first returns the first change of p.
func first(p *Plan) Change {
	for c := range p.All() {
		return c
	}
	return Change{}
}

func input(policy Policy, desired []resource.Resource, last []resource.Applied, seen ...resource.Observation) Input {
	set, err := resource.NewSet(desired)
	if err != nil {
		panic(err)
	}
	in := Input{
		Revision: "r1", Desired: set, Now: now, Policy: policy,
		Last: map[resource.ID]resource.Applied{}, Seen: map[resource.ID]resource.Observation{},
		Judge: func(resource.ID) Judge { return Compare },
	}
	for _, l := range last {
		in.Last[l.ID] = l
	}
	for _, s := range seen {
		in.Seen[s.ID] = s
	}
	return in
}

func TestModes(t *testing.T) {
	named := func(key string) resource.ID { return resource.ID{Account: "acc", Kind: "K", Key: key} }
	desired := []resource.Resource{{ID: named("create"), Spec: on}, {ID: named("drift"), Spec: on}, {ID: named("update"), Spec: on}}
	applied := []resource.Applied{
		{ID: named("delete"), Spec: on, Confirmed: true}, {ID: named("drift"), Spec: on, Confirmed: true}, {ID: named("update"), Spec: mid, Confirmed: true},
	}
	observed := []resource.Observation{
		{ID: named("create")},
		{ID: named("delete"), Spec: on, Exists: true},
		{ID: named("drift"), Spec: mid, Exists: true},
		{ID: named("update"), Spec: mid, Exists: true},
	}
	tests := map[string]struct {
		policy Policy
		due    []string
	}{
		"observe":         {Policy{Mode: Observe, HealDrift: true}, nil},
		"create-only":     {Policy{Mode: CreateOnly, HealDrift: true}, []string{"create"}},
		"upsert":          {Policy{Mode: Upsert, HealDrift: true}, []string{"create", "drift", "update"}},
		"sync":            {Policy{Mode: Sync, HealDrift: true}, []string{"create", "delete", "drift", "update"}},
		"drift is report": {Policy{Mode: Sync}, []string{"create", "delete", "update"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := Diff(input(tc.policy, desired, applied, observed...))
			var due []string
			for c := range p.Due() {
				due = append(due, c.ID.Key)
			}
			if !slices.Equal(due, tc.due) {
				t.Errorf("due %v, want %v", due, tc.due)
			}
			if s := p.Summary(); s.Create+s.Update+s.Delete != len(tc.due) || s.Withheld != 4-len(tc.due) {
				t.Errorf("summary %+v", s)
			}
		})
	}
}

// TestFailure_D08_UnownedIsNeverTouched: what is in the cloud and neither
// declared nor applied does not even stand in the plan.
func TestFailure_D08_UnownedIsNeverTouched(t *testing.T) {
	p := Diff(input(Policy{Mode: Sync, HealDrift: true}, nil, nil, *seen(on)))
	if p.Len() != 0 {
		t.Errorf("changes %+v", p.Changes)
	}
}

// TestFailure_D09_StateLostRemovesNothing: without records nothing is removed,
// and what is declared and there is adopted without a call.
func TestFailure_D09_StateLostRemovesNothing(t *testing.T) {
	other := resource.Observation{ID: resource.ID{Account: "acc", Kind: "K", Key: "other"}, Spec: on, Exists: true, At: now}
	p := Diff(input(Policy{Mode: Sync, HealDrift: true}, []resource.Resource{*want(on)}, nil, *seen(on), other))
	if len(p.Changes) != 1 || p.Changes[0].Action != None || !p.Changes[0].Adopt {
		t.Errorf("changes %+v", p.Changes)
	}
}

func TestAdopt(t *testing.T) {
	moved := last(on)
	moved.Origin.Line = 9
	tests := map[string]struct {
		mode Mode
		last *resource.Applied
		want bool
	}{
		"never applied":          {Sync, nil, true},
		"already recorded":       {Sync, last(on), false},
		"not confirmed yet":      {Sync, fresh(on, time.Second), true},
		"recorded as different":  {Sync, last(mid), true},
		"document moved":         {Sync, moved, true},
		"observe writes nothing": {Observe, nil, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var records []resource.Applied
			if tc.last != nil {
				records = append(records, *tc.last)
			}
			p := Diff(input(Policy{Mode: tc.mode}, []resource.Resource{*want(on)}, records, *seen(on)))
			if got := first(p).Adopt; got != tc.want {
				t.Errorf("Adopt = %v", got)
			}
		})
	}
}

func TestDiffLeavesForeignAccountsAlone(t *testing.T) {
	in := input(Policy{Mode: Sync}, nil, []resource.Applied{*last(on)}, *seen(on))
	in.Judge = func(resource.ID) Judge { return nil }
	if p := Diff(in); p.Len() != 0 {
		t.Errorf("changes %+v", p.Changes)
	}
}

func TestDiffOfASelectionRemovesNothing(t *testing.T) {
	in := input(Policy{Mode: Sync}, nil, []resource.Applied{*last(on)}, *seen(on))
	in.Partial = true
	if p := Diff(in); p.Len() != 0 {
		t.Errorf("changes %+v", p.Changes)
	}
}

func TestHash(t *testing.T) {
	base := func() Input {
		return input(Policy{Mode: Sync, HealDrift: true}, []resource.Resource{*want(on)}, nil, *seen(off))
	}
	first := Diff(base()).Hash
	if again := Diff(base()).Hash; again != first {
		t.Errorf("the same plan has hashes %s and %s", first, again)
	}
	later := base()
	later.Now = now.Add(time.Hour)
	if Diff(later).Hash != first {
		t.Error("the hash depends on the time")
	}
	for name, change := range map[string]func(*Input){
		"revision": func(in *Input) { in.Revision = "r2" },
		"change":   func(in *Input) { in.Seen[id] = *seen(mid) },
		"policy":   func(in *Input) { in.Policy.Mode = Observe },
	} {
		in := base()
		change(&in)
		if Diff(in).Hash == first {
			t.Errorf("another %s has the same hash", name)
		}
	}
}

func TestOrderDoesNotDependOnInput(t *testing.T) {
	var list []resource.Resource
	for _, k := range []string{"e", "a", "c", "b", "d"} {
		list = append(list, resource.Resource{ID: resource.ID{Account: "acc", Kind: "K", Key: k}, Spec: on})
	}
	first := Diff(input(Policy{Mode: Sync}, list, nil))
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	second := Diff(input(Policy{Mode: Sync}, list, nil))
	for i, k := range []string{"a", "b", "c", "d", "e"} {
		if first.Changes[i].ID.Key != k || second.Changes[i].ID.Key != k {
			t.Fatalf("place %d: %s and %s, want %s", i, first.Changes[i].ID, second.Changes[i].ID, k)
		}
	}
}

func TestFingerprint(t *testing.T) {
	if Fingerprint(nil) != "" || Fingerprint(blind()) != "" {
		t.Error("what was not read has a fingerprint")
	}
	if Fingerprint(seen(on)) == Fingerprint(seen(mid)) {
		t.Error("two observations share a fingerprint")
	}
	late := seen(on)
	late.At = now.Add(time.Hour)
	if Fingerprint(seen(on)) != Fingerprint(late) {
		t.Error("the fingerprint depends on the time of reading")
	}
}

func TestNextIsTheEarliest(t *testing.T) {
	b := resource.ID{Account: "acc", Kind: "K", Key: "b"}
	in := input(Policy{Mode: Sync}, []resource.Resource{*want(on), {ID: b, Spec: on}}, nil)
	in.Judge = func(i resource.ID) Judge {
		return func(Case) Verdict {
			if i == b {
				return Verdict{Action: None, Next: now.Add(time.Minute)}
			}
			return Verdict{Action: None, Next: now.Add(time.Hour)}
		}
	}
	if p := Diff(in); !p.Next.Equal(now.Add(time.Minute)) {
		t.Errorf("Next = %v", p.Next)
	}
}

// TestUnmade: what was never applied and could not be read may be the new half
// of a rename.
func TestUnmade(t *testing.T) {
	for name, tc := range map[string]struct {
		last     []resource.Applied
		observed []resource.Observation
		want     bool
	}{
		"new, not read":         {nil, nil, true},
		"new, unreadable":       {nil, []resource.Observation{*blind()}, true},
		"new, read":             {nil, []resource.Observation{*seen(off)}, false},
		"applied, not readable": {[]resource.Applied{*last(on)}, []resource.Observation{*blind()}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := Diff(input(Policy{Mode: Sync}, []resource.Resource{*want(on)}, tc.last, tc.observed...))
			if got := first(p).Unmade; got != tc.want {
				t.Errorf("Unmade = %v", got)
			}
		})
	}
}

// TestShows: a read back shows that a change came true only where a read from
// before its calls would have looked different.
func TestShows(t *testing.T) {
	made := func(last *resource.Applied) Change { return Change{ID: id, Action: Update, After: on, Last: last} }
	gone := func(last *resource.Applied) Change { return Change{ID: id, Action: Delete, Before: on, Last: last} }
	absent := resource.Observation{ID: id, At: now}
	tests := map[string]struct {
		c    Change
		seen resource.Observation
		want bool
	}{
		"as wanted":                         {made(last(off)), *seen(on), true},
		"as wanted, never applied":          {made(nil), *seen(on), true},
		"the old value":                     {made(last(off)), *seen(off), false},
		"unreadable":                        {made(last(off)), *blind(), false},
		"as wanted, or from before":         {made(fresh(off, time.Second)), *seen(on), false},
		"as wanted, the lag is over":        {made(fresh(off, 2*Lag)), *seen(on), true},
		"gone":                              {gone(last(on)), absent, true},
		"still there":                       {gone(last(on)), *seen(on), false},
		"gone, or not there yet":            {gone(fresh(on, time.Second)), absent, false},
		"whether it is gone cannot be read": {gone(last(on)), *blind(), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.c.Shows(Compare, tc.seen, now); got != tc.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
