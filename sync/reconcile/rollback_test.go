package reconcile

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/apply"
	"weir/sync/emulator"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
)

// other returns a reconciler of another process that shares store and clouds.
func (h *house) other(changes ...change) *Reconciler {
	h.t.Helper()
	mine, registry := h.rec, h.registry
	h.build(changes...)
	r := h.rec
	h.rec, h.registry = mine, registry
	return r
}

// rollback rolls a plan back as the command does, with consent, beside the loop.
func (h *house) rollback(name string, changes ...change) (*Undo, *apply.Report) {
	h.t.Helper()
	r := h.other(changes...)
	u, err := r.Undo(context.Background(), name, "jane")
	if err != nil {
		h.t.Fatal(err)
	}
	u.Plan.Held = nil
	rep, err := r.Rollback(context.Background(), u, func(context.Context) error {
		h.rec.MarkFull()
		time.Sleep(2 * time.Second)
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.rec.MarkFull()
	return u, rep
}

// directory gives the house a source whose revisions are marked.
func directory(_ *house, o *Options) { o.Feeds[0].Follows = "dir" }

// records returns the specs that weir says it applied.
func (h *house) records() map[resource.ID]resource.Spec {
	h.t.Helper()
	list, err := h.store.Applied(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	out := map[resource.ID]resource.Spec{}
	for _, rec := range list {
		out[rec.ID] = rec.Spec
	}
	return out
}

// changed puts another value into a document.
func changed(doc, old, with string) string { return strings.Replace(doc, old, with, 1) }

// TestRollbackOfEachKind: what a revision created, changed or removed is as it
// was, in the clouds and in the records, and stays so. Some is said and not
// called.
func TestRollbackOfEachKind(t *testing.T) {
	const none = ""
	until := changed(forbid, "allowed: false", "allowed: false, until: 2000-06-01T00:00:00Z")
	for name, tc := range map[string]struct {
		before, after string
		writes        []string // of the rollback
		note          string
		forgets       bool // what cannot be read is not known as before
	}{
		"switch created":    {none, multiOn, []string{"SetLiveDomainMultiStreamConfig off"}, "", false},
		"switch changed":    {multiOff, multiOn, []string{"SetLiveDomainMultiStreamConfig off"}, "", false},
		"switch removed":    {multiOn, none, []string{"SetLiveDomainMultiStreamConfig on"}, "", false},
		"block created":     {none, forbid, []string{"ResumeLiveStream bad"}, "", false},
		"block lifted":      {forbid, changed(forbid, "false", "true"), []string{"ForbidLiveStream bad"}, "", false},
		"block changed":     {forbid, until, []string{"ForbidLiveStream bad"}, "", false},
		"block removed":     {until, none, []string{"ForbidLiveStream bad"}, "", false},
		"recording created": {none, record, []string{"RealTimeRecordCommand stop"}, "", false},
		"recording stopped": {record, stopped, []string{"RealTimeRecordCommand start"}, "", false},
		"recording removed": {record, none, []string{"RealTimeRecordCommand start"}, "", false},
		"recording restarted": {
			record, restart, nil, "a restart cannot be taken back", false,
		},
		"prefetch created": {none, prefetchOnce, nil, "cannot be undone in the cloud; only forgotten", false},
		"prefetch wider": {
			prefetchOnce, changed(prefetchOnce, "SG, NO", "SG, NO, SHH"), nil, "not undone in the cloud: SHH", false,
		},
		"relay created": {none, relay, []string{"DeleteRelaySourceV3"}, "", false},
		"relay changed": {relayShort, relay, []string{"UpdateRelaySourceV3", "DeleteRelaySourceV3 b"}, "", false},
		"relay removed": {relay, none, []string{"UpdateRelaySourceV3"}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, []change{loose, directory}, func(h *house) {
				h.onAir(true, "main")
				keep := changed(multiOff, "live.example.com", "live.other.example.com")
				h.commit("a.yaml", keep, "b.yaml", tc.before)
				h.wait(2 * time.Minute)
				was, world := h.records(), held(h.clouds.World())
				h.commit("a.yaml", keep, "b.yaml", tc.after)
				h.wait(2 * time.Minute)
				if len(h.rec.Status().Plan.Held) > 0 { // it interrupts what is on air
					h.consent("jane")
					h.wait(2 * time.Minute)
				}
				h.writes()
				u, rep := h.rollback("", loose, directory)
				got := h.writes()
				merged := slices.DeleteFunc(slices.Clone(tc.writes), func(w string) bool { return w == "DeleteRelaySourceV3 b" && !slices.Contains(got, w) })
				slices.Sort(merged)
				if !slices.Equal(got, merged) || rep.Failed() {
					t.Errorf("writes %v, want %v; %+v", got, tc.writes, rep.Results)
				}
				if tc.note != "" && !strings.Contains(u.Plan.Changes[0].Note, tc.note) {
					t.Errorf("note %q, want %q", u.Plan.Changes[0].Note, tc.note)
				}
				for _, c := range u.Plan.Changes {
					if c.Reason != plan.RolledBack || c.Origin.Author != "jane" || c.Origin.String() != "rollback of "+short(u.Of.Plan) {
						t.Errorf("change %+v", c)
					}
				}
				if now := h.records(); !maps.Equal(now, was) {
					t.Errorf("records %v, want %v", now, was)
				}
				if now := held(h.clouds.World()); tc.note == "" && !slices.Equal(now, world) {
					t.Errorf("clouds %v, want %v", now, world)
				}
				h.wait(10 * time.Minute)
				h.expectWrites()
			})
		})
	}
}

// held returns what the clouds hold beyond their defaults. Of the end of a block
// only one that was asked for: in June.
func held(w emulator.World) []string {
	var out []string
	for _, d := range w.Domains {
		if d.MultiStream == "on" {
			out = append(out, d.Name+" on")
		}
	}
	for _, b := range w.Blocked {
		end := ""
		if b.Until.Month() == time.June {
			end = b.Until.String()
		}
		out = append(out, b.Domain+"/"+b.App+"/"+b.Stream+" "+end)
	}
	for _, s := range w.RelaySources {
		groups, _ := resource.NewSpec(s.Groups)
		out = append(out, s.Vhost+"/"+s.App+" "+string(groups))
	}
	return out
}

func sameJSON(a, b any) bool {
	x, _ := resource.NewSpec(a)
	y, _ := resource.NewSpec(b)
	return x.Equal(y)
}

// TestRollbackWithAHistory: the revision before is in force afterwards, whole,
// and the next commit ends the pin. The journal says why.
func TestRollbackWithAHistory(t *testing.T) {
	inBook(t, []change{loose}, func(h *house, b *book, verdicts *[]Verdict) {
		first := b.turn(h, "a.yaml", multiOn)
		h.wait(3 * time.Second)
		second := b.turn(h, "a.yaml", multiOff, "b.yaml", relay)
		h.wait(time.Minute)
		h.writes()
		u, rep := h.rollback("", loose, withBook(b, verdicts))
		if rep.Summary[apply.Done] != 2 || u.Forward || len(u.Left) != 0 || len(u.Pins) != 1 || u.Pins[0].Revision != second {
			t.Errorf("undo %+v, report %+v", u, rep)
		}
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "DeleteRelaySourceV3")
		h.wait(10 * time.Minute)
		h.expectWrites()
		if s := h.rec.Status().Sources[0]; s.InForce != first || s.Pinned == nil || s.Pinned.Plan != u.Of.Plan {
			t.Errorf("source %+v", s)
		}
		entries, err := h.store.Journal(context.Background(), state.Query{Plan: u.Plan.Hash})
		if err != nil || len(entries) == 0 || entries[0].Change.Reason != "rolled-back" || entries[0].Revision != "rollback:"+u.Of.Plan {
			t.Errorf("journal %+v, %v", entries, err)
		}
		list, err := h.store.Applied(context.Background())
		if err != nil || len(list) != 1 || list[0].Origin.String() != "a.yaml:1" || list[0].Revision != first {
			t.Errorf("records %+v, %v", list, err)
		}
		h.stop()
		h.build(loose, withBook(b, verdicts))
		h.start()
		h.wait(10 * time.Minute)
		h.expectWrites()
		b.turn(h, "a.yaml", multiOff, "b.yaml", relayShort)
		h.wait(3 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig off", "UpdateRelaySourceV3")
		if m := h.marked(bookPlace); m[state.Pinned] != "" || m[state.Former] != first {
			t.Errorf("marks %v", m)
		}
	})
}

// TestRollForward: the rollback of a rollback makes the revision hold again, and
// one more pins it again.
func TestRollForward(t *testing.T) {
	inBook(t, []change{loose}, func(h *house, b *book, verdicts *[]Verdict) {
		first := b.turn(h, "a.yaml", multiOn)
		h.wait(3 * time.Second)
		second := b.turn(h, "a.yaml", multiOff, "b.yaml", relay)
		h.wait(time.Minute)
		same := []change{loose, withBook(b, verdicts)}
		u, _ := h.rollback("", same...)
		h.wait(time.Minute)
		h.writes()
		if _, err := h.other(same...).Undo(context.Background(), "", "jane"); err == nil || !strings.Contains(err.Error(), "itself the rollback of "+short(u.Of.Plan)) {
			t.Errorf("the last plan is a rollback: %v", err)
		}
		forward, rep := h.rollback(u.Plan.Hash[:8], same...)
		if !forward.Forward || rep.Failed() {
			t.Errorf("forward %+v, %+v", forward, rep)
		}
		h.expectWrites("SetLiveDomainMultiStreamConfig off", "UpdateRelaySourceV3")
		h.wait(10 * time.Minute)
		h.expectWrites()
		if s := h.rec.Status().Sources[0]; s.InForce != second || s.Pinned != nil {
			t.Errorf("source %+v", s)
		}
		back, _ := h.rollback(forward.Plan.Hash, same...)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "DeleteRelaySourceV3")
		h.wait(10 * time.Minute)
		h.expectWrites()
		if s := h.rec.Status().Sources[0]; s.InForce != first || s.Pinned == nil || back.Forward {
			t.Errorf("source %+v", s)
		}
	})
}

// TestRollbackOfAnAdoption: what a revision took over from others is theirs
// again, and so is not removed when the revision before does not declare it.
func TestRollbackOfAnAdoption(t *testing.T) {
	inBook(t, []change{loose}, func(h *house, b *book, verdicts *[]Verdict) {
		foreign := []emulator.RelayGroup{{Name: "g", Servers: []emulator.RelayServer{{Address: "x.example.org", Protocol: "rtmp"}}}}
		h.patch(emulator.World{RelaySources: []emulator.RelaySource{{Vhost: "push.example.com", App: "live", Groups: foreign}}})
		b.turn(h, "a.yaml", multiOn)
		h.wait(3 * time.Second)
		b.turn(h, "a.yaml", multiOn, "b.yaml", relay)
		h.wait(2 * time.Minute)
		h.writes()
		_, rep := h.rollback("", loose, withBook(b, verdicts))
		if rep.Failed() || len(h.records()) != 1 {
			t.Errorf("report %+v, records %v", rep, h.records())
		}
		h.wait(20 * time.Minute)
		got := h.clouds.World().RelaySources
		if len(got) != 1 || !sameJSON(got[0].Groups, foreign) {
			t.Errorf("relay sources %+v", got)
		}
	})
}

// TestRollbackOfPartOfAPlan: only what was done is undone, and what is in doubt.
func TestRollbackOfPartOfAPlan(t *testing.T) {
	inTime(t, []change{loose, directory}, func(h *house) {
		h.commit("a.yaml", multiOff)
		h.wait(3 * time.Second)
		h.writes()
		h.faults(emulator.Fault{Operation: "UpdateRelaySourceV3", Kind: "error", Code: "InvalidParameter", Status: 400})
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(500 * time.Millisecond)
		h.writes()
		u, _ := h.rollback("", loose, directory)
		if len(u.Plan.Changes) != 1 {
			t.Errorf("changes %+v", u.Plan.Changes)
		}
		h.expectWrites("SetLiveDomainMultiStreamConfig off")
		h.faults()
		h.wait(10 * time.Minute)
		h.expectWrites()
	})
}

// TestRollbackOfWhatMovedSince: it is left, named, alone; then nothing of the
// source comes into force, since not all of it is as it was.
func TestRollbackOfWhatMovedSince(t *testing.T) {
	inBook(t, []change{loose}, func(h *house, b *book, verdicts *[]Verdict) {
		report := func(_ *house, o *Options) { o.Policy.HealDrift = false }
		same := []change{loose, report, withBook(b, verdicts)}
		h.stop()
		h.build(same...)
		h.start()
		b.turn(h, "a.yaml", multiOn, "b.yaml", relayShort)
		h.wait(time.Minute)
		b.turn(h, "a.yaml", multiOff, "b.yaml", relay)
		h.wait(2 * time.Minute)
		h.writes()
		h.patch(emulator.World{RelaySources: []emulator.RelaySource{{Vhost: "push.example.com", App: "live", Groups: []emulator.RelayGroup{
			{Name: "z", Servers: []emulator.RelayServer{{Address: "z.example.org", Protocol: "rtmp"}}},
		}}}})
		u, rep := h.rollback("", same...)
		if len(u.Left) != 1 || u.Left[0].ID.Kind != "RelaySource" || !strings.Contains(u.Left[0].Error, "it has moved since") || !rep.Failed() {
			t.Errorf("left %+v, report %+v", u.Left, rep)
		}
		h.expectWrites("SetLiveDomainMultiStreamConfig on")
		h.wait(10 * time.Minute)
		h.expectWrites()
		if s := h.rec.Status().Sources[0]; s.InForce != "" || s.Pinned == nil || s.Pinned.Plan != "" {
			t.Errorf("source %+v", s)
		}
	})
}

// TestRollbackRefuses: what only the source can say is left to it.
func TestRollbackRefuses(t *testing.T) {
	inBook(t, []change{loose}, func(h *house, b *book, verdicts *[]Verdict) {
		same := []change{loose, withBook(b, verdicts)}
		refused := func(name, want string) {
			t.Helper()
			if _, err := h.other(same...).Undo(context.Background(), name, "jane"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("rollback of %q: %v, want %q", name, err, want)
			}
		}
		refused("", "the journal has no plan that changed anything")
		b.turn(h, "a.yaml", multiOn)
		h.wait(3 * time.Second)
		plans, err := h.other(same...).Plans(context.Background(), 5)
		if err != nil || len(plans) != 1 || plans[0].Resources != 1 || plans[0].By != "Jane Doe <jane@example.com>" {
			t.Fatalf("plans %+v, %v", plans, err)
		}
		first := plans[0].Plan
		refused("0000000", "no plan 0000000 that changed anything")
		refused("abc", "at least 6 digits")
		refused("no-hash-at-all", "at least 6 digits")
		h.switched("off") // and the loop heals it
		h.rec.MarkFull()
		h.wait(time.Minute)
		plans, err = h.other(same...).Plans(context.Background(), 5)
		if err != nil || len(plans) != 2 || !plans[0].Upkeep {
			t.Fatalf("plans %+v, %v", plans, err)
		}
		refused(plans[0].Plan, "did nothing that can be undone")
		b.turn(h, "a.yaml", multiOn, "b.yaml", relay)
		h.wait(time.Minute)
		refused(first, "revert the commit in git instead")
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "SetLiveDomainMultiStreamConfig on", "UpdateRelaySourceV3")
		if m := h.marked(bookPlace); m[state.Pinned] != "" {
			t.Errorf("marks %v", m)
		}
	})
}

// TestRollbackWhileTheLoopIsBusy: the loop is making the very plan, call by
// call, when it is rolled back. What it made is taken back, and nothing comes after.
func TestRollbackWhileTheLoopIsBusy(t *testing.T) {
	slow := func(h *house, _ *Options) { h.share = 0.1 }
	inTime(t, []change{slow, loose, directory}, func(h *house) {
		h.commit("a.yaml", multiOn)
		h.wait(time.Minute)
		var list []string
		for i := range 200 {
			list = append(list, changed(forbid, "stream: bad", "stream: s"+strings.Repeat("x", i%20)+string(rune('a'+i/20))))
		}
		h.commit("a.yaml", multiOn, "b.yaml", strings.Join(list, "---\n"))
		for len(h.clouds.World().Blocked) < 20 {
			h.wait(100 * time.Millisecond)
		}
		r := h.other(slow, loose, directory)
		u, err := r.Undo(context.Background(), "", "jane")
		if err != nil {
			t.Fatal(err)
		}
		u.Plan.Held = nil
		settle := func(context.Context) error { time.Sleep(5 * time.Second); return nil }
		if rep, err := r.Rollback(context.Background(), u, settle); err != nil || rep.Failed() {
			t.Errorf("report %+v, %v", rep, err)
		}
		if m := h.marked("dir"); m[state.Pinned] == "" {
			t.Errorf("marks %v", m)
		}
		h.wait(10 * time.Minute)
		if left := h.clouds.World().Blocked; len(left) != 0 {
			t.Errorf("%d are left, or came after", len(left))
		}
	})
}

// TestRollbackHeldByAGuard: a rollback is guarded as any plan, and pins nothing
// while it is held.
func TestRollbackHeldByAGuard(t *testing.T) {
	inTime(t, []change{directory}, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(time.Minute)
		h.writes()
		r := h.other(directory)
		u, err := r.Undo(context.Background(), "", "jane")
		if err != nil {
			t.Fatal(err)
		}
		if len(u.Plan.Held) != 1 || u.Plan.Held[0].Guard != "removals-percent" {
			t.Errorf("held %+v", u.Plan.Held)
		}
		rep, err := r.Rollback(context.Background(), u, func(context.Context) error { return nil })
		if err != nil || !rep.Failed() {
			t.Errorf("report %+v, %v", rep, err)
		}
		h.wait(10 * time.Minute)
		h.expectWrites()
		if m := h.marked("dir"); m[state.Pinned] != "" {
			t.Errorf("marks %v", m)
		}
	})
}

// TestRollbackOfALostAnswer: what may have been done is looked at and undone
// where it was.
func TestRollbackOfALostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		lost := emulator.Fault{Operation: "UpdateRelaySourceV3", Kind: "lost-response"}
		blind := emulator.Fault{Operation: "DescribeRelaySourceV3", Kind: "error", Code: "InternalError", Status: 500}
		g := &gate{operation: "UpdateRelaySourceV3", act: func() { h.faults(lost, blind) }}
		h.through = func(next http.RoundTripper) http.RoundTripper { g.next = next; return g }
		h.build(loose, directory)
		h.commit("a.yaml", relay)
		h.start()
		h.wait(20 * time.Second)
		h.faults()
		h.stop()
		h.writes()
		if len(h.clouds.World().RelaySources) != 1 || len(h.records()) != 0 {
			t.Fatalf("want a write that is not known: %+v, %v", h.clouds.World().RelaySources, h.records())
		}
		h.rollback("", loose, directory)
		h.expectWrites("DeleteRelaySourceV3")
		if len(h.records()) != 0 {
			t.Errorf("records %v", h.records())
		}
	})
}

// TestRollbackOfWhatALaterPlanChanged: a resource that a later plan made
// something else is left, named, alone.
func TestRollbackOfWhatALaterPlanChanged(t *testing.T) {
	inTime(t, []change{loose, directory}, func(h *house) {
		h.commit("a.yaml", multiOff, "b.yaml", relay)
		h.wait(2 * time.Minute)
		h.commit("a.yaml", multiOn, "b.yaml", relayShort)
		h.wait(2 * time.Minute)
		_, err := h.store.Open(context.Background(), state.Entry{
			Opened: time.Now(), Account: "ali", Operation: "SetLiveDomainMultiStreamConfig", Write: true,
			Resource: "ali/MultiStream/live.example.com", Plan: "ffffffffffff", Outcome: state.Outcome{Closed: time.Now(), Code: "ok"},
			Change: &state.Change{Action: "update", Reason: "edited", Before: "{}", After: `{"domain":"elsewhere"}`},
		})
		if err != nil {
			t.Fatal(err)
		}
		plans, err := h.other(loose, directory).Plans(context.Background(), 2)
		if err != nil || len(plans) != 2 {
			t.Fatalf("plans %+v, %v", plans, err)
		}
		u, err := h.other(loose, directory).Undo(context.Background(), plans[1].Plan, "jane")
		if err != nil {
			t.Fatal(err)
		}
		if len(u.Plan.Changes) != 1 || len(u.Left) != 1 || !strings.Contains(u.Left[0].Error, "plan ffffffffffff has changed it since") {
			t.Errorf("changes %+v, left %+v", u.Plan.Changes, u.Left)
		}
	})
}

// TestRollbackPinsOnlyTheSourcesOfItsChanges: the other goes on with what is its
// own, as does a fresh revision of it.
func TestRollbackPinsOnlyTheSourcesOfItsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		other := newTree()
		two := func(_ *house, o *Options) {
			o.Feeds[0].Follows = "dir"
			o.Feeds = append(o.Feeds, Feed{Name: "other", Source: other, Loader: o.Feeds[0].Loader, Follows: "other"})
		}
		h.build(loose, two)
		h.start()
		defer func() { h.stop() }()
		h.commit("a.yaml", multiOff)
		say(other, "o1", relay)
		h.wait(2 * time.Minute)
		h.commit("a.yaml", multiOn)
		h.wait(2 * time.Minute)
		h.writes()
		u, _ := h.rollback("", loose, two)
		if len(u.Pins) != 1 || u.Pins[0].Source != "live" {
			t.Errorf("pins %+v", u.Pins)
		}
		h.expectWrites("SetLiveDomainMultiStreamConfig off")
		h.patch(emulator.World{RelaySources: []emulator.RelaySource{{Vhost: "push.example.com", App: "live", Deleted: true}}})
		h.wait(10 * time.Minute)
		h.expectWrites("UpdateRelaySourceV3") // healed: it is not what was rolled back
		say(other, "o2", "# nothing\n"+forbid)
		h.wait(2 * time.Minute)
		h.expectWrites("ForbidLiveStream bad", "DeleteRelaySourceV3")
		if s := h.rec.Status(); s.Sources[0].Pinned == nil || s.Sources[1].Pinned != nil || s.Sources[1].InForce != "o2" {
			t.Errorf("sources %+v", s.Sources)
		}
	})
}

// TestRollbackAfterOneThatDidNotEnd: a rollback whose process died in between is
// made again, and ends what it began.
func TestRollbackAfterOneThatDidNotEnd(t *testing.T) {
	inBook(t, []change{loose}, func(h *house, b *book, verdicts *[]Verdict) {
		same := []change{loose, withBook(b, verdicts)}
		first := b.turn(h, "a.yaml", multiOff)
		h.wait(time.Minute)
		b.turn(h, "a.yaml", multiOn, "b.yaml", relay)
		h.wait(2 * time.Minute)
		h.writes()
		r := h.other(same...)
		u, err := r.Undo(context.Background(), "", "jane")
		if err != nil {
			t.Fatal(err)
		}
		h.faults(emulator.Fault{Operation: "DeleteRelaySourceV3", Kind: "error", Code: "InvalidParameter", Status: 400})
		u.Plan.Held = nil
		rep, err := r.Rollback(context.Background(), u, func(context.Context) error { h.rec.MarkFull(); time.Sleep(2 * time.Second); return nil })
		if err != nil || !rep.Failed() {
			t.Fatalf("report %+v, %v", rep, err)
		}
		h.faults()
		h.wait(10 * time.Minute)
		h.expectWrites("SetLiveDomainMultiStreamConfig off", "DeleteRelaySourceV3: InvalidParameter")
		if s := h.rec.Status().Sources[0]; s.InForce != "" || !strings.Contains(s.Pinned.Text, "has not ended") {
			t.Errorf("source %+v", s)
		}
		again, rep := h.rollback(u.Of.Plan, same...)
		if rep.Failed() || len(again.Left) != 0 {
			t.Errorf("again %+v, report %+v", again, rep)
		}
		h.wait(10 * time.Minute)
		h.expectWrites("DeleteRelaySourceV3")
		if s := h.rec.Status().Sources[0]; s.InForce != first || s.Pinned.Plan != u.Of.Plan {
			t.Errorf("source %+v", s)
		}
	})
}

// TestRollbackNamesThePlansBeside: a revision that took two plans, since a call
// failed at first, is undone plan by plan; each names the other.
func TestRollbackNamesThePlansBeside(t *testing.T) {
	inTime(t, []change{loose, directory}, func(h *house) {
		h.commit("a.yaml", multiOff)
		h.wait(time.Minute)
		h.faults(emulator.Fault{Operation: "UpdateRelaySourceV3", Kind: "error", Code: "InvalidParameter", Status: 400, Count: 1})
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(2 * time.Minute)
		h.writes()
		u, _ := h.rollback("", loose, directory)
		if len(u.Plan.Changes) != 1 || len(u.Others) != 1 || u.Others[0].Resources != 1 {
			t.Fatalf("changes %+v, others %+v", u.Plan.Changes, u.Others)
		}
		h.expectWrites("DeleteRelaySourceV3")
		h.rollback(u.Others[0].Plan, loose, directory)
		h.expectWrites("SetLiveDomainMultiStreamConfig off")
		h.wait(10 * time.Minute)
		h.expectWrites()
	})
}

// TestRollbackWaitsForWhatOnlyAPersonKnows: a stop whose answer was lost is not
// made twice; the rollback has not ended before somebody settles it.
func TestRollbackWaitsForWhatOnlyAPersonKnows(t *testing.T) {
	inTime(t, []change{loose, directory}, func(h *house) {
		h.onAir(true, "main")
		h.commit("a.yaml", multiOff)
		h.wait(time.Minute)
		h.commit("a.yaml", multiOff, "b.yaml", record)
		h.wait(2 * time.Minute)
		h.writes()
		h.faults(emulator.Fault{Operation: "RealTimeRecordCommand", Kind: "lost-response"})
		u, rep := h.rollback("", loose, directory)
		if !rep.Failed() {
			t.Errorf("report %+v", rep)
		}
		h.faults()
		again, rep := h.rollback(u.Of.Plan, loose, directory)
		if len(again.Left) != 1 || !strings.Contains(again.Left[0].Error, "settle") || !rep.Failed() {
			t.Errorf("left %+v, report %+v", again.Left, rep)
		}
		h.expectWrites("RealTimeRecordCommand stop")
		if s := h.rec.Status().Sources[0]; s.Pinned == nil || s.Pinned.Plan != "" {
			t.Errorf("source %+v", s)
		}
		for _, act := range h.inDoubt() {
			act.Done = time.Now()
			if err := h.store.Settle(context.Background(), act); err != nil {
				t.Fatal(err)
			}
		}
		if _, rep := h.rollback(u.Of.Plan, loose, directory); rep.Failed() {
			t.Errorf("report %+v", rep)
		}
		h.wait(time.Minute)
		h.expectWrites()
		if s := h.rec.Status().Sources[0]; s.Pinned == nil || s.Pinned.Plan != u.Of.Plan || len(h.records()) != 1 {
			t.Errorf("source %+v, records %v", s, h.records())
		}
	})
}
