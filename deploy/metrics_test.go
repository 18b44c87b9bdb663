package deploy

import (
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"weir/sync/daemon/demotest"
)

var update = flag.Bool("update", false, "write the table of metrics anew")

// metricsTable is where every metric stands, for people and for the tests.
const metricsTable = "prometheus/README.md"

// The marks round the table.
const (
	tableBegins = "<!-- metrics: written by go test ./deploy -run TestMetricsTable -update -->\n"
	tableEnds   = "<!-- end of metrics -->\n"
)

// TestMetricsTable scrapes real daemons: each metric stands in the table with its
// labels, type and help, the table has no other, and promlint finds nothing.
func TestMetricsTable(t *testing.T) {
	demo := demotest.Start(t, program(t))
	demo.Ready()
	families := scrape(t, demo.Page)
	maps.Copy(families, scrape(t, startFull(t, demo.Clouds)))
	table := tableOf(families)
	text := read(t, metricsTable)
	before, rest, found := strings.Cut(text, tableBegins)
	former, after, ends := strings.Cut(rest, tableEnds)
	if !found || !ends {
		t.Fatalf("%s has no place for the table", metricsTable)
	}
	if *update {
		if err := os.WriteFile(metricsTable, []byte(before+tableBegins+table+tableEnds+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if former != table {
		t.Errorf("the table in %s is not what the daemons say; -update writes it anew\n%s", metricsTable, difference(former, table))
	}
	for _, name := range namesInCode(t) {
		if families[name] == nil {
			t.Errorf("%s is in the code, and no daemon tells of it", name)
		}
	}
}

// startFull runs a daemon with everything that is optional, and returns its URL: a
// repository that does not answer, with webhook and commit status, and notifications.
func startFull(t *testing.T, clouds string) string {
	t.Helper()
	dir := t.TempDir()
	listen := freeAddress(t)
	config := fmt.Sprintf(`apiVersion: weir/v1
kind: Config
sources:
  - name: remote
    git:
      url: http://127.0.0.1:1/ops/live.git
      branch: main
      webhook: {kind: github, secretEnv: WEIR_TEST_SECRET}
      status: {kind: github, tokenEnv: WEIR_TEST_SECRET, repository: ops/live, url: "http://127.0.0.1:1"}
accounts:
  - {name: ali, provider: aliyun, endpoint: %q, credentials: {accessKeyIdEnv: WEIR_TEST_SECRET, accessKeySecretEnv: WEIR_TEST_SECRET}}
policy: {mode: sync}
notify: {url: "http://127.0.0.1:1/", secretEnv: WEIR_TEST_SECRET}
tracing: {otlp: {url: "http://127.0.0.1:1"}}
listen: %s
`, clouds, listen)
	if err := os.WriteFile(filepath.Join(dir, "weir.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("WEIR_TEST_SECRET", "weir-emulator")
	demotest.Run(t, dir, program(t), "run").Says(`msg="weir (runs)"`)
	return "http://" + listen
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// scrape returns weir's own metrics, and fails where promlint finds something.
func scrape(t *testing.T, daemon string) map[string]*dto.MetricFamily {
	t.Helper()
	code, text := demotest.Ask(t, http.MethodGet, daemon+"/metrics", "")
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("promlint: %s: %s", p.Metric, p.Text)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(families, func(name string, _ *dto.MetricFamily) bool { return !strings.HasPrefix(name, "weir_") })
	return families
}

// tableOf writes metrics as a table of Markdown.
func tableOf(families map[string]*dto.MetricFamily) string {
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(families)) {
		f := families[name]
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		slices.Sort(labels)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n",
			name, strings.ToLower(f.GetType().String()), strings.Join(labels, " "), f.GetHelp())
	}
	return b.String()
}

// difference lists the lines that only one of two texts has.
func difference(former, now string) string {
	was, is := strings.Split(former, "\n"), strings.Split(now, "\n")
	var out []string
	for _, l := range was {
		if !slices.Contains(is, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range is {
		if !slices.Contains(was, l) {
			out = append(out, "+ "+l)
		}
	}
	return strings.Join(out, "\n")
}

// namesInCode returns the names of metrics that stand in the code.
func namesInCode(t *testing.T) []string {
	t.Helper()
	name := regexp.MustCompile(`"(weir_[a-z_]+)"`)
	found := map[string]bool{}
	for _, root := range []string{"../sync", "../cmd"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			for _, m := range name.FindAllStringSubmatch(read(t, path), -1) {
				found[m[1]] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(found) < 30 {
		t.Fatalf("only %d metrics in the code", len(found))
	}
	return slices.Sorted(maps.Keys(found))
}

// documented returns the names in the table: those that rules and dashboards may
// use, with what histograms make of theirs.
func documented(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	row := regexp.MustCompile("(?m)^\\| `(weir_[a-z_]+)` \\| ([a-z]+) \\|")
	for _, m := range row.FindAllStringSubmatch(read(t, metricsTable), -1) {
		out[m[1]] = true
		if m[2] == "histogram" {
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				out[m[1]+part] = true
			}
		}
	}
	return out
}
