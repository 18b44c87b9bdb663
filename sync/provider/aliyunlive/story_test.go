package aliyunlive

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/plan"
	"weir/sync/resource"
)

// keeper keeps one resource true, pass by pass, as the whole of weir does: what
// is applied is remembered, and each act before and after its call.
type keeper struct {
	*testing.T
	cloud
	provider *Provider
	id       resource.ID
	want     *resource.Resource
	last     *resource.Applied
	acts     []resource.Act
}

func newKeeper(t *testing.T, c cloud, want resource.Resource) *keeper {
	return &keeper{T: t, cloud: c, provider: New(), id: want.ID, want: &want}
}

// pass looks, judges and carries out, and returns the verdict.
func (k *keeper) pass() plan.Verdict {
	k.Helper()
	asked := resource.Resource{ID: k.id}
	if k.want != nil {
		asked.Spec = k.want.Spec
	} else {
		asked.Spec = k.last.Spec
	}
	seen, err := k.provider.Observe(k.Context(), k.caller, []resource.Resource{asked})
	if err != nil {
		k.Fatal(err)
	}
	kind := k.provider.Kinds()[k.id.Kind]
	v := kind.Judge(plan.Case{ID: k.id, Want: k.want, Last: k.last, Seen: &seen[0], Acts: k.acts, Now: time.Now()})
	if v.Action != plan.None && v.State != plan.Waiting {
		k.carryOut(kind.Calls, v)
	}
	return v
}

func (k *keeper) carryOut(calls func(plan.Change) ([]*call.Request, error), v plan.Verdict) {
	k.Helper()
	reqs, err := calls(plan.Change{ID: k.id, Action: v.Action, Before: v.Before, After: v.After, Acts: v.Acts})
	if err != nil {
		k.Fatal(err)
	}
	for _, req := range reqs {
		_, err := k.caller.Call(k.Context(), req)
		if code := call.CodeOf(err); code != call.OK && code != call.AlreadyDone {
			k.Logf("%s: %v", req.Operation, err)
			return
		}
		k.did(req.Act)
	}
	k.last = &resource.Applied{ID: k.id, Spec: v.After, At: time.Now(), Epoch: v.Epoch}
	if v.Action == plan.Delete {
		k.last, k.acts = nil, nil
	}
}

func (k *keeper) did(a call.Act) {
	if a.Name == "" {
		return
	}
	act := resource.Act{Name: a.Name, Token: a.Token, Begun: time.Now(), Done: time.Now()}
	if a.Lasts > 0 {
		act.Ends = act.Done.Add(a.Lasts)
	}
	k.acts = append(slices.DeleteFunc(k.acts, func(old resource.Act) bool { return old.Name == a.Name }), act)
}

// writes returns the calls with an effect so far, by the parameter that tells
// them apart.
func (k *keeper) writes(param string) []string {
	out := []string{}
	for _, one := range k.Journal() {
		if !slices.Contains(k.provider.Reads(), one.Operation) {
			value, _ := one.Params[param].(string)
			out = append(out, value)
		}
	}
	return out
}

func (k *keeper) expect(param string, want ...string) {
	k.Helper()
	if got := k.writes(param); !slices.Equal(got, want) {
		k.Errorf("calls %v, want %v", got, want)
	}
}

func (k *keeper) push(online bool) {
	k.Helper()
	k.patch(k.T, emulator.World{Streams: []emulator.Stream{
		{Domain: "live.example.com", App: "live", Stream: "s1", Online: online},
	}})
}

func (k *keeper) declare(r resource.Resource) { k.want = &r }

func recordingWith(t *testing.T, state, finish, restart string) resource.Resource {
	t.Helper()
	return resourceOf(t, kindRecording, "live.example.com/live/s1", recording{
		Domain: "live.example.com", App: "live", Stream: "s1", State: state, Finish: finish, Restart: restart,
	})
}

func TestRecordingFollowsItsStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t, newCloud(t, emulator.DefaultWorld()), recordingWith(t, stateRecording, "", "1"))
		if v := k.pass(); v.State != plan.Waiting {
			t.Errorf("off air: %+v", v)
		}
		k.expect("Command")
		for _, step := range []struct {
			name string
			do   func()
			want []string
		}{
			{"on air", func() { k.push(true) }, []string{"start"}},
			{"still on air", func() {}, []string{"start"}},
			{"off air", func() { k.push(false) }, []string{"start"}},
			{"on air again", func() { k.push(true) }, []string{"start", "start"}},
			{
				"a new token", func() { k.declare(recordingWith(t, stateRecording, "", "2")) },
				[]string{"start", "start", "restart"},
			},
			{"the same token", func() {}, []string{"start", "start", "restart"}},
			{
				"stopped", func() { k.declare(recordingWith(t, stateStopped, "", "")) },
				[]string{"start", "start", "restart", "stop"},
			},
			{
				"finished at once", func() { k.declare(recordingWith(t, stateStopped, finishImmediate, "")) },
				[]string{"start", "start", "restart", "stop", "cancel_delay"},
			},
			{
				"recorded once more", func() { k.declare(recordingWith(t, stateRecording, "", "")) },
				[]string{"start", "start", "restart", "stop", "cancel_delay", "start"},
			},
			{
				"removed", func() { k.want = nil },
				[]string{"start", "start", "restart", "stop", "cancel_delay", "start", "stop"},
			},
		} {
			time.Sleep(time.Minute)
			step.do()
			k.pass()
			if got := k.writes("Command"); !slices.Equal(got, step.want) {
				t.Errorf("%s: commands %v, want %v", step.name, got, step.want)
			}
		}
		if k.last != nil {
			t.Errorf("the record %+v was not forgotten", *k.last)
		}
	})
}

func TestFailure_A18_StreamGoesBeforeTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t, newCloud(t, emulator.DefaultWorld()), recordingWith(t, stateRecording, "", ""))
		k.push(true)
		k.faults(t, emulator.Fault{Operation: opRecord, Kind: "error", Code: "StreamNotFound", Count: 1})
		k.pass()
		if k.last != nil {
			t.Fatalf("%+v was recorded as applied", *k.last)
		}
		k.push(false)
		if v := k.pass(); v.State != plan.Waiting || v.Action != plan.Create {
			t.Errorf("off air: %+v", v)
		}
		time.Sleep(time.Second)
		k.push(true)
		k.pass()
		k.expect("Command", "start", "start")
	})
}

func TestFailure_A16_RecordingThatRunsAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t, newCloud(t, emulator.DefaultWorld()), recordingWith(t, stateRecording, "", ""))
		k.push(true)
		k.must(t, opRecord, map[string]any{
			"Command": "start", "DomainName": "live.example.com", "AppName": "live", "StreamName": "s1",
		})
		k.pass()
		if v := k.pass(); v.Action != plan.None || v.State != plan.Unknown {
			t.Errorf("after TaskAlreadyStarted: %+v", v)
		}
		k.expect("Command", "start", "start")
	})
}

func TestStoppedStreamThatWasNeverRecorded(t *testing.T) {
	for _, online := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			k := newKeeper(t, newCloud(t, emulator.DefaultWorld()), recordingWith(t, stateStopped, finishImmediate, ""))
			k.push(online)
			k.pass()
			if v := k.pass(); v.Action != plan.None {
				t.Errorf("on air %t: a second pass does %+v", online, v)
			}
			if online {
				k.expect("Command", "stop", "cancel_delay")
			} else {
				k.expect("Command")
			}
		})
	}
}

func TestPrefetchIsRenewedBeforeItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := warm("10m", true, "BEJ", "ZHJ")
		p.Domain = "live.example.com"
		k := newKeeper(t, newCloud(t, emulator.DefaultWorld()), resourceOf(t, kindPrefetch, "live.example.com/live/s1", p))
		k.pass()
		for range 6 {
			v := k.pass()
			if v.Action != plan.None || v.Next.IsZero() {
				t.Fatalf("between renewals: %+v", v)
			}
			time.Sleep(time.Until(v.Next) - time.Millisecond)
			if early := k.pass(); early.Action != plan.None {
				t.Errorf("a millisecond early: %+v", early)
			}
			time.Sleep(time.Millisecond)
			if due := k.pass(); due.Reason != plan.Expired || len(due.Acts) != 2 {
				t.Errorf("when due: %+v", due)
			}
		}
		for _, one := range k.World().Prefetches {
			if one.Count != 7 || !one.Expires.After(time.Now().Add(9*time.Minute)) {
				t.Errorf("%s was prefetched %d times, to %s", one.Region, one.Count, one.Expires)
			}
		}
	})
}

func TestPrefetchGoesOnAfterARefusedRegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := emulator.DefaultWorld()
		w.Settings.RegionsWithoutNode = []string{"ZHJ"}
		p := warm("0s", false, "BEJ", "ZHJ")
		p.Domain = "live.example.com"
		k := newKeeper(t, newCloud(t, w), resourceOf(t, kindPrefetch, "live.example.com/live/s1", p))
		k.pass()
		k.pass()
		k.expect("RegionCode", "BEJ", "ZHJ", "ZHJ") // what is done is never done again
	})
}

func blocking(t *testing.T, until string) *keeper {
	t.Helper()
	rule := resourceOf(t, kindIngest, "push.example.com/live/s1", block(until))
	return newKeeper(t, newCloud(t, emulator.DefaultWorld()), rule)
}

func TestBlockEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		k := blocking(t, until)
		k.pass()
		k.last.Confirmed = true
		v := k.pass()
		if v.State != plan.InSync || !v.Next.Equal(instant(until)) {
			t.Fatalf("while blocked: %+v", v)
		}
		time.Sleep(time.Until(v.Next))
		if v = k.pass(); v.State != plan.InSync || v.Action != plan.None || !v.Next.IsZero() {
			t.Errorf("after the end: %+v", v)
		}
		k.want = nil
		k.pass()
		k.expect("ResumeTime", until)
	})
}

func TestBlockIsMadeAnewWhenTheCloudEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := blocking(t, "")
		k.pass()
		k.last.Confirmed = true
		time.Sleep(190 * 24 * time.Hour)
		if v := k.pass(); v.Reason != plan.Expired {
			t.Errorf("after half a year: %+v", v)
		}
		if v := k.pass(); v.State != plan.InSync {
			t.Errorf("then: %+v", v)
		}
		k.expect("StreamName", "s1", "s1")
	})
}
