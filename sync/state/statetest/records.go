package statetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

func appliedOrder(t *testing.T, s state.Store) {
	want := []resource.ID{
		{Account: "a", Kind: "K", Key: "z"},
		{Account: "a", Kind: "L", Key: "a"},
		{Account: "a", Kind: "L", Key: "a/b"},
		{Account: "a", Kind: "L", Key: "aa"},
		{Account: "a", Kind: "L", Key: "é"},
		{Account: "a-b", Kind: "A", Key: "a"}, // as text it would stand before "a/K"
	}
	for _, i := range []int{3, 0, 5, 1, 4, 2} {
		noError(t, s.Save(context.Background(), resource.Applied{ID: want[i]}))
	}
	var got []resource.ID
	for _, r := range applied(t, s) {
		got = append(got, r.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func appliedRoundTrip(t *testing.T, s state.Store) {
	big := record("big")
	big.Spec = resource.Spec(`{"text":"` + strings.Repeat("0123456789abcdef", 1<<16) + `"}`) // 1 MiB
	want := []resource.Applied{big, record("full"), {ID: id("zero")}}
	noError(t, s.Save(context.Background(), want...))
	if got := applied(t, s); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %.2000v\nwant %.2000v", got, want)
	}
}

func saveReplaces(t *testing.T, s state.Store) {
	second := resource.Applied{ID: id("x"), Spec: `{"n":2}`, At: epoch().Add(time.Minute)}
	third := resource.Applied{ID: id("x"), Spec: `{"n":3}`}
	noError(t, s.Save(context.Background(), record("x")))
	noError(t, s.Save(context.Background(), second))
	if got := applied(t, s); !reflect.DeepEqual(got, []resource.Applied{second}) {
		t.Errorf("after the second: %v", got)
	}
	noError(t, s.Save(context.Background(), record("x"), third))
	if got := applied(t, s); !reflect.DeepEqual(got, []resource.Applied{third}) {
		t.Errorf("the last of one call has to win: %v", got)
	}
}

func saveAllOrNone(t *testing.T, s state.Store) {
	bad := record("x")
	bad.ID.Kind = "a/b" // its text form reads back as another ID
	if err := s.Save(context.Background(), record("w"), bad, record("y")); err == nil {
		t.Error("an ID that does not read back was saved")
	}
	if got := applied(t, s); len(got) != 0 {
		t.Errorf("part of a refused call was saved: %v", got)
	}
}

func saveMany(t *testing.T, s state.Store) {
	want := make([]resource.Applied, 10_000)
	for i := range want {
		want[i] = record(fmt.Sprintf("v/%05d", i))
	}
	noError(t, s.Save(context.Background(), want...))
	if got := applied(t, s); !reflect.DeepEqual(got, want) {
		t.Errorf("%d records came back, or others than were saved", len(got))
	}
}

func saveNothing(t *testing.T, s state.Store) {
	noError(t, s.Save(context.Background()))
	noError(t, s.Forget(context.Background()))
	if got := applied(t, s); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func forgetRecordAndActs(t *testing.T, s state.Store) {
	ctx := context.Background()
	noError(t, s.Save(ctx, record("a"), record("b"), record("c")))
	for _, key := range []string{"a", "b", "only-act"} {
		noError(t, s.Begin(ctx, act(key, "start", "1")))
		noError(t, s.Begin(ctx, act(key, "stop", "1")))
	}
	noError(t, s.Forget(ctx, id("a"), id("unknown"), id("only-act"), id("c")))
	if got := applied(t, s); !reflect.DeepEqual(got, []resource.Applied{record("b")}) {
		t.Errorf("records left: %v", got)
	}
	if got := acts(t, s); !reflect.DeepEqual(got, []resource.Act{act("b", "start", "1"), act("b", "stop", "1")}) {
		t.Errorf("acts left: %v", got)
	}
	noError(t, s.Begin(ctx, act("a", "start", "1")))
}

func oddText(t *testing.T, s state.Store) {
	ctx := context.Background()
	texts := map[string]string{
		"quotes": `it's "quoted" -- ; DROP TABLE applied; ? %s`, "lines": "one\ntwo\r\n\tthree",
		"unicode": "直播 ünïcode \u202e🎥", "nul": "before\x00after", "space": " \u00a0 ",
	}
	for name, text := range texts {
		r := resource.Applied{
			ID:   resource.ID{Account: "acc" + strings.ReplaceAll(text, "/", ""), Kind: "K", Key: text},
			Spec: resource.Spec(text), Revision: text, Epoch: text,
			Origin: resource.Origin{Source: text, File: text, Line: 1, Commit: text, Author: text},
			Heals:  []resource.Heal{{At: epoch(), Found: "0a1b"}},
		}
		a := resource.Act{ID: r.ID, Name: text, Token: text, Begun: epoch()}
		e := state.Entry{
			Opened: epoch(), Account: text, Operation: text, Params: map[string]any{text: text}, Resource: text,
			Origin: r.Origin, Revision: text, Plan: text, Process: text,
			Outcome: state.Outcome{Closed: epoch(), Code: text, CloudCode: text, RequestID: text, Message: text},
		}
		noError(t, s.Save(ctx, r))
		noError(t, s.Begin(ctx, a))
		n, err := s.Open(ctx, e)
		noError(t, err)
		e.Number = n
		same := func(got resource.Applied) bool { return reflect.DeepEqual(got, r) }
		if !slices.ContainsFunc(applied(t, s), same) || !slices.Contains(acts(t, s), a) {
			t.Errorf("%s: record or act came back changed", name)
		}
		got := journal(t, s, state.Query{Account: text, Resource: text})
		if !reflect.DeepEqual(got, []state.Entry{e}) {
			t.Errorf("%s: entry\ngot  %+v\nwant %+v", name, got, e)
		}
		noError(t, s.Forget(ctx, r.ID))
	}
	if len(applied(t, s)) != 0 || len(acts(t, s)) != 0 {
		t.Error("an odd ID was not forgotten")
	}
}

func timesKept(t *testing.T, s state.Store) {
	ctx := context.Background()
	there := epoch().In(time.FixedZone("UTC+8", 8*3600))
	unix := resource.Applied{ID: id("unix"), At: time.Unix(0, 0).UTC()} // is a time, not none
	noError(t, s.Save(ctx, resource.Applied{ID: id("there"), At: there}, unix, resource.Applied{ID: id("zero")}))
	want := []resource.Applied{{ID: id("there"), At: epoch()}, unix, {ID: id("zero")}}
	if got := applied(t, s); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	now := time.Now() // has a monotonic clock's reading
	noError(t, s.Begin(ctx, resource.Act{ID: id("now"), Name: "start", Begun: now}))
	if got := acts(t, s); !reflect.DeepEqual(got[0].Begun, now.Round(0).UTC()) || !got[0].Ends.IsZero() {
		t.Errorf("act came back as %+v", got[0])
	}
}
