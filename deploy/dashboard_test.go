package deploy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weir/sync/daemon/demotest"
)

// dashboard is what is read of Grafana's document.
type dashboard struct {
	Panels []struct {
		Title, Type string
		Targets     []struct{ Expr string }
	}
	Annotations struct{ List []struct{ Expr string } }
	Templating  struct {
		List []struct{ Name, Type, Definition string }
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "grafana/provisioning/dashboards/weir.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// queries returns every query by what it is for, with the reader's choices made.
func (d dashboard) queries() map[string]string {
	all := strings.NewReplacer("$instance", ".*", "$account", ".*", "$__rate_interval", "20s")
	out := map[string]string{}
	for _, p := range d.Panels {
		for i, q := range p.Targets {
			out[fmt.Sprintf("%s/%c", p.Title, 'A'+i)] = all.Replace(q.Expr)
		}
	}
	return out
}

// TestDashboardUsesWhatIsThere: each query asks for metrics of the table, or recorded.
func TestDashboardUsesWhatIsThere(t *testing.T) {
	known := queryable(t)
	known["ALERTS"] = true
	d := readDashboard(t)
	queries := d.queries()
	for i, a := range d.Annotations.List {
		queries[fmt.Sprint("annotation ", i)] = a.Expr
	}
	for i, v := range d.Templating.List {
		queries[fmt.Sprint("variable ", i)] = v.Definition
	}
	for what, query := range queries {
		for _, name := range namesIn(query) {
			if !known[name] && name != "label_values" {
				t.Errorf("%s asks for %s, which nothing tells", what, name)
			}
		}
	}
}

// TestEveryPanelHasData: a real Prometheus with all rules scrapes the demo while there
// is some traffic. Every rule can be evaluated, and every query of the dashboard has
// data.
func TestEveryPanelHasData(t *testing.T) {
	demo := demotest.Start(t, program(t))
	demo.Ready()
	prometheus := startPrometheus(t, demo)
	traffic(t, demo)
	missing := readDashboard(t).queries()
	if len(missing) < 60 {
		t.Fatalf("only %d queries", len(missing))
	}
	defer func() {
		for what, query := range missing {
			t.Logf("no data: %s: %s", what, query)
		}
	}()
	demotest.Eventually(t, "every panel has data", func() bool {
		for what, query := range missing {
			if prometheus.has(query) {
				delete(missing, what)
			}
		}
		return len(missing) == 0
	})
	demotest.Eventually(t, "the alert of the held plan is about to fire", func() bool {
		return prometheus.has(`ALERTS{alertname="WeirPlanHeld", alertstate="pending"}`)
	})
	prometheus.healthy()
	for _, v := range readDashboard(t).Templating.List {
		inner, is := strings.CutPrefix(v.Definition, "label_values(")
		name, _, _ := strings.Cut(inner, ",")
		if is && !prometheus.has(name) {
			t.Errorf("the variable %s has nothing to choose from: %s", v.Name, v.Definition)
		}
	}
}

// traffic lets all sorts of things happen: a large edit, a throttle, drift, calls that
// fail, a plan that is held.
func traffic(t *testing.T, d *demotest.Demo) {
	t.Helper()
	d.Cloud(http.MethodPut, "faults", []any{
		map[string]any{"operation": "UpdateRelaySourceV3", "kind": "throttle", "count": 1},
		map[string]any{"operation": "ForbidLiveStream", "kind": "error", "status": 503, "code": "ServiceUnavailable"},
	})
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprintf("apiVersion: volcengine/v1\nkind: RelaySource\nspec:\n  vhost: push.example.com\n  app: channel-%02d\n"+
			"  groups: [{name: main, servers: [{address: origin.example.org, protocol: rtmp}]}]\n", i))
	}
	d.Put("live/many.yaml", strings.Join(many, "---\n"))
	d.Put("live/forbid.yaml", "apiVersion: aliyun/v1\nkind: StreamIngest\n"+
		"spec: {domain: push.example.com, app: live, stream: another, allowed: false}\n")
	demotest.Eventually(t, "the large edit is being made", func() bool { return d.Metric("weir_run_left_seconds{") > 0 })
	demotest.Eventually(t, "a call fails", func() bool { return d.Metric("weir_resources_failing{") > 0 })
	d.Cloud(http.MethodPut, "faults", []any{})
	demotest.Eventually(t, "the large edit is made", func() bool { return d.Metric("weir_source_apply_duration_seconds_count{") > 0 })
	d.Cloud(http.MethodPatch, "world", map[string]any{
		"relaySources": []any{map[string]any{"vhost": "push.example.com", "app": "live", "deleted": true}},
	})
	demotest.Eventually(t, "the drift is seen", func() bool { return d.Metric("weir_drift_detected_total{") > 0 })
	if err := os.Remove(filepath.Join(d.Dir, "live", "many.yaml")); err != nil {
		t.Fatal(err)
	}
	demotest.Eventually(t, "the removal of forty is held", func() bool { return d.Metric("weir_plan_held{") > 0 })
}

// prometheus is a real one.
type prometheus struct {
	t   *testing.T
	url string
}

// startPrometheus runs one with the example's configuration, at a quicker pace.
func startPrometheus(t *testing.T, d *demotest.Demo) *prometheus {
	t.Helper()
	name, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed; Debian's package prometheus has it")
	}
	rules, err := filepath.Abs("prometheus")
	if err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer(
		": 15s", ": 1s", "- weir.", "- "+rules+"/weir.", "127.0.0.1:8180", strings.TrimPrefix(d.Page, "http://"),
	).Replace(read(t, "prometheus/prometheus.yml"))
	dir, listen := t.TempDir(), freeAddress(t)
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	demotest.Run(t, dir, name, "--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+listen, "--log.level=warn")
	p := &prometheus{t, "http://" + listen}
	demotest.Eventually(t, "Prometheus is ready", func() bool {
		code, _ := demotest.Ask(t, http.MethodGet, p.url+"/-/ready", "")
		return code == http.StatusOK
	})
	demotest.Eventually(t, "it scrapes weir", func() bool { return p.has(`up{job="weir"} == 1`) })
	return p
}

// has reports whether a query has data: a series with a number.
func (p *prometheus) has(query string) bool {
	p.t.Helper()
	code, body := demotest.Ask(p.t, http.MethodGet, p.url+"/api/v1/query?query="+url.QueryEscape(query), "")
	var a struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if code != http.StatusOK || json.Unmarshal([]byte(body), &a) != nil {
		p.t.Fatalf("%s: %d %s", query, code, body)
	}
	for _, r := range a.Data.Result {
		if r.Value[1] != "NaN" {
			return true
		}
	}
	return false
}

// healthy checks that every rule is there and could be evaluated.
func (p *prometheus) healthy() {
	p.t.Helper()
	_, body := demotest.Ask(p.t, http.MethodGet, p.url+"/api/v1/rules", "")
	var a struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		p.t.Fatalf("%v: %s", err, body)
	}
	n := 0
	for _, g := range a.Data.Groups {
		for _, r := range g.Rules {
			if n++; r.Health != "ok" {
				p.t.Errorf("%s: %s %s", r.Name, r.Health, r.LastError)
			}
		}
	}
	if want := len(rules(p.t)); n != want {
		p.t.Errorf("Prometheus has %d rules, want %d", n, want)
	}
}
