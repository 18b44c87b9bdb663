package deploy

import (
	"os"
	"strings"
	"testing"
)

// TestKubernetes_Rules holds that the cluster gets the rules of prometheus/: the
// chart as groups, the Kustomize component as an object. Neither can read files
// of a folder above its own.
func TestKubernetes_Rules(t *testing.T) {
	groups := allGroups(t)
	same(t, "helm/weir/rules.yaml", "# Made of ../../prometheus by go test ./deploy -run Kubernetes_Rules -update\n"+groups)
	same(t, "kubernetes/components/monitoring/prometheusrule.yaml",
		"# Made of ../../../prometheus by go test ./deploy -run Kubernetes_Rules -update\n"+
			"apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: weir\n"+
			"  labels:\n    app.kubernetes.io/name: weir\n    app.kubernetes.io/instance: weir\nspec:\n"+indented(groups))
}

// allGroups joins the groups of all rule files.
func allGroups(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("groups:\n")
	for _, name := range ruleFiles(t) {
		_, groups, ok := strings.Cut(read(t, name), "\ngroups:\n")
		if !ok {
			t.Fatalf("%s has no groups", name)
		}
		b.WriteString(groups)
	}
	return b.String()
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			line = "  " + line
		}
		b.WriteString(line)
	}
	return b.String()
}

// same holds that a file is what it is made of; -update writes it.
func same(t *testing.T, name, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, name) != want {
		t.Errorf("%s is not what it is made of: go test ./deploy -run %s -update", name, t.Name())
	}
}
