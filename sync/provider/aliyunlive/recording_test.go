package aliyunlive

import (
	"slices"
	"strings"
	"testing"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
)

func record(state, finish, restart string) recording {
	return recording{Domain: "d.example.com", App: "live", Stream: "s1", State: state, Finish: finish, Restart: restart}
}

func running(restart string) recording { return record(stateRecording, "", restart) }

func onAir(epoch string) *resource.Observation {
	return &resource.Observation{Live: true, Epoch: epoch}
}

func offAir() *resource.Observation { return &resource.Observation{} }

// recordingCase is a line of the tables below.
type recordingCase struct {
	name string
	c    plan.Case
	want outcome
	acts []string
}

func (rc recordingCase) run(t *testing.T) {
	rc.c.Now = now()
	v := judgeRecording(rc.c)
	rc.want.check(t, v)
	if got := names(v.Acts); !slices.Equal(got, rc.acts) {
		t.Errorf("acts %v, want %v", got, rc.acts)
	}
	if v.State == plan.InSync {
		t.Error("a recording can never be known to be in sync")
	}
	if v.Before != rc.c.LastSpec() || v.After != rc.c.WantSpec() {
		t.Errorf("before %s, after %s", v.Before, v.After)
	}
	if len(v.Acts) > 0 && v.Epoch != rc.c.Seen.Epoch {
		t.Errorf("epoch %q, want that of the ingest on air", v.Epoch)
	}
}

func TestJudgeRecordingWanted(t *testing.T) {
	waits := "starts when the stream is on air"
	stopped := record(stateStopped, finishDelayed, "")
	for _, rc := range []recordingCase{
		{
			"unreadable",
			plan.Case{Want: wantOf(t, running("")), Seen: unreadable()},
			outcome{plan.None, "", plan.Unknown, "Throttling.User"},
			[]string{},
		},
		{
			"not read",
			plan.Case{Want: wantOf(t, running(""))},
			outcome{plan.None, "", plan.Unknown, "not read yet"},
			[]string{},
		},
		{
			"new, off air",
			plan.Case{Want: wantOf(t, running("")), Seen: offAir()},
			outcome{plan.Create, plan.New, plan.Waiting, waits},
			[]string{},
		},
		{
			"edited, off air",
			plan.Case{Want: wantOf(t, running("")), Last: lastOf(t, firstIngest, stopped), Seen: offAir()},
			outcome{plan.Update, plan.Edited, plan.Waiting, waits},
			[]string{},
		},
		{
			"applied before, off air",
			plan.Case{Want: wantOf(t, running("")), Last: lastOf(t, firstIngest, running("")), Seen: offAir()},
			outcome{plan.None, "", plan.Waiting, waits},
			[]string{},
		},
		{
			"new, on air",
			plan.Case{Want: wantOf(t, running("")), Seen: onAir(firstIngest)},
			outcome{plan.Create, plan.New, plan.Pending, ""},
			[]string{"start"},
		},
		{
			"new with a restart token: the token is the baseline",
			plan.Case{Want: wantOf(t, running("a")), Seen: onAir(firstIngest)},
			outcome{plan.Create, plan.New, plan.Pending, ""},
			[]string{"start"},
		},
		{
			"edited from stopped",
			plan.Case{Want: wantOf(t, running("")), Last: lastOf(t, firstIngest, stopped), Seen: onAir(firstIngest)},
			outcome{plan.Update, plan.Edited, plan.Pending, ""},
			[]string{"start"},
		},
		{
			"another ingest",
			plan.Case{Want: wantOf(t, running("a")), Last: lastOf(t, firstIngest, running("a")), Seen: onAir(secondIngest)},
			outcome{plan.Update, plan.Expired, plan.Pending, ""},
			[]string{"start"},
		},
		{
			"another ingest and another token",
			plan.Case{Want: wantOf(t, running("b")), Last: lastOf(t, firstIngest, running("a")), Seen: onAir(secondIngest)},
			outcome{plan.Update, plan.Edited, plan.Pending, ""},
			[]string{"start"},
		},
		{
			"an ingest without a name is never believed to be the last one",
			plan.Case{Want: wantOf(t, running("a")), Last: lastOf(t, "", running("a")), Seen: onAir("")},
			outcome{plan.Update, plan.Expired, plan.Pending, ""},
			[]string{"start"},
		},
		{
			"believed",
			plan.Case{Want: wantOf(t, running("a")), Last: lastOf(t, firstIngest, running("a")), Seen: onAir(firstIngest)},
			outcome{plan.None, "", plan.Unknown, cannotBeRead},
			[]string{},
		},
		{
			"another token",
			plan.Case{Want: wantOf(t, running("b")), Last: lastOf(t, firstIngest, running("a")), Seen: onAir(firstIngest)},
			outcome{plan.Update, plan.Restart, plan.Pending, ""},
			[]string{"restart"},
		},
		{
			"a first token",
			plan.Case{Want: wantOf(t, running("a")), Last: lastOf(t, firstIngest, running("")), Seen: onAir(firstIngest)},
			outcome{plan.Update, plan.Restart, plan.Pending, ""},
			[]string{"restart"},
		},
		{
			"the token taken away",
			plan.Case{Want: wantOf(t, running("")), Last: lastOf(t, firstIngest, running("a")), Seen: onAir(firstIngest)},
			outcome{plan.Update, plan.Edited, plan.Pending, writtenDown},
			[]string{},
		},
	} {
		t.Run(rc.name, rc.run)
	}
}

func TestJudgeRecordingStopped(t *testing.T) {
	stopped, hurried := record(stateStopped, finishDelayed, ""), record(stateStopped, finishImmediate, "")
	for _, rc := range []recordingCase{
		{
			"unreadable",
			plan.Case{Want: wantOf(t, stopped), Last: lastOf(t, firstIngest, running("")), Seen: unreadable()},
			outcome{plan.None, "", plan.Unknown, "Throttling.User"},
			[]string{},
		},
		{
			"believed to be recording",
			plan.Case{Want: wantOf(t, stopped), Last: lastOf(t, firstIngest, running("")), Seen: onAir(firstIngest)},
			outcome{plan.Update, plan.Edited, plan.Pending, ""},
			[]string{"stop"},
		},
		{
			"believed to be recording, at once",
			plan.Case{Want: wantOf(t, hurried), Last: lastOf(t, firstIngest, running("")), Seen: onAir(firstIngest)},
			outcome{plan.Update, plan.Edited, plan.Pending, ""},
			[]string{"stop", "cancel_delay"},
		},
		{
			"never applied, on air",
			plan.Case{Want: wantOf(t, hurried), Seen: onAir(firstIngest)},
			outcome{plan.Create, plan.New, plan.Pending, ""},
			[]string{"stop", "cancel_delay"},
		},
		{
			"never applied, off air",
			plan.Case{Want: wantOf(t, stopped), Seen: offAir()},
			outcome{plan.Create, plan.New, plan.Pending, writtenDown},
			[]string{},
		},
		{
			"its ingest has ended",
			plan.Case{Want: wantOf(t, stopped), Last: lastOf(t, firstIngest, running("")), Seen: offAir()},
			outcome{plan.Update, plan.Edited, plan.Pending, writtenDown},
			[]string{},
		},
		{
			"its ingest was followed by another",
			plan.Case{Want: wantOf(t, stopped), Last: lastOf(t, firstIngest, running("")), Seen: onAir(secondIngest)},
			outcome{plan.Update, plan.Edited, plan.Pending, ""},
			[]string{"stop"},
		},
		{
			"stopped before",
			plan.Case{Want: wantOf(t, stopped), Last: lastOf(t, firstIngest, stopped), Seen: onAir(firstIngest)},
			outcome{plan.None, "", plan.Unknown, cannotBeRead},
			[]string{},
		},
		{
			"stopped before, another ingest",
			plan.Case{Want: wantOf(t, stopped), Last: lastOf(t, firstIngest, stopped), Seen: onAir(secondIngest)},
			outcome{plan.None, "", plan.Unknown, cannotBeRead},
			[]string{},
		},
		{
			"stopped before, now at once",
			plan.Case{Want: wantOf(t, hurried), Last: lastOf(t, firstIngest, stopped), Seen: onAir(firstIngest)},
			outcome{plan.Update, plan.Edited, plan.Pending, ""},
			[]string{"cancel_delay"},
		},
		{
			"stopped before, now at once, another ingest",
			plan.Case{Want: wantOf(t, hurried), Last: lastOf(t, firstIngest, stopped), Seen: onAir(secondIngest)},
			outcome{plan.Update, plan.Edited, plan.Pending, writtenDown},
			[]string{},
		},
		{
			"stopped at once before, now delayed",
			plan.Case{Want: wantOf(t, stopped), Last: lastOf(t, firstIngest, hurried), Seen: onAir(firstIngest)},
			outcome{plan.Update, plan.Edited, plan.Pending, writtenDown},
			[]string{},
		},
	} {
		t.Run(rc.name, rc.run)
	}
}

func TestJudgeRecordingRemoved(t *testing.T) {
	gone := outcome{plan.Delete, plan.Removed, plan.Pending, nothingToUndo}
	begun := []resource.Act{{Name: "start", Token: secondIngest + "/0", Begun: applied().Add(time.Minute)}}
	for _, rc := range []recordingCase{
		{
			"believed",
			plan.Case{Last: lastOf(t, firstIngest, running("")), Seen: onAir(firstIngest)},
			outcome{plan.Delete, plan.Removed, plan.Pending, ""},
			[]string{"stop"},
		},
		{"off air", plan.Case{Last: lastOf(t, firstIngest, running("")), Seen: offAir()}, gone, []string{}},
		{
			"another ingest",
			plan.Case{Last: lastOf(t, firstIngest, running("")), Seen: onAir(secondIngest)},
			gone,
			[]string{},
		},
		{
			"another ingest, begun and not recorded",
			plan.Case{Last: lastOf(t, firstIngest, running("")), Seen: onAir(secondIngest), Acts: begun},
			outcome{plan.Delete, plan.Removed, plan.Pending, ""},
			[]string{"stop"},
		},
		{
			"stopped",
			plan.Case{Last: lastOf(t, firstIngest, record(stateStopped, finishDelayed, "")), Seen: onAir(firstIngest)},
			gone,
			[]string{},
		},
		{
			"unreadable",
			plan.Case{Last: lastOf(t, firstIngest, running("")), Seen: unreadable()},
			outcome{plan.None, "", plan.Unknown, "Throttling.User"},
			[]string{},
		},
		{"stopped after it was begun", plan.Case{
			Last: lastOf(t, secondIngest, record(stateStopped, finishDelayed, "")), Seen: onAir(secondIngest),
			Acts: []resource.Act{{Name: "start", Token: secondIngest + "/0", Begun: applied().Add(-time.Minute)}},
		}, gone, []string{}},
	} {
		t.Run(rc.name, rc.run)
	}
}

// actsOf returns the acts of v as a store would hold them.
func actsOf(v plan.Verdict, done bool) []resource.Act {
	var out []resource.Act
	for _, a := range v.Acts {
		act := resource.Act{Name: a.Name, Token: a.Token, Begun: now(), Repeatable: a.Repeatable}
		if done {
			act.Done = now().Add(time.Second)
		}
		out = append(out, act)
	}
	return out
}

func TestFailure_A04_DoubtIsLeftToAPerson(t *testing.T) {
	id := resource.ID{Account: "a", Kind: kindRecording, Key: "d.example.com/live/s1"}
	tests := []struct {
		name, doubt string
		c           plan.Case
	}{
		{"stop", "stop", plan.Case{
			ID: id, Want: wantOf(t, record(stateStopped, finishImmediate, "")),
			Last: lastOf(t, firstIngest, running("")), Seen: onAir(firstIngest),
		}},
		{"restart", "restart", plan.Case{
			ID: id, Want: wantOf(t, running("b")), Last: lastOf(t, firstIngest, running("a")), Seen: onAir(firstIngest),
		}},
		{"removal", "stop", plan.Case{ID: id, Last: lastOf(t, firstIngest, running("")), Seen: onAir(firstIngest)}},
		{"cancel_delay", "cancel_delay", plan.Case{
			ID: id, Want: wantOf(t, record(stateStopped, finishImmediate, "")),
			Last: lastOf(t, firstIngest, record(stateStopped, finishDelayed, "")), Seen: onAir(firstIngest),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.Acts = actsOf(judgeRecording(tt.c), false)
			v := judgeRecording(tt.c)
			outcome{
				plan.None, "", plan.Unknown,
				"nobody knows how " + tt.doubt + " ended; settle: weir settle a/Recording/d.example.com/live/s1 done|again",
			}.check(t, v)
			if len(v.Acts) != 0 {
				t.Errorf("acts %v are begun again", names(v.Acts))
			}
		})
	}
}

func TestJudgeRecordingBeginsADoubtfulStartAgain(t *testing.T) {
	c := plan.Case{Want: wantOf(t, running("")), Seen: onAir(firstIngest)}
	first := judgeRecording(c)
	c.Acts = actsOf(first, false)
	second := judgeRecording(c)
	if len(second.Acts) != 1 || second.Acts[0] != first.Acts[0] || !second.Acts[0].Repeatable {
		t.Errorf("acts %+v, want %+v again", second.Acts, first.Acts)
	}
}

// TestFailure_P02_StopInDoubtAndWantedAgain: the answer to a stop was lost, or
// its record was, and the declaration came back: what may have been stopped is
// started.
func TestFailure_P02_StopInDoubtAndWantedAgain(t *testing.T) {
	c := plan.Case{
		Want: wantOf(t, record(stateStopped, finishDelayed, "")), Last: lastOf(t, firstIngest, running("a")), Seen: onAir(firstIngest),
	}
	for _, done := range []bool{false, true} {
		again := c
		again.Acts = actsOf(judgeRecording(c), done)
		for restart, acts := range map[string][]string{"a": {"start"}, "b": {"start", "restart"}} {
			again.Want, again.Now = wantOf(t, running(restart)), now()
			if v := judgeRecording(again); !slices.Equal(names(v.Acts), acts) || v.Action != plan.Update {
				t.Errorf("stop done %t, restart %s: %s, acts %v; want %v", done, restart, v.Action, names(v.Acts), acts)
			}
		}
	}
}

// TestFailure_P02_StartInDoubtAndUnwantedAgain: the same the other way round.
func TestFailure_P02_StartInDoubtAndUnwantedAgain(t *testing.T) {
	c := plan.Case{
		Want: wantOf(t, running("")), Last: lastOf(t, firstIngest, record(stateStopped, finishDelayed, "")), Seen: onAir(firstIngest),
	}
	for _, done := range []bool{false, true} {
		again := c
		again.Acts, again.Want = actsOf(judgeRecording(c), done), wantOf(t, record(stateStopped, finishDelayed, ""))
		again.Now = now()
		if v := judgeRecording(again); !slices.Equal(names(v.Acts), []string{"stop"}) || v.Action != plan.Update {
			t.Errorf("start done %t: %s, acts %v; want stop", done, v.Action, names(v.Acts))
		}
	}
}

func TestJudgeRecordingNeverRepeatsWhatIsDone(t *testing.T) {
	tests := []struct {
		name string
		c    plan.Case
	}{
		{"start", plan.Case{Want: wantOf(t, running("")), Seen: onAir(firstIngest)}},
		{"restart", plan.Case{
			Want: wantOf(t, running("b")), Last: lastOf(t, firstIngest, running("a")), Seen: onAir(firstIngest),
		}},
		{"removal", plan.Case{Last: lastOf(t, firstIngest, running("")), Seen: onAir(firstIngest)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			first := judgeRecording(tt.c)
			tt.c.Acts = actsOf(first, true)
			v := judgeRecording(tt.c)
			if len(v.Acts) != 0 || v.Action != first.Action || v.Epoch != firstIngest {
				t.Errorf("got %s of %q with acts %v, want %s without acts", v.Action, v.Epoch, names(v.Acts), first.Action)
			}
		})
	}
}

func TestJudgeRecordingGoesOnAfterTheActThatIsDone(t *testing.T) {
	c := plan.Case{
		Want: wantOf(t, record(stateStopped, finishImmediate, "")),
		Last: lastOf(t, firstIngest, running("")), Seen: onAir(firstIngest),
	}
	c.Acts = actsOf(judgeRecording(c), true)[:1]
	if got := names(judgeRecording(c).Acts); !slices.Equal(got, []string{"cancel_delay"}) {
		t.Errorf("acts %v, want cancel_delay alone", got)
	}
}

// TestRecordingTokens holds that a token stands for one transition: it is
// equal after a crash and differs for every other transition.
func TestRecordingTokens(t *testing.T) {
	base := plan.Case{
		Want: wantOf(t, running("b")), Last: lastOf(t, firstIngest, running("a")), Seen: onAir(firstIngest), Now: now(),
	}
	token := func(change func(*plan.Case)) string {
		c := base
		last := *base.Last
		c.Last = &last
		change(&c)
		return newSession(c).token()
	}
	same := token(func(c *plan.Case) { c.Now = now().Add(time.Hour) })
	if want := token(func(*plan.Case) {}); same != want || !strings.HasPrefix(same, firstIngest+"/") {
		t.Errorf("token %q after a crash, want %q", same, want)
	}
	others := map[string]string{
		"another record": token(func(c *plan.Case) { c.Last.At = applied().Add(time.Nanosecond) }),
		"no record":      token(func(c *plan.Case) { c.Last = nil }),
		"another wish":   token(func(c *plan.Case) { c.Want = wantOf(t, running("c")) }),
		"removal":        token(func(c *plan.Case) { c.Want = nil }),
		"another ingest": token(func(c *plan.Case) { c.Seen = onAir(secondIngest) }),
	}
	met := map[string]string{same: "the base"}
	for name, got := range others {
		if twin, twice := met[got]; twice {
			t.Errorf("%s has the token of %s", name, twin)
		}
		met[got] = name
	}
}

func TestJudgeRecordingStoppedKeepsItsIngest(t *testing.T) {
	v := judgeRecording(plan.Case{
		Want: wantOf(t, record(stateStopped, finishImmediate, "")),
		Last: lastOf(t, firstIngest, record(stateStopped, finishDelayed, "")), Seen: onAir(secondIngest), Now: now(),
	})
	if v.Epoch != firstIngest {
		t.Errorf("epoch %q, want %q: nothing was stopped in the ingest on air", v.Epoch, firstIngest)
	}
}

func TestJudgeRecordingLooksForItsStreamAgain(t *testing.T) {
	wanted := plan.Case{Want: wantOf(t, running("")), Now: now()}
	stopped := plan.Case{Want: wantOf(t, record(stateStopped, finishDelayed, "")), Now: now()}
	tests := []struct {
		name string
		c    plan.Case
		seen *resource.Observation
		want time.Time
	}{
		{"off air", wanted, offAir(), now().Add(onAirPoll)},
		{"on air", wanted, onAir(firstIngest), now().Add(onAirPoll)},
		{"unreadable", wanted, unreadable(), time.Time{}}, // the next full pass will do
		{"to be stopped", stopped, offAir(), time.Time{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.Seen = tt.seen
			if got := judgeRecording(tt.c).Next; !got.Equal(tt.want) {
				t.Errorf("looks again at %s, want %s", got, tt.want)
			}
		})
	}
}
