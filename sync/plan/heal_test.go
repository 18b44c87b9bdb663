package plan

import (
	"strings"
	"testing"
	"time"

	"weir/sync/resource"
)

// healed is the record of on, put back so long ago each, against what.
func healed(what resource.Spec, ago ...time.Duration) *resource.Applied {
	l := last(on)
	for _, d := range ago {
		l.Heals = append(l.Heals, resource.Heal{At: now.Add(-d), Found: foundMark(what)})
	}
	return l
}

func decide(w *resource.Resource, l *resource.Applied, s *resource.Observation) Change {
	return first(Diff(input(Policy{Mode: Sync, HealDrift: true}, []resource.Resource{*w}, []resource.Applied{*l}, *s)))
}

// TestFailure_A33_HealsWaitForEachOther: the first is at once, then ten
// seconds, doubled up to ten minutes; what is longer ago than two hours no
// longer counts.
func TestFailure_A33_HealsWaitForEachOther(t *testing.T) {
	tests := map[string]struct {
		ago  []time.Duration
		next time.Duration // from now; 0: at once
	}{
		"never before":        {nil, 0},
		"once, just now":      {[]time.Duration{time.Second}, 9 * time.Second},
		"once, ten ago":       {[]time.Duration{10 * time.Second}, 0},
		"twice":               {[]time.Duration{15 * time.Second, 5 * time.Second}, 15 * time.Second},
		"three times":         {[]time.Duration{time.Minute, 15 * time.Second, 0}, 40 * time.Second},
		"eight in a row":      {[]time.Duration{7 * time.Minute, 6 * time.Minute, 5 * time.Minute, 4 * time.Minute, 3 * time.Minute, 2 * time.Minute, time.Minute, 0}, 10 * time.Minute},
		"one of them is old":  {[]time.Duration{3 * time.Hour, 0}, 10 * time.Second},
		"all of them are old": {[]time.Duration{4 * time.Hour, 3 * time.Hour}, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := decide(want(on), healed(off, tc.ago...), seen(mid)) // other than before: no fight
			if c.Due() != (tc.next == 0) || c.State != Differs || c.Fight != nil {
				t.Errorf("%+v", c)
			}
			if tc.next > 0 && (!c.Next.Equal(now.Add(tc.next)) || !strings.Contains(c.Withheld, "not put back before")) {
				t.Errorf("next at %v (%s), want %v", c.Next.Sub(now), c.Withheld, tc.next)
			}
		})
	}
}

func TestFailure_A33_Fight(t *testing.T) {
	h := time.Hour
	other := healed(mid, 20*h, 10*h)
	other.Heals = append(other.Heals, healed(off, 5*h).Heals...)
	between := healed(mid, 20*h, 10*h)
	between.Heals = append(append(between.Heals, healed(off, 5*h).Heals...), healed(mid, 3*h).Heals...)
	tests := map[string]struct {
		last  *resource.Applied
		fight bool
	}{
		"twice":                        {healed(mid, 20*h, 10*h), false},
		"three times":                  {healed(mid, 20*h, 10*h, 3*h), true},
		"three times, found late":      {healed(mid, 200*h, 190*h, 180*h), true},
		"four times":                   {healed(mid, 23*h, 20*h, 10*h, 3*h), true},
		"a day in between":             {healed(mid, 49*h, 24*h, 3*h), false},
		"just less than a day":         {healed(mid, 48*h, 24*h, 3*h), true},
		"against something else twice": {other, false},
		"something else in between":    {between, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := decide(want(on), tc.last, seen(mid))
			if (c.Fight != nil) != tc.fight || c.Due() == tc.fight || c.State != Differs {
				t.Fatalf("%+v", c)
			}
			if !tc.fight {
				return
			}
			back := tc.last.Heals[len(tc.last.Heals)-1].At
			if !c.Fight.PutBack.Equal(back) || !c.Fight.Found.Equal(now) {
				t.Errorf("fight %+v, want %v and %v", c.Fight, back, now)
			}
			for _, word := range []string{back.Format(time.RFC3339), now.Format(time.RFC3339), "weir settle acc/K/x again"} {
				if !strings.Contains(c.Withheld, word) {
					t.Errorf("%q lacks %s", c.Withheld, word)
				}
			}
		})
	}
}

// TestFailure_A33_FightIsRemembered: the time at which it was found again is
// kept, whatever is read later; what follows ends it only as it should.
func TestFailure_A33_FightIsRemembered(t *testing.T) {
	h := time.Hour
	stopped := decide(want(on), healed(mid, 20*h, 10*h, 3*h), seen(mid)).Record
	if stopped == nil || len(stopped.Heals) != 4 || !stopped.At.Equal(last(on).At) {
		t.Fatalf("record %+v", stopped)
	}
	at := func(l *resource.Applied, s resource.Spec, later time.Duration) Change {
		o := seen(s)
		o.At = now.Add(later)
		in := input(Policy{Mode: Sync, HealDrift: true}, []resource.Resource{*want(on)}, []resource.Applied{*l}, *o)
		in.Now = now.Add(later)
		return first(Diff(in))
	}
	if c := at(stopped, mid, 100*h); c.Fight == nil || !c.Fight.Found.Equal(now) || c.Record != nil {
		t.Errorf("days later: %+v", c)
	}
	if c := at(stopped, off, h); c.Fight != nil || !c.Due() {
		t.Errorf("another change is not put back: %+v", c)
	}
	agrees := at(stopped, on, 50*h).Record
	if agrees == nil || len(agrees.Heals) != 4 {
		t.Fatalf("seen as declared: %+v", agrees)
	}
	if c := at(agrees, on, 73*h); c.Record != nil || c.State != InSync {
		t.Errorf("not a day as declared: %+v", c)
	}
	again := at(agrees, mid, 73*h)
	if again.Fight == nil || !again.Fight.Found.Equal(now.Add(73*h)) || again.Record == nil {
		t.Fatalf("found again: %+v", again)
	}
	anew := at(again.Record, on, 80*h).Record
	if c := at(anew, on, 103*h); c.Record != nil {
		t.Error("the day did not begin anew")
	}
	free := at(anew, on, 104*h).Record
	if free == nil || len(free.Heals) != 0 {
		t.Fatalf("a day as declared: %+v", free)
	}
	if c := at(free, mid, 105*h); !c.Due() {
		t.Errorf("after a day: %+v", c)
	}
}

// TestFailure_A33_WhatEndsAFight: an edit, also one that meets the fight, and
// policies that keep weir from healing at all.
func TestFailure_A33_WhatEndsAFight(t *testing.T) {
	fought := healed(mid, 20*time.Hour, 10*time.Hour, 3*time.Hour)
	if c := decide(want(off), fought, seen(mid)); c.Reason != Conflict || !c.Due() || len(c.HealsAfter(now)) != 1 {
		t.Errorf("edited while it is fought over: %+v", c)
	}
	if c := decide(want(off), fought, seen(on)); c.Reason != Edited || !c.Due() || len(c.HealsAfter(now)) != 0 {
		t.Errorf("edited: %+v", c)
	}
	if c := decide(want(mid), fought, seen(mid)); !c.Adopt || len(c.HealsAfter(now)) != 0 {
		t.Errorf("edited into what is there: %+v", c)
	}
	if c := decide(want(on), fought, blind()); c.Fight != nil || c.Record != nil || len(c.HealsAfter(now)) != 3 {
		t.Errorf("unread: %+v", c)
	}
	for name, p := range map[string]Policy{"observe": {Mode: Observe, HealDrift: true}, "report": {Mode: Sync}} {
		c := first(Diff(input(p, []resource.Resource{*want(on)}, []resource.Applied{*fought}, *seen(mid))))
		if c.Fight != nil || c.Record != nil || c.Due() {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestHealsAfter(t *testing.T) {
	eight := healed(mid, 8, 7, 6, 5, 4, 3, 2, 1).Heals
	tests := map[Reason]int{Drifted: 8, Conflict: 1, New: 0, Edited: 0, Expired: 8, Restart: 8, "": 8}
	for reason, n := range tests {
		got := Change{Reason: reason, Before: mid, Heals: eight}.HealsAfter(now)
		if len(got) != n {
			t.Errorf("%s: %d heals, want %d", reason, len(got), n)
		}
		if reason == Drifted && (!got[7].At.Equal(now) || got[7].Found != foundMark(mid) || got[0] != eight[1]) {
			t.Errorf("heals %+v", got)
		}
	}
	left := append(healed(mid, 3, 2).Heals, resource.Heal{At: now, Found: resource.HealLeft})
	if got := (Change{Reason: Drifted, Before: off, Heals: left}).HealsAfter(now); len(got) != 3 || !got[2].PutBack() {
		t.Errorf("the mark stays: %+v", got)
	}
	if len(eight) != resource.HealsKept || foundMark(mid) == foundMark(on) {
		t.Error("the test is not what it says")
	}
}

// TestFailure_P11_AnothersRecordIsNoEdit: what another process has applied over
// what this one made true is drift; an edit of the own declaration stays one.
func TestFailure_P11_AnothersRecordIsNoEdit(t *testing.T) {
	tests := map[string]struct {
		own, want, last, seen resource.Spec
		reason                Reason
		due                   bool
	}{
		"another applied":            {on, on, mid, mid, Drifted, true},
		"and somebody changed that":  {on, on, mid, off, Drifted, true},
		"another applied, undone":    {on, on, mid, on, "", false},
		"nothing is known of us":     {"", on, mid, mid, Edited, true},
		"edited here":                {mid, on, mid, mid, Edited, true},
		"edited here, and elsewhere": {off, on, mid, mid, Edited, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			record := last(tc.last)
			record.Heals = healed(off, time.Hour).Heals
			in := input(Policy{Mode: Sync, HealDrift: true}, []resource.Resource{*want(tc.want)}, []resource.Applied{*record}, *seen(tc.seen))
			if tc.own != "" {
				in.Own = map[resource.ID]resource.Spec{id: tc.own}
			}
			c := first(Diff(in))
			if c.Reason != tc.reason || c.Due() != tc.due {
				t.Errorf("%+v", c)
			}
			if keeps := tc.reason != Edited; (len(c.Heals) == 1) != keeps {
				t.Errorf("heals %+v", c.Heals)
			}
		})
	}
}
