package otlp

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	v1 "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"weir/sync/secret"
	"weir/sync/trace"
	"weir/sync/trace/otlp/otlptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newReceiver returns a collector that is there until the test ends.
func newReceiver(t *testing.T, answers ...int) *otlptest.Receiver {
	r := otlptest.New(answers...)
	t.Cleanup(r.Close)
	return r
}

// taken returns what a receiver took.
func taken(t *testing.T, r *otlptest.Receiver) ([]*http.Request, []*v1.Span) {
	t.Helper()
	heads, spans, err := r.Requests()
	if err != nil {
		t.Fatal(err)
	}
	return heads, spans
}

func newExporter(t *testing.T, opts Options) (*Exporter, *Metrics) {
	t.Helper()
	m, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	opts.Metrics = m
	e, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return e, m
}

func count(m *Metrics, result string) int {
	return int(testutil.ToFloat64(m.spans.WithLabelValues(result)))
}

func TestSpansArriveWhole(t *testing.T) {
	r := newReceiver(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "headers")
	if err := os.WriteFile(file, []byte("Authorization: Basic abc=\nX-Scope-OrgID: live\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e, m := newExporter(t, Options{URL: r.URL, Headers: secret.Ref{File: file}, Version: "v1.2.3"})
	ctx, root := trace.New(e, 1).Begin(t.Context(), "pass")
	_, call := trace.Begin(ctx, "DescribeX")
	call.Remote()
	call.Text("weir.account", "ali")
	call.Number("weir.attempts", -2)
	call.Flag("weir.write", true)
	call.Flag("weir.dry", false)
	call.Seconds("weir.rtt", 250*time.Millisecond)
	call.End(errors.New("throttled"))
	root.End(nil)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	heads, spans := taken(t, r)
	if len(spans) != 2 || count(m, sent) != 2 {
		t.Fatalf("%d spans arrived, %d counted", len(spans), count(m, sent))
	}
	x, pass := spans[0], spans[1]
	if !bytes.Equal(x.GetTraceId(), pass.GetTraceId()) || len(x.GetTraceId()) != 16 || len(pass.GetSpanId()) != 8 ||
		!bytes.Equal(x.GetParentSpanId(), pass.GetSpanId()) || len(pass.GetParentSpanId()) != 0 {
		t.Errorf("names %v", spans)
	}
	if x.GetName() != "DescribeX" || x.GetKind() != v1.Span_SPAN_KIND_CLIENT || pass.GetKind() != v1.Span_SPAN_KIND_INTERNAL ||
		x.GetStatus().GetCode() != v1.Status_STATUS_CODE_ERROR || x.GetStatus().GetMessage() != "throttled" || pass.GetStatus() != nil {
		t.Errorf("spans %v", spans)
	}
	if x.GetStartTimeUnixNano() < pass.GetStartTimeUnixNano() || x.GetEndTimeUnixNano() > pass.GetEndTimeUnixNano() ||
		time.Since(time.Unix(0, int64(x.GetStartTimeUnixNano()))).Abs() > time.Minute {
		t.Errorf("times %v", spans)
	}
	want := "pass/DescribeX error=throttled weir.account=ali weir.attempts=-2 weir.write=true weir.dry=false weir.rtt=0.25"
	if lines := otlptest.Lines(spans); lines[0] != want || lines[1] != "pass" {
		t.Errorf("spans %q", lines)
	}
	about := map[string]string{}
	for _, a := range r.Process().GetAttributes() {
		about[a.GetKey()] = a.GetValue().GetStringValue()
	}
	if about["service.name"] != "weir" || about["service.version"] != "v1.2.3" || about["service.instance.id"] == "" {
		t.Errorf("resource %v", about)
	}
	h := heads[0].Header
	if heads[0].URL.Path != "/v1/traces" || h.Get("Authorization") != "Basic abc=" || h.Get("X-Scope-OrgID") != "live" ||
		h.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("sent to %s with %v", heads[0].URL, h)
	}
}

func TestPathOfTheCollectorStays(t *testing.T) {
	r := newReceiver(t)
	e, _ := newExporter(t, Options{URL: r.URL + "/adapt/api/otlp/traces"})
	e.Record(trace.Ended{Name: "one"})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if heads, _ := taken(t, r); len(heads) != 1 || heads[0].URL.Path != "/adapt/api/otlp/traces" {
		t.Errorf("%v", heads)
	}
}

func TestSendsInBatches(t *testing.T) {
	r := newReceiver(t)
	e, m := newExporter(t, Options{URL: r.URL})
	for i := range 2*batch + 7 {
		e.Record(trace.Ended{Name: fmt.Sprint(i)})
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	heads, spans := taken(t, r)
	if len(spans) != 2*batch+7 || count(m, sent) != 2*batch+7 || len(heads) < 3 {
		t.Errorf("%d spans in %d requests", len(spans), len(heads))
	}
	for i, s := range spans {
		if s.GetName() != fmt.Sprint(i) {
			t.Fatalf("span %d is %s", i, s.GetName())
		}
	}
}

func TestTriesAgainWhereThatHelps(t *testing.T) {
	for _, tc := range []struct {
		code int
		sent bool
	}{{http.StatusServiceUnavailable, true}, {http.StatusTooManyRequests, true}, {http.StatusBadRequest, false}, {http.StatusUnauthorized, false}, {http.StatusMovedPermanently, false}} {
		t.Run(fmt.Sprint(tc.code), func(t *testing.T) {
			r := newReceiver(t, tc.code)
			var log bytes.Buffer
			e, m := newExporter(t, Options{URL: r.URL, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			for range batch { // a full batch goes at once
				e.Record(trace.Ended{Name: "one"})
			}
			for count(m, sent)+count(m, failed) == 0 {
				time.Sleep(10 * time.Millisecond)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			_, spans := taken(t, r)
			if got := len(spans) == batch; got != tc.sent || count(m, sent) == batch != tc.sent {
				t.Errorf("arrived: %v", got)
			}
			if again := strings.Contains(log.String(), "traces are sent again"); again != tc.sent || strings.Count(log.String(), "cannot be sent") != 1 {
				t.Errorf("log:\n%s", log.String())
			}
		})
	}
}

// TestDeadCollector: one that does not answer keeps nobody, at the end neither.
func TestDeadCollector(t *testing.T) {
	held := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	defer s.Close()
	defer close(held)
	for name, url := range map[string]string{"silent": s.URL, "gone": "http://127.0.0.1:1"} {
		t.Run(name, func(t *testing.T) {
			e, m := newExporter(t, Options{URL: url})
			began := time.Now()
			for range 3 * most {
				e.Record(trace.Ended{Name: "one"})
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("recording took %s", took)
			}
			began = time.Now()
			if err := e.Close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > closing+time.Second {
				t.Errorf("closing took %s", took)
			}
			e.Record(trace.Ended{Name: "late"})
			if n := count(m, dropped); n < 2*most-2*batch || count(m, sent) != 0 {
				t.Errorf("%d dropped, %d sent", n, count(m, sent))
			}
		})
	}
}

func TestWhatIsRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, tc := range map[string]struct {
		opts Options
		want string
	}{
		"no such CA":      {Options{URL: "https://c", CAFile: filepath.Join(dir, "missing")}, "missing"},
		"no certificate":  {Options{URL: "https://c", CAFile: write("empty.pem", "x")}, "holds no certificate"},
		"no such headers": {Options{URL: "https://c", Headers: secret.Ref{File: filepath.Join(dir, "missing")}}, "missing"},
		"no header":       {Options{URL: "https://c", Headers: secret.Ref{File: write("headers", "secret text\n")}}, "Name: value"},
		"no URL":          {Options{URL: "http://a b"}, "invalid"},
	} {
		_, err := New(tc.opts)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret text") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMetricsAreNamedWell(t *testing.T) {
	reg := prometheus.NewRegistry()
	m, err := NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	m.preset()
	families, err := reg.Gather()
	if err != nil || len(families) != 1 {
		t.Fatal(families, err)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// FuzzEncode: whatever a span says, OpenTelemetry's types read it back.
func FuzzEncode(f *testing.F) {
	f.Add("pass", "weir.account", "ali", int64(1), 0.5, true, "why")
	f.Fuzz(func(t *testing.T, name, key, value string, n int64, x float64, flag bool, why string) {
		clean := func(s string) string { return strings.ToValidUTF8(s, "?") }
		in := trace.Ended{
			ID: trace.ID{Trace: [16]byte{1}, Span: [8]byte{2}}, Parent: [8]byte{3}, Name: name, Began: time.Unix(1, 2), Ended: time.Unix(3, 4),
			Attrs:  []trace.Attr{{Key: key, Value: value}, {Key: "n", Value: n}, {Key: "x", Value: x}, {Key: "flag", Value: flag}},
			Failed: why != "", Why: why,
		}
		out := &collector.ExportTraceServiceRequest{}
		if err := proto.Unmarshal(encode(nil, "v", []trace.Ended{in}), out); err != nil {
			t.Fatal(err)
		}
		s := out.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0]
		a := s.GetAttributes()
		if s.GetName() != clean(name) || a[0].GetKey() != clean(key) || a[0].GetValue().GetStringValue() != clean(value) ||
			a[1].GetValue().GetIntValue() != n || a[3].GetValue().GetBoolValue() != flag || s.GetStatus().GetMessage() != clean(why) ||
			s.GetStartTimeUnixNano() != 1e9+2 || s.GetEndTimeUnixNano() != 3e9+4 {
			t.Errorf("%v became %v", in, s)
		}
	})
}
