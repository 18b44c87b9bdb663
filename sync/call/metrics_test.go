package call_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/call"
)

func newMetrics(t *testing.T) (*call.Metrics, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	m, err := call.NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	return m, registry
}

// value returns one series' value.
func value(t *testing.T, registry *prometheus.Registry, name string, labels map[string]string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			matching := 0
			for _, l := range m.GetLabel() {
				if want, ok := labels[l.GetName()]; ok && want == l.GetValue() {
					matching++
				}
			}
			if family.GetName() == name && matching == len(labels) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return -1
}

func TestMetrics_PassTheLinter(t *testing.T) {
	m, registry := newMetrics(t)
	m.Preset("a", []string{"Op"})
	m.Watch("a", limiters(t, second(10), "a")["a"])
	m.WatchClock("a", func() time.Duration { return 90 * time.Second })
	if got := value(t, registry, "weir_clock_skew_seconds", map[string]string{"account": "a"}); got != 90 {
		t.Errorf("the clock is %v seconds ahead", got)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) != 0 {
		t.Errorf("problems %v, error %v", problems, err)
	}
	if got, err := testutil.GatherAndCount(registry); err != nil || got != len(call.Codes())+14 {
		t.Errorf("%d series, %v; want one for each code and fourteen more", got, err)
	}
}

func TestMetrics_RegisteredTwice(t *testing.T) {
	_, registry := newMetrics(t)
	if _, err := call.NewMetrics(registry); err == nil || !strings.Contains(err.Error(), "duplicate") {
		t.Errorf("error %v, want one about the duplicate", err)
	}
}

func TestMetrics_OfALimitedThrottledCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, registry := newMetrics(t)
		all := limiters(t, second(4), "a")
		m.Watch("a", all["a"])
		client := &script{outcomes: fails(1, call.Throttled)}
		c := call.Stack(client, call.StackOptions{Limiters: all, Metrics: m, Jitter: half})
		op := map[string]string{"account": "a", "operation": "Op"}
		if got := value(t, registry, "weir_quota_limit_per_second", op); got != 4 {
			t.Errorf("limit %v, want 4", got)
		}
		if _, err := c.Call(t.Context(), request()); err != nil {
			t.Fatal(err)
		}
		c.Call(t.Context(), request())
		c.Call(t.Context(), request()) // waits: two slots are left
		want := map[string]float64{
			"weir_throttled_total": 1, "weir_throttled_foreign_total": 1, "weir_quota_ceiling_per_second": 2,
			"weir_call_retries_total": 1, "weir_quota_limit_per_second": 2,
			"weir_quota_wait_seconds_total": 1.001, "weir_call_duration_seconds": 4,
		}
		for name, want := range want {
			if got := value(t, registry, name, op); got != want {
				t.Errorf("%s %v, want %v", name, got, want)
			}
		}
		m.Watch("a", nil)
		if got := value(t, registry, "weir_quota_limit_per_second", op); got != -1 {
			t.Errorf("limit of an account that is gone: %v", got)
		}
	})
}

func TestMetrics_CallsThatWereNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, registry := newMetrics(t)
		client := &script{outcomes: fails(1, call.Billing)}
		c := call.Stack(client, call.StackOptions{Limiters: limiters(t, second(10), "a"), Metrics: m})
		for range 3 {
			c.Call(t.Context(), request())
		}
		for code, want := range map[call.Code]float64{call.Billing: 1, call.Stopped: 2, call.OK: -1} {
			if got := value(t, registry, "weir_calls_total", map[string]string{"code": string(code)}); got != want {
				t.Errorf("%s %v, want %v", code, got, want)
			}
		}
	})
}

func TestMetrics_ClientsOwnFaultIsCountedOnce(t *testing.T) {
	m, registry := newMetrics(t)
	client := call.Func(func(context.Context, *call.Request) (*call.Response, error) {
		return nil, &call.Error{Code: call.Internal}
	})
	call.Stack(client, call.StackOptions{Limiters: limiters(t, second(10), "a"), Metrics: m}).Call(t.Context(), request())
	if got := value(t, registry, "weir_calls_total", map[string]string{"code": "internal"}); got != 1 {
		t.Errorf("counted %v times, want once", got)
	}
}

func TestMetrics_OnlyWhatWasNeverSentIsUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, registry := newMetrics(t)
		client := &script{outcomes: fails(1, call.Unavailable)}
		fence := call.Withhold(nil, nil)
		turns := 0
		c := call.MeterUnsent(call.Retry(call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
			if turns++; turns == 1 {
				return client.Call(ctx, req)
			}
			return fence.Call(ctx, req)
		}), call.RetryOptions{}), m)
		if _, err := c.Call(t.Context(), request()); call.CodeOf(err) != call.Withheld {
			t.Fatalf("outcome %v, want withheld at the second try", err)
		}
		client.outcomes = fails(1, call.Denied)
		call.MeterUnsent(client, m).Call(t.Context(), request())
		if got := value(t, registry, "weir_calls_total", nil); got != -1 {
			t.Errorf("%v calls counted that the meter below has counted", got)
		}
	})
}

func TestMetrics_NoneGivenMeasureNothing(t *testing.T) {
	var m *call.Metrics
	m.Preset("a", []string{"Op"})
	m.Watch("a", nil)
	if _, err := call.MeterUnsent(call.Meter(&script{}, m), m).Call(t.Context(), request()); err != nil {
		t.Error(err)
	}
}

// TestFailure_A07_OwnThrottleIsNotForeign: a limit that the config sets above what
// is documented can be why a call is throttled; less use than that cannot.
func TestFailure_A07_OwnThrottleIsNotForeign(t *testing.T) {
	tests := []struct {
		name   string
		within int // calls right before the throttled one
		want   float64
	}{
		{"within what is documented", 9, 1},
		{"above it", 10, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, registry := newMetrics(t)
				m.Preset("a", []string{"Op"})
				l, err := call.NewLimiter(call.LimiterOptions{
					Limits: map[string][]call.Window{"Op": {second(10), {Limit: 1000, Per: time.Minute}}}, Overrides: map[string]call.Window{"Op": second(50)},
				})
				if err != nil {
					t.Fatal(err)
				}
				client := &script{outcomes: append(make([]error, tt.within), fails(1, call.Throttled)...)}
				c := call.Limit(client, call.Limiters{"a": l}, m)
				for range tt.within + 1 {
					c.Call(t.Context(), request())
				}
				if got := value(t, registry, "weir_throttled_foreign_total", nil); got != tt.want {
					t.Errorf("%v foreign throttles, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestMetrics_Waiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, registry := newMetrics(t)
		all := limiters(t, second(1), "a")
		m.Watch("a", all["a"])
		c := call.Limit(&script{}, all, m)
		c.Call(t.Context(), request())
		for i, p := range priorities() {
			for range i + 1 {
				go c.Call(call.WithPriority(t.Context(), p), &call.Request{Account: "a", Operation: "Op"})
			}
		}
		synctest.Wait()
		for i, name := range []string{"scrub", "planning", "routine", "person", "urgent"} {
			if got := value(t, registry, "weir_quota_waiting", map[string]string{"priority": name}); got != float64(i+1) {
				t.Errorf("%v calls of priority %s wait, want %d", got, name, i+1)
			}
		}
		time.Sleep(20 * time.Second)
		if got := value(t, registry, "weir_quota_waiting", map[string]string{"priority": "scrub"}); got != 0 {
			t.Errorf("%v calls wait when all are done", got)
		}
	})
}

func TestMetrics_MinuteWindowAsPerSecond(t *testing.T) {
	m, registry := newMetrics(t)
	m.Watch("a", limiters(t, call.Window{Limit: 30, Per: time.Minute}, "a")["a"])
	if got := value(t, registry, "weir_quota_limit_per_second", map[string]string{"operation": "Op"}); got != 0.5 {
		t.Errorf("limit %v, want 0.5", got)
	}
}
