package aliyunlive

import (
	"testing"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
)

// now is the time of every judgement in the tests.
func now() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// applied is when the last record was written: long enough ago for a read to
// be believed.
func applied() time.Time { return now().Add(-time.Hour) }

const (
	firstIngest  = "2026-11-22T08:00:00Z"
	secondIngest = "2026-11-22T11:00:00Z"
)

func specOf(t *testing.T, v any) resource.Spec {
	t.Helper()
	spec, err := resource.NewSpec(v)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func wantOf(t *testing.T, v any) *resource.Resource {
	t.Helper()
	return &resource.Resource{Spec: specOf(t, v)}
}

func lastOf(t *testing.T, epoch string, v any) *resource.Applied {
	t.Helper()
	return &resource.Applied{Spec: specOf(t, v), At: applied(), Epoch: epoch, Confirmed: true}
}

func unreadable() *resource.Observation { return &resource.Observation{Unreadable: "Throttling.User"} }

// outcome is what a test says of a verdict.
type outcome struct {
	action plan.Action
	reason plan.Reason
	state  plan.State
	note   string
}

func (o outcome) check(t *testing.T, v plan.Verdict) {
	t.Helper()
	if got := (outcome{v.Action, v.Reason, v.State, v.Note}); got != o {
		t.Errorf("got  %+v\nwant %+v", got, o)
	}
}

func names(acts []plan.Act) []string {
	out := []string{}
	for _, a := range acts {
		out = append(out, a.Name)
	}
	return out
}

func TestJudgeMultiStream(t *testing.T) {
	on, off := multiStream{"d.example.com", true}, multiStream{"d.example.com", false}
	sees := func(s multiStream) *resource.Observation {
		return &resource.Observation{Spec: specOf(t, s), Exists: s.Enabled}
	}
	tests := []struct {
		name   string
		c      plan.Case
		want   outcome
		before resource.Spec
	}{
		{
			"off to on is a create",
			plan.Case{Want: wantOf(t, on), Seen: sees(off)},
			outcome{plan.Create, plan.New, plan.Pending, ""},
			specOf(t, off),
		},
		{
			"on to off is an update",
			plan.Case{Want: wantOf(t, off), Last: lastOf(t, "", on), Seen: sees(on)},
			outcome{plan.Update, plan.Edited, plan.Pending, ""},
			specOf(t, on),
		},
		{
			"off by default",
			plan.Case{Want: wantOf(t, off), Seen: sees(off)},
			outcome{plan.None, "", plan.InSync, ""},
			specOf(t, off),
		},
		{
			"turned off by someone",
			plan.Case{Want: wantOf(t, on), Last: lastOf(t, "", on), Seen: sees(off)},
			outcome{plan.Create, plan.Drifted, plan.Differs, ""},
			specOf(t, off),
		},
		{
			"removed while on",
			plan.Case{Last: lastOf(t, "", on), Seen: sees(on)},
			outcome{plan.Delete, plan.Removed, plan.Pending, ""},
			specOf(t, on),
		},
		{
			"removed while off",
			plan.Case{Last: lastOf(t, "", on), Seen: sees(off)},
			outcome{plan.Delete, plan.Removed, plan.Pending, "already gone from the cloud; only forgotten"},
			"",
		},
		{
			"removed after weir turned it off and someone on",
			plan.Case{Last: lastOf(t, "", off), Seen: sees(on)},
			outcome{plan.Delete, plan.Removed, plan.Pending, nothingToUndo},
			"",
		},
		{
			"unreadable",
			plan.Case{Want: wantOf(t, on), Seen: unreadable()},
			outcome{plan.None, "", plan.Unknown, "Throttling.User"},
			"",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.Now = now()
			v := judgeMultiStream(tt.c)
			tt.want.check(t, v)
			if v.Before != tt.before {
				t.Errorf("before is %s, want %s", v.Before, tt.before)
			}
		})
	}
}

// block and allow are specs of one ingest rule.
func block(until string) ingest {
	return ingest{Domain: "push.example.com", App: "live", Stream: "s1", Until: until}
}

func allow() ingest {
	return ingest{Domain: "push.example.com", App: "live", Stream: "s1", Allowed: true}
}

func TestJudgeIngest(t *testing.T) {
	const (
		past   = "2026-11-22T11:59:59Z"
		soon   = "2026-11-22T13:00:00Z"
		later  = "2026-11-23T12:00:00Z"
		outliv = "until has passed and the stream is still blocked; weir leaves this block alone"
	)
	free := &resource.Observation{Spec: specOf(t, allow())}
	barred := &resource.Observation{Spec: specOf(t, block("")), Exists: true}
	inSync := outcome{plan.None, "", plan.InSync, ""}
	tests := []struct {
		name string
		c    plan.Case
		want outcome
		next string
	}{
		{
			"block a free stream",
			plan.Case{Want: wantOf(t, block("")), Seen: free},
			outcome{plan.Create, plan.New, plan.Pending, ""},
			"",
		},
		{
			"block until",
			plan.Case{Want: wantOf(t, block(soon)), Seen: free},
			outcome{plan.Create, plan.New, plan.Pending, ""},
			soon,
		},
		{
			"blocked as declared",
			plan.Case{Want: wantOf(t, block("")), Last: lastOf(t, "", block("")), Seen: barred},
			inSync, "",
		},
		{
			"blocked as declared, with an end",
			plan.Case{Want: wantOf(t, block(soon)), Last: lastOf(t, "", block(soon)), Seen: barred},
			inSync, soon,
		},
		{"blocked by someone, no end wanted", plan.Case{Want: wantOf(t, block("")), Seen: barred}, inSync, ""},
		{
			"blocked by someone, an end wanted",
			plan.Case{Want: wantOf(t, block(soon)), Seen: barred},
			outcome{plan.Update, plan.New, plan.Pending, ""},
			soon,
		},
		{
			"another end",
			plan.Case{Want: wantOf(t, block(later)), Last: lastOf(t, "", block(soon)), Seen: barred},
			outcome{plan.Update, plan.Edited, plan.Pending, ""},
			later,
		},
		{
			"an end taken away",
			plan.Case{Want: wantOf(t, block("")), Last: lastOf(t, "", block(soon)), Seen: barred},
			outcome{plan.Update, plan.Edited, plan.Pending, ""},
			"",
		},
		{
			"a new end after the last one",
			plan.Case{Want: wantOf(t, block(soon)), Last: lastOf(t, "", block(past)), Seen: free},
			outcome{plan.Create, plan.Edited, plan.Pending, ""},
			soon,
		},
		{
			"lifted by someone",
			plan.Case{Want: wantOf(t, block(soon)), Last: lastOf(t, "", block(soon)), Seen: free},
			outcome{plan.Create, plan.Drifted, plan.Differs, ""},
			soon,
		},
		{
			"the end has passed",
			plan.Case{Want: wantOf(t, block(past)), Last: lastOf(t, "", block(past)), Seen: free},
			inSync, "",
		},
		{"the end had passed when declared", plan.Case{Want: wantOf(t, block(past)), Seen: free}, inSync, ""},
		{
			"the end has passed and the block stays",
			plan.Case{Want: wantOf(t, block(past)), Last: lastOf(t, "", block(past)), Seen: barred},
			outcome{plan.None, "", plan.Differs, outliv},
			"",
		},
		{
			"allow what is blocked",
			plan.Case{Want: wantOf(t, allow()), Seen: barred},
			outcome{plan.Update, plan.New, plan.Pending, ""},
			"",
		},
		{
			"allow what weir blocked",
			plan.Case{Want: wantOf(t, allow()), Last: lastOf(t, "", block(soon)), Seen: barred},
			outcome{plan.Update, plan.Edited, plan.Pending, ""},
			"",
		},
		{
			"allow what weir blocked, past its end",
			plan.Case{Want: wantOf(t, allow()), Last: lastOf(t, "", block(past)), Seen: barred},
			outcome{plan.Update, plan.Edited, plan.Pending, ""},
			"",
		},
		{
			"allow what someone blocked",
			plan.Case{Want: wantOf(t, allow()), Last: lastOf(t, "", allow()), Seen: barred},
			outcome{plan.Update, plan.Drifted, plan.Differs, ""},
			"",
		},
		{"allowed", plan.Case{Want: wantOf(t, allow()), Seen: free}, inSync, ""},
		{
			"unreadable",
			plan.Case{Want: wantOf(t, block(soon)), Last: lastOf(t, "", block(soon)), Seen: unreadable()},
			outcome{plan.None, "", plan.Unknown, "Throttling.User"},
			"",
		},
		{
			"not read",
			plan.Case{Want: wantOf(t, block(soon))},
			outcome{plan.None, "", plan.Unknown, "not read yet"},
			"",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.Now = now()
			v := judgeIngest(tt.c)
			tt.want.check(t, v)
			if v.After != tt.c.Want.Spec {
				t.Errorf("after is %s, want what is declared", v.After)
			}
			if !v.Next.Equal(instant(tt.next)) {
				t.Errorf("next is %s, want %q", v.Next, tt.next)
			}
		})
	}
}

func TestJudgeIngestShowsTheEndThatChanges(t *testing.T) {
	v := judgeIngest(plan.Case{
		Want: wantOf(t, block("2026-11-24T00:00:00Z")),
		Last: lastOf(t, "", block("2026-11-23T00:00:00Z")),
		Seen: &resource.Observation{Spec: specOf(t, block("")), Exists: true},
		Now:  now(),
	})
	fields := resource.Fields(v.Before, v.After)
	want := resource.Field{Path: "until", Before: "2026-11-23T00:00:00Z", After: "2026-11-24T00:00:00Z"}
	if len(fields) != 1 || fields[0] != want {
		t.Errorf("got %+v, want %+v", fields, want)
	}
}

func TestJudgeIngestKnowsThatTheCloudEndsEveryBlock(t *testing.T) {
	c := plan.Case{
		Want: wantOf(t, block("")), Last: lastOf(t, "", block("")),
		Seen: &resource.Observation{Spec: specOf(t, allow())}, Now: now(),
	}
	c.Last.At = now().Add(-defaultBlock)
	outcome{plan.Create, plan.Expired, plan.Pending, ""}.check(t, judgeIngest(c))
	c.Last.At = c.Last.At.Add(time.Second)
	outcome{plan.Create, plan.Drifted, plan.Differs, ""}.check(t, judgeIngest(c))

	c.Last.At = now().Add(-2 * defaultBlock)
	c.Seen = &resource.Observation{Spec: specOf(t, block("")), Exists: true}
	outcome{plan.None, "", plan.InSync, ""}.check(t, judgeIngest(c))
	c.Want = wantOf(t, allow())
	c.Last.Spec = c.Want.Spec
	outcome{plan.Update, plan.Drifted, plan.Differs, ""}.check(t, judgeIngest(c))
}

func TestFailure_A14_LagAfterForbid(t *testing.T) {
	c := plan.Case{
		Want: wantOf(t, block("2026-11-22T13:00:00Z")), Last: lastOf(t, "", block("2026-11-22T13:00:00Z")),
		Seen: &resource.Observation{Spec: specOf(t, allow())}, Now: now(),
	}
	c.Last.At, c.Last.Confirmed = now().Add(-5*time.Second), false
	v := judgeIngest(c)
	outcome{plan.None, "", plan.Pending, "applied, but the cloud does not show it yet"}.check(t, v)
	if !v.Next.After(now()) || v.Next.After(now().Add(plan.Lag)) {
		t.Errorf("next look at %s, want within the lag", v.Next)
	}
}

func TestJudgeIngestRemoval(t *testing.T) {
	free := &resource.Observation{Spec: specOf(t, allow())}
	barred := &resource.Observation{Spec: specOf(t, block("")), Exists: true}
	tests := []struct {
		name   string
		last   ingest
		seen   *resource.Observation
		want   outcome
		before resource.Spec
	}{
		{"a block that stands", block(""), barred, outcome{plan.Delete, plan.Removed, plan.Pending, ""}, barred.Spec},
		{
			"a block that is gone", block(""), free,
			outcome{plan.Delete, plan.Removed, plan.Pending, "already gone from the cloud; only forgotten"},
			"",
		},
		{
			"a block that should be over", block("2026-11-22T11:00:00Z"), barred,
			outcome{plan.Delete, plan.Removed, plan.Pending, nothingToUndo},
			"",
		},
		{
			"a block that is over just now", block("2026-11-22T12:00:00Z"), barred,
			outcome{plan.Delete, plan.Removed, plan.Pending, nothingToUndo},
			"",
		},
		{"an allowed stream", allow(), free, outcome{plan.Delete, plan.Removed, plan.Pending, nothingToUndo}, ""},
		{
			"an allowed stream that someone blocked", allow(), barred,
			outcome{plan.Delete, plan.Removed, plan.Pending, nothingToUndo},
			"",
		},
		{
			"unreadable", block(""), unreadable(),
			outcome{
				plan.None, plan.Removed, plan.Unknown,
				"left the source; its removal waits for a fresh read: Throttling.User",
			},
			specOf(t, block("")),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := judgeIngest(plan.Case{Last: lastOf(t, "", tt.last), Seen: tt.seen, Now: now()})
			tt.want.check(t, v)
			if v.Before != tt.before {
				t.Errorf("before is %s, want %s", v.Before, tt.before)
			}
		})
	}
}
