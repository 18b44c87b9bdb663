package deploy

import (
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// rule is an alert, or something recorded.
type rule struct {
	Alert       string
	Record      string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

// unmarshal reads a file of YAML.
func unmarshal(t *testing.T, name string, v any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, name)), v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// rules returns all rules.
func rules(t *testing.T) []rule {
	t.Helper()
	var all []rule
	for _, name := range ruleFiles(t) {
		var f struct{ Groups []struct{ Rules []rule } }
		unmarshal(t, name, &f)
		for _, g := range f.Groups {
			all = append(all, g.Rules...)
		}
	}
	if len(all) < 60 {
		t.Fatalf("only %d rules", len(all))
	}
	return all
}

func ruleFiles(t *testing.T) []string { return glob(t, "prometheus/weir.*.yml") }

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v, %v", pattern, names, err)
	}
	return names
}

// TestPromtool lets the real one check the rules and the example, and play the tests.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed; Debian's package prometheus has it")
	}
	for name, args := range map[string][]string{
		"rules":  append([]string{"check", "rules", "--lint=all", "--lint-fatal"}, ruleFiles(t)...),
		"config": {"check", "config", "prometheus/prometheus.yml"},
		"tests":  append([]string{"test", "rules"}, glob(t, "prometheus/tests/*.yml")...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
				t.Errorf("promtool %v: %v\n%s", args, err, out)
			}
		})
	}
}

// TestAlertsAreWhole: each says how urgent it is, what is the matter, and where it
// stands what to look at and what to do.
func TestAlertsAreWhole(t *testing.T) {
	runbook := sections(read(t, metricsTable))
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s: severity %q", r.Alert, r.Labels["severity"])
		}
		for _, a := range []string{"summary", "description"} {
			if r.Annotations[a] == "" {
				t.Errorf("%s has no %s", r.Alert, a)
			}
		}
		if want := "deploy/prometheus/README.md#" + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
			t.Errorf("%s leads to %s, want %s", r.Alert, r.Annotations["runbook_url"], want)
		}
		text := runbook[r.Alert]
		if delete(runbook, r.Alert); !strings.Contains(text, "Look: ") || !strings.Contains(text, "Do: ") {
			t.Errorf("%s: the runbook does not say what to look at and what to do: %q", r.Alert, text)
		}
	}
	for name := range runbook {
		if strings.HasPrefix(name, "Weir") {
			t.Errorf("the runbook has %s, and there is no such alert", name)
		}
	}
}

// sections returns the text of each heading of the third order.
func sections(text string) map[string]string {
	out := map[string]string{}
	for _, part := range strings.Split(text, "\n### ")[1:] {
		name, body, _ := strings.Cut(part, "\n")
		body, _, _ = strings.Cut(body, "\n## ")
		out[name] = body
	}
	return out
}

// TestAlertsAreTested: of each alert there is a time at which it fires, and one at
// which it does not.
func TestAlertsAreTested(t *testing.T) {
	fires, rests := map[string]bool{}, map[string]bool{}
	for _, name := range glob(t, "prometheus/tests/*.yml") {
		var f struct {
			Tests []struct {
				Alerts []struct {
					Alertname string
					Expected  []any `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		unmarshal(t, name, &f)
		for _, one := range f.Tests {
			for _, a := range one.Alerts {
				fires[a.Alertname] = fires[a.Alertname] || len(a.Expected) > 0
				rests[a.Alertname] = rests[a.Alertname] || len(a.Expected) == 0
			}
		}
	}
	for _, r := range rules(t) {
		if r.Alert != "" && (!fires[r.Alert] || !rests[r.Alert]) {
			t.Errorf("%s: a test in which it fires: %t, in which it does not: %t", r.Alert, fires[r.Alert], rests[r.Alert])
		}
	}
}

// TestRulesUseWhatIsThere: weir's metrics, those of its collectors, and what other
// rules record.
func TestRulesUseWhatIsThere(t *testing.T) {
	known := queryable(t)
	for _, r := range rules(t) {
		for _, name := range namesIn(r.Expr) {
			if !known[name] {
				t.Errorf("%s%s uses %s, which nothing tells", r.Alert, r.Record, name)
			}
		}
	}
}

// queryable returns the names that a query may use.
func queryable(t *testing.T) map[string]bool {
	t.Helper()
	known := documented(t)
	for _, r := range rules(t) {
		known[r.Record] = true
	}
	maps.Copy(known, map[string]bool{
		"up": true, "process_start_time_seconds": true, "process_cpu_seconds_total": true,
		"process_resident_memory_bytes": true, "process_open_fds": true, "process_max_fds": true,
		"go_goroutines": true, "go_memstats_heap_inuse_bytes": true, "go_gc_duration_seconds_sum": true,
	})
	return known
}

// namesIn returns the metrics in a query: what is a name with an underscore or a
// colon and no label, or stands before a selector.
func namesIn(query string) []string {
	query = regexp.MustCompile(`"[^"]*"`).ReplaceAllString(query, "")
	query = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right) ?\([^)]*\)`).ReplaceAllString(query, "")
	query = regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(query, "")
	var out []string
	for _, m := range regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)(\(| ?)`).FindAllStringSubmatch(query, -1) {
		if m[2] != "(" && (strings.ContainsAny(m[1], "_:") || m[1] == "up") {
			out = append(out, m[1])
		}
	}
	return out
}
