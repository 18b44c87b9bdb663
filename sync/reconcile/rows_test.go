package reconcile

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/call"
	"weir/sync/emulator"
)

// rewriting changes the answers of the clouds on their way: each old text by the
// new one that follows it.
type rewriting struct {
	next http.RoundTripper
	pair atomic.Pointer[strings.Replacer]
}

func (r *rewriting) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if pair := r.pair.Load(); pair != nil {
		body = []byte(pair.Replace(string(body)))
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Del("Content-Length")
	return resp, nil
}

// rewritten runs a story with a house whose answers are changed from the moment
// at which the returned function is called.
func rewritten(t *testing.T, story func(h *house, rewrite func(pair ...string))) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		on := &rewriting{}
		h.through = func(next http.RoundTripper) http.RoundTripper { on.next = next; return on }
		h.build()
		h.start()
		defer func() { h.stop() }()
		story(h, func(pair ...string) {
			h.wait(time.Second)
			on.pair.Store(strings.NewReplacer(pair...))
		})
	})
}

func (h *house) unfamiliar(account, kind string) float64 {
	return testutil.ToFloat64(h.rec.opts.Metrics.unfamiliar.WithLabelValues(account, kind))
}

// TestFailure_A20_WaysToWriteAreNoDifference: however a manifest writes a thing, once
// it is applied the cloud's own way to write it is no difference.
func TestFailure_A20_WaysToWriteAreNoDifference(t *testing.T) {
	documents := map[string]string{
		"upper case of an origin": strings.Replace(relay, "a.example.org", "A.Example.Org", 1),
		"empty params":            strings.Replace(relay, "protocol: rtmp", "protocol: rtmp, params: {}", 1),
		"a time in another zone":  strings.Replace(forbid, "allowed: false", "allowed: false, until: 2000-01-02T05:00:00.25+08:00", 1),
		"JSON":                    `{"apiVersion":"aliyun/v1","kind":"MultiStream","spec":{"domain":"live.example.com","enabled":true}}`,
	}
	for name, document := range documents {
		t.Run(name, func(t *testing.T) {
			inTime(t, nil, func(h *house) {
				file := map[bool]string{true: "a.json", false: "a.yaml"}[name == "JSON"]
				h.commit(file, document)
				h.wait(3 * time.Minute)
				if n := len(h.writes()); n != 1 {
					t.Errorf("%d writes, problems %v", n, h.rec.Status().Sources[0].Problems)
				}
				h.rec.MarkFull()
				h.wait(time.Minute)
				h.expectWrites()
				for id, s := range h.states() {
					if s != "in-sync" {
						t.Errorf("%s is %s", id, s)
					}
				}
			})
		})
	}
}

// TestFailure_A21_OrderMattersWhereItSays: the order of groups and servers is the
// order of failover; the order of regions and params says nothing.
func TestFailure_A21_OrderMattersWhereItSays(t *testing.T) {
	const groups = "apiVersion: volcengine/v1\nkind: RelaySource\nspec: {vhost: push.example.com, app: live, groups: [%s]}\n"
	a, b := "{name: a, servers: [{address: a1.example.org, protocol: rtmp}, {address: a2.example.org, protocol: rtmp}]}",
		"{name: b, servers: [{address: b.example.org, protocol: flv, params: {x: '1', y: '2'}}]}"
	turned := "{name: a, servers: [{address: a2.example.org, protocol: rtmp}, {address: a1.example.org, protocol: rtmp}]}"
	tests := map[string]struct {
		before, after string
		writes        int
	}{
		"groups":  {fmt.Sprintf(groups, a+", "+b), fmt.Sprintf(groups, b+", "+a), 1},
		"servers": {fmt.Sprintf(groups, a+", "+b), fmt.Sprintf(groups, turned+", "+b), 1},
		"params":  {fmt.Sprintf(groups, a+", "+b), strings.Replace(fmt.Sprintf(groups, a+", "+b), "x: '1', y: '2'", "y: '2', x: '1'", 1), 0},
		"regions": {regions("SG, NO"), regions("NO, SG"), 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inTime(t, nil, func(h *house) {
				h.commit("a.yaml", tc.before)
				h.wait(time.Minute)
				h.writes()
				h.commit("a.yaml", tc.after)
				h.wait(time.Minute)
				if got := h.writes(); len(got) != tc.writes {
					t.Errorf("writes %v, want %d", got, tc.writes)
				}
			})
		})
	}
}

// TestFailure_A22_KeyThatIsEnabledAgain is used by itself, within ten minutes,
// and everything that waited is done.
func TestFailure_A22_KeyThatIsEnabledAgain(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.patch(emulator.World{Credentials: []emulator.Credential{{Cloud: "aliyun", AccessKeyID: "weir-emulator", Deleted: true}}})
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(time.Hour)
		h.expectWrites("UpdateRelaySourceV3")
		tried := 0
		for _, e := range h.journal() {
			if e.Account == "ali" {
				tried++
			}
		}
		if tried > 12 {
			t.Errorf("%d calls with a dead key in an hour", tried)
		}
		h.patch(emulator.World{Credentials: []emulator.Credential{
			{Cloud: "aliyun", AccessKeyID: "weir-emulator", AccessKeySecret: "weir-emulator"},
		}})
		h.wait(11 * time.Minute)
		h.expectWrites("SetLiveDomainMultiStreamConfig on")
	})
}

// TestFailure_A23_DenialAndBilling: a denial is of one resource and the rest goes
// on; an unpaid bill stops the account, and the other goes on.
func TestFailure_A23_DenialAndBilling(t *testing.T) {
	other := strings.Replace(multiOn, "live.example.com", "other.example.com", 1)
	inTime(t, nil, func(h *house) {
		h.faults(emulator.Fault{Operation: "ForbidLiveStream", Kind: "error", Code: "Forbidden.RAM", Status: 403})
		h.commit("a.yaml", multiOn, "b.yaml", forbid, "c.yaml", relay)
		h.wait(time.Minute)
		denied := 0
		for _, w := range h.writes() {
			denied += strings.Count(w, "ForbidLiveStream")
		}
		if denied < 1 || denied > 5 {
			t.Errorf("%d tries of what is denied in a minute", denied)
		}
		want := map[string]string{
			"MultiStream live.example.com": "in-sync", "StreamIngest push.example.com/live/bad": "pending",
			"RelaySource push.example.com/live": "in-sync",
		}
		h.expectStates(want)
		if f := h.rec.Status().Failures; len(f) != 1 || f[0].Code != call.Denied {
			t.Errorf("failures %+v", f)
		}
	})
	inTime(t, nil, func(h *house) {
		h.faults(emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "error", Code: "InvalidAccount.Overdue", Status: 400})
		h.commit("a.yaml", multiOn, "b.yaml", other, "c.yaml", relay, "d.yaml", forbid)
		h.wait(50 * time.Second)
		set := 0
		for _, w := range h.writes() {
			set += strings.Count(w, "SetLive")
		}
		if set > 2 {
			t.Errorf("%d calls with an unpaid bill", set)
		}
		if h.states()["RelaySource push.example.com/live"] != "in-sync" {
			t.Error("the other account does not go on")
		}
		h.faults()
		h.wait(15 * time.Minute)
		for id, s := range h.states() {
			if s != "in-sync" {
				t.Errorf("%s is %s once the bill is paid", id, s)
			}
		}
	})
}

// TestFailure_A24_ClockHalfAnHourOff: the cloud's own time is used to sign, and
// everything is applied.
func TestFailure_A24_ClockHalfAnHourOff(t *testing.T) {
	for _, skew := range []time.Duration{-30 * time.Minute, 30 * time.Minute} {
		inTime(t, nil, func(h *house) {
			if err := h.clouds.SetSettings(emulator.Settings{ClockSkew: emulator.Duration(skew), AcceptExampleDomains: true}); err != nil {
				t.Fatal(err)
			}
			h.commit("a.yaml", multiOn, "b.yaml", relay)
			h.wait(time.Minute)
			for id, s := range h.states() {
				if s != "in-sync" {
					t.Errorf("%v: %s is %s", skew, id, s)
				}
			}
			refused := 0
			for _, e := range h.journal() {
				if e.Outcome.Code == string(call.Clock) {
					refused++
				}
			}
			if refused > 4 {
				t.Errorf("%v: %d calls refused for their time", skew, refused)
			}
		})
	}
}

// TestFailure_A25_NonceThatWasUsed: the cloud has met the request before, so that
// it may have had its effect: it is read back like a lost answer.
func TestFailure_A25_NonceThatWasUsed(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.faults(emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "error", Code: "SignatureNonceUsed", Status: 400, Count: 1})
		h.commit("a.yaml", multiOn)
		h.wait(20 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig on: SignatureNonceUsed", "SetLiveDomainMultiStreamConfig on")
		h.expectStates(map[string]string{"MultiStream live.example.com": "in-sync"})
	})
}

// TestFailure_A29_UnknownFieldsAndValues: what weir does not know it neither
// drops nor overwrites; it says so, counts it, and goes on when it is gone.
func TestFailure_A29_UnknownFieldsAndValues(t *testing.T) {
	tests := map[string]struct {
		pair          []string
		account, kind string
		read          bool // it can be read all the same
	}{
		"a setting of a relay":           {[]string{`"GroupDetails":`, `"LBType":"rand","GroupDetails":`}, "volc", "RelaySource", false},
		"a setting of a server":          {[]string{`"RelaySourceDomain":`, `"Weight":7,"RelaySourceDomain":`}, "volc", "RelaySource", false},
		"a protocol":                     {[]string{`"RelaySourceProtocol":"flv"`, `"RelaySourceProtocol":"srt"`}, "volc", "RelaySource", false},
		"a position of the switch":       {[]string{`"Switch":"on"`, `"Switch":"auto"`}, "ali", "MultiStream", false},
		"a field that says no wish":      {[]string{`"Switch":`, `"Region":"cn-shanghai","Switch":`}, "ali", "MultiStream", true},
		"a setting that is switched off": {[]string{`"GroupDetails":`, `"Backup":false,"GroupDetails":`}, "volc", "RelaySource", true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			rewritten(t, func(h *house, rewrite func(...string)) {
				h.commit("a.yaml", relay, "b.yaml", multiOn)
				h.wait(time.Minute)
				h.writes()
				rewrite(tc.pair...)
				h.wait(6 * time.Minute)
				edited := strings.Replace(relay, "a.example.org", "c.example.org", 1)
				h.commit("a.yaml", edited, "b.yaml", multiOn)
				h.wait(6 * time.Minute)
				got := h.writes()
				if overwritten := len(got) == 1 && tc.kind == "RelaySource"; overwritten != (tc.read && tc.kind == "RelaySource") {
					t.Errorf("writes %v", got)
				}
				want := map[bool]float64{true: 0, false: 1}[tc.read]
				if n := h.unfamiliar(tc.account, tc.kind); n != want {
					t.Errorf("counted %v times, want %v", n, want)
				}
				rewrite()
				h.rec.MarkFull()
				h.wait(2 * time.Minute)
				for id, s := range h.states() {
					if s != "in-sync" {
						t.Errorf("%s is %s once it is gone", id, s)
					}
				}
			})
		})
	}
}

// TestFailure_A30_TypesThatChange: a number for a text and a text for a number
// are read where that is harmless; what has another shape is unreadable, and
// nothing is written by it.
func TestFailure_A30_TypesThatChange(t *testing.T) {
	params := strings.Replace(relayParams, `"1"`, `"10"`, 1)
	tests := map[string]struct {
		pair []string
		read bool
	}{
		"number for a text":     {[]string{`"token":"10"`, `"token":10`}, true},
		"list for a text":       {[]string{`"token":"10"`, `"token":["10"]`}, false},
		"text for a list":       {[]string{`"Servers":[`, `"Servers":"","Old":[`}, false},
		"number for the switch": {[]string{`"Switch":"on"`, `"Switch":1`}, false},
		"boolean for an object": {[]string{`"Result":{`, `"Result":true,"Old":{`}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			rewritten(t, func(h *house, rewrite func(...string)) {
				h.commit("a.yaml", params, "b.yaml", multiOn)
				h.wait(time.Minute)
				h.writes()
				rewrite(tc.pair...)
				h.wait(11 * time.Minute)
				h.expectWrites()
				blind := 0
				for _, s := range h.states() {
					if s == "unknown" {
						blind++
					}
				}
				if (blind == 0) != tc.read {
					t.Errorf("states %v", h.states())
				}
			})
		})
	}
}

// TestFailure_A32_OperationIsGone: it is told in clear words and asked for rarely,
// the rest goes on, and so does it when it is back.
func TestFailure_A32_OperationIsGone(t *testing.T) {
	tests := map[string]struct{ operation, code, kind string }{
		"aliyun":     {"SetLiveDomainMultiStreamConfig", "InvalidAction.NotFound", "MultiStream live.example.com"},
		"volcengine": {"UpdateRelaySourceV3", "InvalidActionOrVersion", "RelaySource push.example.com/live"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inTime(t, nil, func(h *house) {
				h.faults(emulator.Fault{Operation: tc.operation, Kind: "error", Code: tc.code, Status: 404})
				h.commit("a.yaml", multiOn, "b.yaml", relay, "c.yaml", forbid)
				h.wait(time.Hour)
				n := 0
				for _, w := range h.writes() {
					n += strings.Count(w, tc.code)
				}
				if n < 1 || n > 15 {
					t.Errorf("%d calls of an operation that is gone, in an hour", n)
				}
				for id, s := range h.states() {
					if (s == "in-sync") == (id == tc.kind) {
						t.Errorf("%s is %s", id, s)
					}
				}
				f := h.rec.Status().Failures
				if len(f) != 1 || !strings.Contains(f[0].Error, tc.code) {
					t.Errorf("failures %+v", f)
				}
				h.faults()
				h.wait(15 * time.Minute)
				if s := h.states()[tc.kind]; s != "in-sync" {
					t.Errorf("%s once it is back", s)
				}
			})
		})
	}
}
