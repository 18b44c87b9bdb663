package aliyunlive

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

// ask is a call as a test writes it.
type ask struct {
	op         string
	params     string // JSON
	repeatable bool
	act        call.Act
	priority   call.Priority
}

func (a ask) request(t *testing.T) *call.Request {
	t.Helper()
	var params map[string]any
	if err := json.Unmarshal([]byte(a.params), &params); err != nil {
		t.Fatal(err)
	}
	return &call.Request{
		Account: "acc", Operation: a.op, Params: params, Write: true, Repeatable: a.repeatable, Act: a.act,
		Priority: a.priority,
	}
}

func TestCalls(t *testing.T) {
	const (
		stream  = `"AppName":"live","StreamName":"s1"`
		push    = `"DomainName":"push.example.com","LiveStreamType":"publisher",` + stream
		record  = `"DomainName":"d.example.com",` + stream
		prefet  = record + `,"AudioMsid":"rts audio","VideoMsid":"rts video"`
		endless = `{"domain":"push.example.com","app":"live","stream":"s1","allowed":false}`
		allowed = `{"domain":"push.example.com","app":"live","stream":"s1","allowed":true}`
	)
	start := plan.Act{Name: "start", Token: "t1", Repeatable: true}
	stop, cancelDelay := plan.Act{Name: "stop", Token: "t2"}, plan.Act{Name: "cancel_delay", Token: "t2"}
	hot := plan.Act{Name: "region ZHJ", Token: "p@0", Lasts: 90 * time.Second}
	limited := warm("1m30s", false, "ZHJ")
	limited.MediaTimeout = "100s"
	tests := []struct {
		name, kind string
		change     plan.Change
		want       []ask
	}{
		{
			"switch on", kindMultiStream,
			plan.Change{Action: plan.Create, After: specOf(t, multiStream{"d", true})},
			[]ask{{op: opSetMultiStream, params: `{"Domain":"d","Switch":"on"}`, repeatable: true}},
		},
		{
			"switch off", kindMultiStream,
			plan.Change{Action: plan.Update, After: specOf(t, multiStream{"d", false})},
			[]ask{{op: opSetMultiStream, params: `{"Domain":"d","Switch":"off"}`, repeatable: true}},
		},
		{
			"switch removed", kindMultiStream,
			plan.Change{Action: plan.Delete, Before: specOf(t, multiStream{"d", true})},
			[]ask{{op: opSetMultiStream, params: `{"Domain":"d","Switch":"off"}`, repeatable: true}},
		},
		{"switch forgotten", kindMultiStream, plan.Change{Action: plan.Delete}, nil},
		{
			"block", kindIngest,
			plan.Change{Action: plan.Create, Before: allowed, After: endless},
			[]ask{{op: opForbid, params: `{` + push + `}`, repeatable: true, priority: call.Urgent}},
		},
		{
			"block until", kindIngest,
			plan.Change{Action: plan.Update, Before: endless, After: specOf(t, block("2026-12-01T10:37:00Z"))},
			[]ask{{op: opForbid, params: `{"ResumeTime":"2026-12-01T10:37:00Z",` + push + `}`, repeatable: true, priority: call.Urgent}},
		},
		{
			"allow", kindIngest,
			plan.Change{Action: plan.Update, Before: endless, After: allowed},
			[]ask{{op: opResume, params: `{` + push + `}`, repeatable: true}},
		},
		{
			"block removed", kindIngest,
			plan.Change{Action: plan.Delete, Before: endless},
			[]ask{{op: opResume, params: `{` + push + `}`, repeatable: true}},
		},
		{"block forgotten", kindIngest, plan.Change{Action: plan.Delete}, nil},
		{
			"start", kindRecording,
			plan.Change{Action: plan.Create, After: specOf(t, running("")), Acts: []plan.Act{start}},
			[]ask{{
				opRecord, `{"Command":"start",` + record + `}`, true,
				call.Act{Name: "start", Token: "t1", Repeatable: true},
				call.Routine,
			}},
		},
		{
			"stop at once", kindRecording,
			plan.Change{Action: plan.Update, After: specOf(t, running("")), Acts: []plan.Act{stop, cancelDelay}},
			[]ask{
				{opRecord, `{"Command":"stop",` + record + `}`, false, call.Act{Name: "stop", Token: "t2"}, call.Urgent},
				{opRecord, `{"Command":"cancel_delay",` + record + `}`, false, call.Act{Name: "cancel_delay", Token: "t2"}, call.Urgent},
			},
		},
		{
			"recording removed", kindRecording,
			plan.Change{Action: plan.Delete, Before: specOf(t, running("")), Acts: []plan.Act{stop}},
			[]ask{{opRecord, `{"Command":"stop",` + record + `}`, false, call.Act{Name: "stop", Token: "t2"}, call.Urgent}},
		},
		{"recording forgotten", kindRecording, plan.Change{Action: plan.Delete, Before: specOf(t, running(""))}, nil},
		{"recording written down", kindRecording, plan.Change{Action: plan.Update, After: specOf(t, running(""))}, nil},
		{
			"prefetch", kindPrefetch,
			plan.Change{Action: plan.Create, After: specOf(t, limited), Acts: []plan.Act{hot}},
			[]ask{{
				opPrefetch,
				`{` + prefet + `,"RegionCode":"ZHJ","ConnectionTimeout":"90000","MediaTimeout":"100000"}`,
				false,
				call.Act{Name: "region ZHJ", Token: "p@0", Lasts: 90 * time.Second},
				call.Routine,
			}},
		},
		{
			"prefetch for ever", kindPrefetch,
			plan.Change{
				Action: plan.Create, After: specOf(t, warm("0s", false, "BEJ")),
				Acts: []plan.Act{{Name: "region BEJ", Token: "p@0"}},
			},
			[]ask{{
				opPrefetch, `{` + prefet + `,"RegionCode":"BEJ","ConnectionTimeout":"0"}`,
				false,
				call.Act{Name: "region BEJ", Token: "p@0"},
				call.Routine,
			}},
		},
		{"prefetch forgotten", kindPrefetch, plan.Change{Action: plan.Delete, Before: specOf(t, limited)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.change.ID = resource.ID{Account: "acc", Kind: tt.kind, Key: "k"}
			got, err := New().Kinds()[tt.kind].Calls(tt.change)
			if err != nil {
				t.Fatal(err)
			}
			var want []*call.Request
			for _, a := range tt.want {
				want = append(want, a.request(t))
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %s\nwant %s", inJSON(t, got), inJSON(t, want))
			}
		})
	}
}

func inJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestCallsRefuseSpecsThatCannotBeRead(t *testing.T) {
	for name, kind := range New().Kinds() {
		change := plan.Change{Action: plan.Update, After: `[]`, Acts: []plan.Act{{Name: "stop"}}}
		if got, err := kind.Calls(change); err == nil || got != nil {
			t.Errorf("%s: got %v and no error", name, got)
		}
	}
}

func TestPrefetchCallsRefuseForeignActs(t *testing.T) {
	_, err := prefetchCalls(plan.Change{After: specOf(t, warm("0s", false, "BEJ")), Acts: []plan.Act{{Name: "BEJ"}}})
	if err == nil || err.Error() != `act "BEJ" names no region` {
		t.Errorf("got %v", err)
	}
}

func TestCallsOfNothingAreNone(t *testing.T) {
	for name, kind := range New().Kinds() {
		reqs, err := kind.Calls(plan.Change{Action: plan.None, After: specOf(t, multiStream{"d", true})})
		if err != nil || len(reqs) != 0 {
			t.Errorf("%s: calls %s, %v", name, inJSON(t, reqs), err)
		}
	}
}

// TestEveryOperationHasAQuota holds that no call goes out unlimited.
func TestEveryOperationHasAQuota(t *testing.T) {
	limits := New().Limits()
	all := []string{
		opSetMultiStream, opReadMultiStream, opForbid, opResume, opBlockList, opMapping, opRecord, opOnlineList, opPrefetch,
		opUserDomains,
	}
	for _, op := range all {
		if len(limits[op]) == 0 {
			t.Errorf("%s has no quota", op)
		}
		for _, w := range limits[op] {
			if w.Limit <= 0 || w.Per <= 0 {
				t.Errorf("%s has the quota %+v", op, w)
			}
		}
	}
	if len(limits) != len(all) {
		t.Errorf("%d quotas, want %d", len(limits), len(all))
	}
}

func TestReadsHaveNoEffect(t *testing.T) {
	want := []string{opReadMultiStream, opMapping, opBlockList, opOnlineList, opUserDomains}
	if got := New().Reads(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
