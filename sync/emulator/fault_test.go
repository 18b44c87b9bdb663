package emulator_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/emulator"
)

func (c *client) faults(t *testing.T, e *emulator.Emulator, list ...emulator.Fault) {
	t.Helper()
	if err := e.SetFaults(1, list...); err != nil {
		t.Fatal(err)
	}
}

func setSwitch(c *client, to string) got {
	return c.aliyun("SetLiveDomainMultiStreamConfig", "Domain", "live.example.com", "Switch", to)
}

// held returns the switch that setSwitch sets.
func held(e *emulator.Emulator) string {
	for _, d := range e.World().Domains {
		if d.Name == "live.example.com" {
			return d.MultiStream
		}
	}
	return ""
}

func TestFaultError(t *testing.T) {
	cases := map[string]struct {
		fault  emulator.Fault
		code   string
		status int
		volc   int
	}{
		"default":  {emulator.Fault{}, "InternalError", 500, 500},
		"by code":  {emulator.Fault{Code: "ServiceUnavailable"}, "ServiceUnavailable", 503, 400},
		"throttle": {emulator.Fault{Code: "Throttling.Api"}, "Throttling.Api", 400, 400},
		"volc 200": {emulator.Fault{Code: "CommonErr"}, "CommonErr", 400, 200},
		"status":   {emulator.Fault{Code: "InternalServiceTimeout", Status: 504}, "InternalServiceTimeout", 504, 504},
		"account":  {emulator.Fault{Code: "AccountFlowLimitExceeded"}, "AccountFlowLimitExceeded", 400, 429},
		"billing": {
			emulator.Fault{Code: "RequestForbidden.BillingStatus"}, "RequestForbidden.BillingStatus", 400, 403,
		},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			e, c := start(nil)
			k.fault.Operation, k.fault.Kind = "*", "error"
			c.faults(t, e, k.fault)
			setSwitch(c, "on").is(t, k.code, k.status)
			c.call("UpdateRelaySourceV3").is(t, k.code, k.volc)
			if held(e) != "" || len(e.World().RelaySources) != 0 {
				t.Error("the call had an effect")
			}
			if got := e.Journal()[0]; got.Code != k.code || got.Status != k.status || got.Fault != "error" {
				t.Errorf("journal: %+v", got)
			}
		})
	}
}

func TestFaultCountsAndOperations(t *testing.T) {
	e, c := start(nil)
	c.faults(t, e, emulator.Fault{Operation: "SetLiveDomainMultiStreamConfig", Kind: "error", Count: 2})
	c.call("DescribeLiveDomainMultiStreamConfig").ok(t)
	setSwitch(c, "on").is(t, "InternalError", 500)
	setSwitch(c, "on").is(t, "InternalError", 500)
	setSwitch(c, "on").ok(t)
	c.faults(t, e)
	c.call("DescribeRelaySourceV3").ok(t)
}

func TestFaultThrottleHasNoEffectAndDoesNotCount(t *testing.T) {
	e, c := start(nil)
	c.faults(t, e, emulator.Fault{Operation: "*", Kind: "throttle", Count: 25})
	for range 25 {
		setSwitch(c, "on").is(t, "Throttling.User", 400)
	}
	if held(e) != "" {
		t.Error("the call had an effect")
	}
	if got := c.count("SetLiveDomainMultiStreamConfig", 12); got != 10 {
		t.Errorf("%d calls pass afterwards, want 10", got)
	}
	c.faults(t, e, emulator.Fault{Operation: "*", Kind: "throttle"})
	c.call("UpdateRelaySourceV3").is(t, "FlowLimitExceeded", 429)
}

func TestFaultLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, c := start(nil)
		c.faults(t, e,
			emulator.Fault{Operation: "*", Kind: "latency", Delay: emulator.Duration(2 * time.Second)},
			emulator.Fault{
				Operation: "SetLiveDomainMultiStreamConfig", Kind: "latency", Delay: emulator.Duration(time.Second),
			})
		began := time.Now()
		setSwitch(c, "on").ok(t)
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %s, want 3s", took)
		}
		if at := e.Journal()[0].Time; !at.Equal(began) {
			t.Errorf("journal has %s, not the arrival %s", at, began)
		}
	})
}

func TestFaultLatencyEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, c := start(nil)
		c.faults(t, e, emulator.Fault{Operation: "*", Kind: "latency", Delay: emulator.Duration(time.Hour)})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r := c.v3("GET", "SetLiveDomainMultiStreamConfig", "Domain", "live.example.com", "Switch", "on")
		began := time.Now()
		g := c.do(r.WithContext(ctx))
		if !errors.Is(g.err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("got %v after %s", g.err, time.Since(began))
		}
		if held(e) != "on" {
			t.Error("the effect comes at arrival, before the answer; it did not")
		}
		if g := c.do(r.WithContext(ctx)); !errors.Is(g.err, context.DeadlineExceeded) || len(e.Journal()) != 1 {
			t.Errorf("a call after its deadline arrives: %v", g.err)
		}
	})
}

func TestFaultCutsInProcess(t *testing.T) {
	for kind, k := range map[string]struct {
		is    error
		held  string
		entry emulator.Call
	}{
		"reset":         {syscall.ECONNRESET, "", emulator.Call{Status: 0, Code: "fault.reset"}},
		"lost-response": {io.ErrUnexpectedEOF, "on", emulator.Call{Status: 200, Code: ""}},
	} {
		t.Run(kind, func(t *testing.T) {
			e, c := start(nil)
			c.faults(t, e, emulator.Fault{Operation: "*", Kind: kind})
			if g := setSwitch(c, "on"); !errors.Is(g.err, k.is) {
				t.Errorf("got %v, want %v", g.err, k.is)
			}
			if got := held(e); got != k.held {
				t.Errorf("the switch is %q, want %q", got, k.held)
			}
			got := e.Journal()[0]
			if got.Status != k.entry.Status || got.Code != k.entry.Code || got.Fault != kind || got.RequestID == "" {
				t.Errorf("journal: %+v", got)
			}
		})
	}
}

func TestFaultGarbage(t *testing.T) {
	e, c := start(nil)
	c.faults(t, e, emulator.Fault{Operation: "*", Kind: "garbage"})
	bodies := map[string]int{}
	for i := range 60 {
		operation := []string{"DescribeLiveStreamState", "RealTimeRecordCommand"}[i%2]
		g := c.call(operation)
		if g.err != nil || g.id != "" || g.code != "" {
			t.Fatalf("garbage was understood: %+v", g)
		}
		bodies[fmt.Sprintf("%d %.20q", g.status, g.body)]++
	}
	if len(bodies) != 5 {
		t.Errorf("%d shapes of garbage: %v", len(bodies), bodies)
	}
	c.faults(t, e, emulator.Fault{Operation: "*", Kind: "garbage", Status: 418})
	if g := setSwitch(c, "on"); g.status != 418 {
		t.Errorf("status %d, want 418", g.status)
	}
	if held(e) != "" {
		t.Error("the call had an effect")
	}
}

func TestFaultStaleRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, c := start(nil)
		read := func() string {
			g := c.aliyun("DescribeLiveDomainMultiStreamConfig", "Domain", "live.example.com").ok(t)
			return g.without(t)
		}
		stale := emulator.Fault{
			Operation: "DescribeLiveDomainMultiStreamConfig", Kind: "stale-read", Delay: emulator.Duration(5 * time.Second),
		}
		c.faults(t, e, stale)
		setSwitch(c, "on").ok(t)
		got := []string{read()}
		time.Sleep(5*time.Second - 1)
		got = append(got, read())
		time.Sleep(1)
		got = append(got, read())
		setSwitch(c, "off").ok(t)
		c.faults(t, e)
		got = append(got, read())
		want := []string{`{"Switch":"off"}`, `{"Switch":"off"}`, `{"Switch":"on"}`, `{"Switch":"off"}`}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// outcomes makes calls under faults and returns their codes.
func outcomes(seed uint64, others int) string {
	e, c := start(func(w *emulator.World) {
		w.Quotas = []emulator.Quota{{Operation: "DescribeLiveStreamState"}, {Operation: "DescribeLiveStreamsBlockList"}}
	})
	_ = e.SetFaults(seed,
		emulator.Fault{Operation: "*", Kind: "error", Code: "A", Probability: 0.3},
		emulator.Fault{Operation: "*", Kind: "error", Code: "B", Probability: 0.5})
	var codes []string
	for range 200 {
		for range others {
			c.call("DescribeLiveStreamsBlockList")
		}
		codes = append(codes, c.call("DescribeLiveStreamState").code+".")
	}
	return strings.Join(codes, "")
}

func TestFaultsRepeatWithTheirSeed(t *testing.T) {
	one := outcomes(7, 0)
	if again := outcomes(7, 0); again != one {
		t.Error("the same seed strikes other calls")
	}
	if beside := outcomes(7, 3); beside != one {
		t.Error("calls of another operation change what strikes this one")
	}
	if other := outcomes(8, 0); other == one {
		t.Error("another seed strikes the same calls")
	}
	a, b := strings.Count(one, "A"), strings.Count(one, "B")
	if a < 40 || a > 80 || b < 45 || b > 95 { // 60 and 70 of 200 expected
		t.Errorf("%d and %d strikes of 200", a, b)
	}
}

func TestFaultRefusals(t *testing.T) {
	cases := map[string]string{
		`[{"kind":"error"}]`: "faults[0].operation: missing",
		`[{"operation":"*","kind":"reset"},{"operation":"*","kind":"flood"}]`: `faults[1].kind: "flood", want one of`,
		`[{"operation":"*","kind":"error","probability":1.5}]`:                "faults[0].probability: 1.5",
		`[{"operation":"*","kind":"error","probability":-1}]`:                 "faults[0].probability: -1",
		`[{"operation":"*","kind":"error","count":-1}]`:                       "faults[0].count: -1",
		`[{"operation":"*","kind":"error","status":99}]`:                      "faults[0].status: 99",
		`[{"operation":"*","kind":"latency","delay":"2h"}]`:                   "faults[0].delay: 2h0m0s",
		`[{"operation":"*","kind":"latency","delay":"2"}]`:                    "want a form like 1m30s",
		`[{"operation":"*","kind":"error","unknown":1}]`:                      "unknown field",
		`{"seed":-1}`:       "seed",
		`{"faults":[]} []`:  "more than one JSON value",
		`nothing like JSON`: "body:",
	}
	for body, want := range cases {
		t.Run(body, func(t *testing.T) {
			e, c := start(nil)
			c.faults(t, e, emulator.Fault{Operation: "*", Kind: "error"})
			g := c.admin("PUT", "faults", body)
			if g.status != http.StatusBadRequest || !strings.Contains(g.body, strings.ReplaceAll(want, `"`, `\"`)) {
				t.Errorf("got %d %s, want %q", g.status, g.body, want)
			}
			setSwitch(c, "on").is(t, "InternalError", 500) // the old ones stay in force
		})
	}
}

func TestFaultsOverHTTP(t *testing.T) {
	_, c := start(nil)
	put := func(body string) {
		t.Helper()
		if g := c.admin("PUT", "faults", body); g.status != http.StatusOK {
			t.Fatalf("got %d %s", g.status, g.body)
		}
	}
	put(`{"seed":42,"faults":[
		{"operation":"*","kind":"error","code":"X","status":503,"delay":"","probability":0,"count":2}]}`)
	setSwitch(c, "on").is(t, "X", 503)
	want := `{"seed":42,"faults":[{"operation":"*","kind":"error","code":"X","status":503,"count":1}]}`
	if got := strings.Join(strings.Fields(c.admin("GET", "faults", "").body), ""); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	put(`[{"operation":"*","kind":"throttle","seed":3}]`)
	setSwitch(c, "on").is(t, "Throttling.User", 400)
	put(`[]`)
	setSwitch(c, "on").ok(t)
}

// TestFaultCutsOverASocket plays reset and lost-response against net/http.
func TestFaultCutsOverASocket(t *testing.T) {
	for kind, wantHeld := range map[string]string{"reset": "", "lost-response": "on"} {
		t.Run(kind, func(t *testing.T) {
			e, c := start(nil)
			srv := httptest.NewServer(e)
			defer srv.Close()
			c.host = strings.TrimPrefix(srv.URL, "http://")
			transport := &http.Transport{DisableKeepAlives: true}
			defer transport.CloseIdleConnections()
			c.transport = transport
			setSwitch(c, "off").ok(t)
			c.faults(t, e, emulator.Fault{Operation: "*", Kind: kind, Count: 1})
			g := setSwitch(c, "on")
			if !errors.Is(g.err, io.EOF) && !errors.Is(g.err, syscall.ECONNRESET) {
				t.Errorf("got %v (%d), want a closed connection", g.err, g.status)
			}
			if got := held(e); got != wantHeld && (wantHeld != "" || got != "off") {
				t.Errorf("the switch is %q, want %q", got, wantHeld)
			}
			c.call("DescribeRelaySourceV3").ok(t)
		})
	}
}

// TestCutWithoutAConnection: where a handler cannot have the connection, it
// aborts as net/http asks handlers to.
func TestCutWithoutAConnection(t *testing.T) {
	e, c := start(nil)
	c.faults(t, e, emulator.Fault{Operation: "*", Kind: "reset"})
	r := c.v3("GET", "DescribeLiveStreamState")
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("recovered %v", got)
		}
	}()
	e.ServeHTTP(httptest.NewRecorder(), r)
	t.Error("an answer without a connection to cut")
}
