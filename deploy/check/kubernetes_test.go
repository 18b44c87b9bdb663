package check

import (
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	disruption "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml" //nolint:depguard // as Kubernetes reads it
)

const (
	kustomize = "../kubernetes"
	chart     = "../helm/weir"
	// kubeVersion is what the chart is rendered for: a helm built from its
	// module does not know which Kubernetes it was made for.
	kubeVersion = "1.34.0"
)

// object is what every kind of Kubernetes' is.
type object interface {
	runtime.Object
	meta.Object
}

// objects are what is sent to a cluster, by kind and name.
type objects map[string]object

// decode reads documents as the API server would, refusing fields that their
// kind does not have and keys that stand twice.
func decode(t *testing.T, text string) objects {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		apps.AddToScheme, core.AddToScheme, disruption.AddToScheme, networking.AddToScheme, monitoring.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme,
		json.SerializerOptions{Yaml: true, Strict: true})
	out := objects{}
	for document := range strings.SplitSeq("\n"+text, "\n---\n") {
		if strings.TrimSpace(document) == "" {
			continue
		}
		decoded, kind, err := strict.Decode([]byte(document), nil, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		o := decoded.(object)
		key := kind.Kind + " " + o.GetName()
		if _, twice := out[key]; twice {
			t.Errorf("%s stands twice", key)
		}
		out[key] = o
	}
	return out
}

// kustomized builds a kustomization as `kubectl apply -k` does.
func kustomized(t *testing.T, dir string) objects {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).
		Run(filesys.MakeFsOnDisk(), filepath.Join(kustomize, dir))
	if err != nil {
		t.Fatal(err)
	}
	text, err := made.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, string(text))
}

// helm runs the real helm, of the version in go.mod.
func helm(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"tool", "helm"}, args...)...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("helm %s: %v\n%s%s", strings.Join(args, " "), err, out, &complaints)
	}
	return string(out)
}

func rendered(t *testing.T, args ...string) objects {
	t.Helper()
	return decode(t, helm(t, append([]string{
		"template", "weir", chart, "--namespace", "weir", "--kube-version", kubeVersion,
	}, args...)...))
}

func TestKustomize(t *testing.T) {
	base := kustomized(t, "base")
	checkAll(t, base)
	example := kustomized(t, "overlays/example")
	checkAll(t, example)
	for key, o := range example {
		if _, isNamespace := o.(*core.Namespace); !isNamespace && o.GetNamespace() != "weir" {
			t.Errorf("the overlay leaves %s in namespace %q", key, o.GetNamespace())
		}
	}
	pod := podOf(t, example)
	if image := pod.Spec.Containers[0].Image; image != "registry.example.com/ops/weir:0.1.0" {
		t.Errorf("the overlay's image is %s", image)
	}
	if !strings.Contains(configOf(t, example), "volc-main") || strings.Contains(configOf(t, base), "volc-main") {
		t.Error("the overlay does not replace weir.yaml")
	}
	if got, want := len(policyOf(t, example).Spec.Ingress[0].From), 2; got != want {
		t.Errorf("the overlay lets %d kinds of peers in, want %d", got, want)
	}
}

func TestKustomize_Cluster(t *testing.T) {
	cluster := kustomized(t, "overlays/cluster")
	checkAll(t, cluster)
	pod := podOf(t, cluster).Spec
	if pod.TerminationGracePeriodSeconds == nil || *pod.TerminationGracePeriodSeconds < 30 {
		t.Error("it is killed while it hands its accounts over")
	}
	set := cluster["StatefulSet etcd"].(*apps.StatefulSet)
	member := set.Spec.Template
	checkPod(t, member.ObjectMeta, member.Spec, claims(set))
	selects(t, "etcd's StatefulSet", meta.FormatLabelSelector(set.Spec.Selector), member.Labels)
	checkBudget(t, cluster["PodDisruptionBudget etcd"].(*disruption.PodDisruptionBudget), set)
	policy := cluster["NetworkPolicy etcd"].(*networking.NetworkPolicy)
	selects(t, "etcd's NetworkPolicy", meta.FormatLabelSelector(&policy.Spec.PodSelector), member.Labels)
	selects(t, "its way in", meta.FormatLabelSelector(policy.Spec.Ingress[0].From[0].PodSelector), podOf(t, cluster).Labels)
	selects(t, "weir's way out", meta.FormatLabelSelector(policyOf(t, cluster).Spec.Egress[2].To[0].PodSelector), member.Labels)
	if service := cluster["Service etcd"].(*core.Service); service.Name != set.Spec.ServiceName || service.Spec.ClusterIP != core.ClusterIPNone ||
		!service.Spec.PublishNotReadyAddresses {
		t.Errorf("members cannot find each other by %v", service.Spec)
	}
	sameSettings(t, member.Spec.Containers[0].Env)
}

// sameSettings holds that etcd's pod and its service of systemd have the same
// settings but for addresses, and that weir asks the addresses that members have.
func sameSettings(t *testing.T, pod []core.EnvVar) {
	t.Helper()
	host := settings(t, "../etcd/etcd.env")
	for _, v := range pod {
		of, ok := host[v.Name]
		if strings.ContainsAny(v.Value+of, "/") || v.ValueFrom != nil {
			of = v.Value // folders and addresses are each its own
		}
		if !ok || of != v.Value {
			t.Errorf("%s is %q in the pod, %q on a host, there: %v", v.Name, v.Value, of, ok)
		}
		delete(host, v.Name)
	}
	delete(host, "ETCD_HEARTBEAT_INTERVAL") // as etcd has them
	delete(host, "ETCD_ELECTION_TIMEOUT")
	if len(host) > 0 {
		t.Errorf("the pod lacks %v", host)
	}
}

func TestChart(t *testing.T) {
	values, err := filepath.Glob(chart + "/ci/*-values.yaml")
	if err != nil || len(values) < 2 {
		t.Fatalf("%q, %v", values, err)
	}
	for _, file := range values {
		t.Run(filepath.Base(file), func(t *testing.T) {
			out := helm(t, "lint", "--strict", "--kube-version", kubeVersion, chart, "--values", file)
			if !strings.Contains(out, "1 chart(s) linted, 0 chart(s) failed") {
				t.Error(out)
			}
			checkAll(t, rendered(t, "--values", file))
		})
	}
}

// TestChart_Refuses holds that values which cannot work are refused before
// anything reaches a cluster.
func TestChart_Refuses(t *testing.T) {
	good := []string{"--values", chart + "/ci/secured-values.yaml"}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"nothing said":         {nil, "missing property 'mode'"},
		"no account":           {append(slices.Clone(good), "--set-json", "config.accounts=[]"), "/config/accounts"},
		"no such mode":         {append(slices.Clone(good), "--set", "config.policy.mode=all"), "/config/policy/mode"},
		"what the chart says":  {append(slices.Clone(good), "--set", "config.listen=:80"), "/config/listen"},
		"a value nobody knows": {append(slices.Clone(good), "--set", "replica=2"), "replica"},
		"two without etcd":     {append(slices.Clone(good), "--set", "replicas=2"), "/etcd/endpoints"},
		"no address of etcd":   {append(slices.Clone(good), "--set-json", `etcd.endpoints=["etcd:2379"]`), "/etcd/endpoints/0"},
		"its own cluster":      {append(slices.Clone(good), "--set", "config.cluster.name=a"), "/config/cluster"},
		"a shared volume":      {append(slices.Clone(good), "--set-json", `persistence.accessModes=["ReadWriteMany"]`), "accessModes"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"tool", "helm", "template", "weir", chart, "--kube-version", kubeVersion}, c.args...)
			out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%v, want %q:\n%s", err, c.want, out)
			}
		})
	}
}

// TestChart_Kustomize holds that the chart and the base say the same.
func TestChart_Kustomize(t *testing.T) {
	base := kustomized(t, "base")
	sameAs(t, base, map[string]any{"config": ownConfig(t, base), "image": map[string]any{"tag": "latest"}})
}

// TestChart_Cluster holds that the chart and the overlay say the same of three
// daemons on etcd.
func TestChart_Cluster(t *testing.T) {
	overlay := kustomized(t, "overlays/cluster")
	members := []string{"https://etcd-0.etcd:2379", "https://etcd-1.etcd:2379", "https://etcd-2.etcd:2379"}
	own := objects{}
	for key, o := range overlay {
		switch o.(type) {
		case *core.Namespace, *monitoring.PrometheusRule: // the rules are one file's, see TestKubernetes_Rules
			continue
		}
		if o.GetLabels()["app.kubernetes.io/name"] == "weir" {
			own[key] = o
		}
	}
	sameAs(t, own, map[string]any{
		"config": ownConfig(t, own), "replicas": 3, "etcd": map[string]any{"endpoints": members},
		"image":          map[string]any{"repository": "registry.example.com/ops/weir", "tag": "0.1.0"},
		"serviceMonitor": map[string]any{"enabled": true},
	})
}

// ownConfig is the weir.yaml of some objects, without what the chart writes.
func ownConfig(t *testing.T, all objects) map[string]any {
	t.Helper()
	own := map[string]any{}
	if err := yaml.Unmarshal([]byte(configOf(t, all)), &own); err != nil {
		t.Fatal(err)
	}
	for _, written := range []string{"listen", "state", "cluster", "web"} {
		delete(own, written)
	}
	return own
}

// sameAs holds that the chart with these values is what the objects are.
func sameAs(t *testing.T, base objects, values map[string]any) {
	t.Helper()
	text, err := yaml.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "values.yaml")
	write(t, file, string(text))
	got := rendered(t, "--values", file, "--no-hooks")
	sameConfig(t, configOf(t, got), configOf(t, base))
	for key, o := range got {
		b, ok := base[key]
		if strings.HasPrefix(key, "ConfigMap ") {
			continue // compared above; its name has a hash in one of them
		}
		if !ok {
			t.Errorf("the base has no %s", key)
			continue
		}
		if g, b := bare(o), bare(b); !reflect.DeepEqual(g, b) {
			t.Errorf("%s differs:\nchart\n%s\nbase\n%s", key, asYAML(t, g), asYAML(t, b))
		}
	}
	if len(got) != len(base) {
		t.Errorf("the chart has %d objects, the base %d", len(got), len(base))
	}
}

// bare is an object without what only says who made it.
func bare(o object) object {
	o = o.DeepCopyObject().(object)
	o.SetLabels(nil)
	if s, ok := o.(*apps.StatefulSet); ok {
		delete(s.Spec.Template.Annotations, "checksum/config")
		spec := &s.Spec.Template.Spec
		slices.SortFunc(spec.Volumes, func(a, b core.Volume) int { return strings.Compare(a.Name, b.Name) })
		slices.SortFunc(spec.Containers[0].VolumeMounts, func(a, b core.VolumeMount) int { return strings.Compare(a.Name, b.Name) })
		for i, v := range s.Spec.Template.Spec.Volumes {
			if v.ConfigMap != nil {
				s.Spec.Template.Spec.Volumes[i].ConfigMap.Name = strings.SplitN(v.ConfigMap.Name, "-", 2)[0]
			}
		}
	}
	o.SetNamespace("")
	return o
}

func sameConfig(t *testing.T, chart, base string) {
	t.Helper()
	var c, b any
	if err := yaml.UnmarshalStrict([]byte(chart), &c); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(base), &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, b) {
		t.Errorf("weir.yaml of the chart\n%s\nof the base\n%s", chart, base)
	}
}

func asYAML(t *testing.T, v any) string {
	t.Helper()
	text, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// find returns the only object of a kind that is neither of helm's test nor etcd's.
func find[T object](t *testing.T, all objects) T {
	t.Helper()
	var found []T
	for _, o := range all {
		if of, ok := o.(T); ok && !strings.Contains(o.GetName(), "-test") && o.GetName() != "etcd" {
			found = append(found, of)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d of %T", len(found), *new(T))
	}
	return found[0]
}

func podOf(t *testing.T, all objects) core.PodTemplateSpec {
	t.Helper()
	return find[*apps.StatefulSet](t, all).Spec.Template
}

func policyOf(t *testing.T, all objects) *networking.NetworkPolicy {
	t.Helper()
	return find[*networking.NetworkPolicy](t, all)
}

func configOf(t *testing.T, all objects) string {
	t.Helper()
	return find[*core.ConfigMap](t, all).Data["weir.yaml"]
}
