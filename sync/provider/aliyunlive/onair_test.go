package aliyunlive

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

func TestInterrupts(t *testing.T) {
	spec := func(enabled bool) resource.Spec { return specOf(t, multiStream{"live.example.com", enabled}) }
	stop := []plan.Act{{Name: commandStop}}
	tests := map[string]struct {
		kind string
		c    plan.Change
		want bool
	}{
		"switch removed":            {kindMultiStream, plan.Change{Action: plan.Delete, Before: spec(true)}, true},
		"switch edited to off":      {kindMultiStream, plan.Change{Action: plan.Update, Before: spec(true), After: spec(false)}, true},
		"switch edited to on":       {kindMultiStream, plan.Change{Action: plan.Create, Before: spec(false), After: spec(true)}, false},
		"switch only forgotten":     {kindMultiStream, plan.Change{Action: plan.Delete}, false},
		"switch as it is":           {kindMultiStream, plan.Change{Action: plan.None, Before: spec(true)}, false},
		"recording removed":         {kindRecording, plan.Change{Action: plan.Delete, Acts: stop}, true},
		"recording only forgotten":  {kindRecording, plan.Change{Action: plan.Delete}, false},
		"recording stopped by edit": {kindRecording, plan.Change{Action: plan.Update, Acts: stop}, false},
	}
	for name, tc := range tests {
		if got := kinds()[tc.kind].Interrupts(tc.c); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	for _, kind := range []string{kindIngest, kindPrefetch} {
		if kinds()[kind].Interrupts != nil {
			t.Errorf("%s interrupts something", kind)
		}
	}
}

func TestWide(t *testing.T) {
	every, one := ingest{Domain: "push.example.com", App: "*", Stream: "s", Allowed: true}, allow()
	tests := map[string]struct {
		c    plan.Change
		want bool
	}{
		"every app":       {plan.Change{Action: plan.Create, After: specOf(t, every)}, true},
		"one app":         {plan.Change{Action: plan.Create, After: specOf(t, one)}, false},
		"nothing to do":   {plan.Change{Action: plan.None, After: specOf(t, every)}, false},
		"its declaration": {plan.Change{Action: plan.Delete, Before: specOf(t, every)}, false},
	}
	for name, tc := range tests {
		if got := everyApp(tc.c); (got != "") != tc.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestOnAir(t *testing.T) {
	asked := 0
	cloud := call.Func(func(_ context.Context, req *call.Request) (*call.Response, error) {
		asked++
		if req.Params["DomainName"] == "dark.example.com" {
			return nil, &call.Error{Code: call.Denied, Operation: req.Operation, Message: "no"}
		}
		streams := map[string]string{
			"live.example.com": `{"AppName":"live","StreamName":"main","PublishTime":"2026-11-22T11:00:00Z"},` +
				`{"AppName":"live","StreamName":"other","PublishTime":"2026-11-22T11:00:00Z"}`,
		}[fmt.Sprint(req.Params["DomainName"])]
		n := strings.Count(streams, "AppName")
		return &call.Response{Body: fmt.Appendf(nil, `{"TotalNum":%d,"OnlineInfo":{"LiveStreamOnlineInfo":[%s]}}`, n, streams)}, nil
	})
	change := func(kind, domain, stream string) plan.Change {
		return plan.Change{
			ID: resource.ID{Account: "ali", Kind: kind, Key: domain}, Action: plan.Delete,
			Before: specOf(t, recording{Domain: domain, App: "live", Stream: stream, State: stateRecording}),
		}
	}
	changes := []plan.Change{
		change(kindMultiStream, "live.example.com", ""), change(kindRecording, "live.example.com", "main"),
		change(kindRecording, "live.example.com", "idle"), change(kindMultiStream, "idle.example.com", ""),
		change(kindRecording, "dark.example.com", "main"),
	}
	want := []string{
		"streams of the domain are on air", "the stream is on air", "", "",
		"whether it is on air cannot be read: DescribeLiveStreamsOnlineList: denied: no",
	}
	turn := make(chan struct{}, 1)
	one := call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
		turn <- struct{}{}
		defer func() { <-turn }()
		return cloud(ctx, req)
	})
	got := New().OnAir(t.Context(), one, changes)
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: %q, want %q", changes[i].ID, got[i], want[i])
		}
	}
	if asked != 3 {
		t.Errorf("%d questions for three domains", asked)
	}
}
