package check

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	disruption "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	security "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// checkAll holds what any way of installing must have.
func checkAll(t *testing.T, all objects) {
	t.Helper()
	set := find[*apps.StatefulSet](t, all)
	pod := set.Spec.Template
	selects(t, "the StatefulSet", meta.FormatLabelSelector(set.Spec.Selector), pod.Labels)
	service := find[*core.Service](t, all)
	selects(t, "the Service", labels.SelectorFromSet(service.Spec.Selector).String(), pod.Labels)
	selects(t, "the NetworkPolicy", meta.FormatLabelSelector(&policyOf(t, all).Spec.PodSelector), pod.Labels)
	if !service.Spec.PublishNotReadyAddresses || set.Spec.ServiceName != service.Name {
		t.Errorf("service %s, published while not ready: %v", set.Spec.ServiceName, service.Spec.PublishNotReadyAddresses)
	}
	checkReplicas(t, all, set)
	checkPod(t, pod.ObjectMeta, pod.Spec, claims(set))
	checkProbes(t, pod.Spec.Containers[0], strings.Contains(configOf(t, all), "insecure: true"))
	for _, o := range all {
		switch o := o.(type) {
		case *core.Pod:
			checkPod(t, o.ObjectMeta, o.Spec, nil)
			if labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(o.Labels)) {
				t.Errorf("the Service leads to the pod %s", o.Name)
			}
		case *monitoring.ServiceMonitor:
			selects(t, "the ServiceMonitor", meta.FormatLabelSelector(&o.Spec.Selector), service.Labels)
			if o.Spec.Endpoints[0].Port != service.Spec.Ports[0].Name {
				t.Errorf("the ServiceMonitor asks port %q", o.Spec.Endpoints[0].Port)
			}
		case *core.ServiceAccount:
			if o.AutomountServiceAccountToken == nil || *o.AutomountServiceAccountToken {
				t.Error("the ServiceAccount's token is mounted")
			}
		}
	}
}

func claims(set *apps.StatefulSet) []string {
	var names []string
	for _, claim := range set.Spec.VolumeClaimTemplates {
		names = append(names, claim.Name)
	}
	return names
}

// checkReplicas holds that one daemon has a volume of its own, and that several
// have none, share etcd, and do not go at once.
func checkReplicas(t *testing.T, all objects, set *apps.StatefulSet) {
	t.Helper()
	shared := strings.Contains(configOf(t, all), "etcd:")
	if one := *set.Spec.Replicas == 1; one && !shared != (len(set.Spec.VolumeClaimTemplates) == 1) || !one && !shared {
		t.Errorf("%d replicas with volumes %v, on etcd: %v", *set.Spec.Replicas, claims(set), shared)
	}
	if !shared {
		return
	}
	if len(claims(set)) > 0 || set.Spec.PodManagementPolicy != apps.ParallelPodManagement {
		t.Errorf("volumes %v, started %s", claims(set), set.Spec.PodManagementPolicy)
	}
	if p := set.Spec.UpdateStrategy; p.Type != apps.RollingUpdateStatefulSetStrategyType {
		t.Errorf("updated by %v", p)
	}
	checkBudget(t, find[*disruption.PodDisruptionBudget](t, all), set)
	for _, spread := range set.Spec.Template.Spec.TopologySpreadConstraints {
		selects(t, "the spread", meta.FormatLabelSelector(spread.LabelSelector), set.Spec.Template.Labels)
	}
	if len(set.Spec.Template.Spec.TopologySpreadConstraints) == 0 {
		t.Error("all may be on one node")
	}
	if rules := policyOf(t, all).Spec.Egress; len(rules) != 3 || len(rules[2].To) == 0 {
		t.Errorf("no way out to etcd: %v", rules)
	}
}

// checkBudget holds that a node can be drained, and that no two pods go at once.
func checkBudget(t *testing.T, budget *disruption.PodDisruptionBudget, of *apps.StatefulSet) {
	t.Helper()
	selects(t, "the PodDisruptionBudget", meta.FormatLabelSelector(budget.Spec.Selector), of.Spec.Template.Labels)
	if most := budget.Spec.MaxUnavailable; most == nil || most.IntValue() != 1 {
		t.Errorf("%v of %s may be away", most, of.Name)
	}
}

// selects holds that a selector says something, and that it chooses these labels.
func selects(t *testing.T, who, selector string, of map[string]string) {
	t.Helper()
	s, err := labels.Parse(selector)
	if err != nil || s.Empty() || !s.Matches(labels.Set(of)) {
		t.Errorf("%s selects %q of %v, %v", who, selector, of, err)
	}
}

// checkPod holds a pod against the strictest Pod Security Standard, and that
// what it mounts is there.
func checkPod(t *testing.T, m meta.ObjectMeta, spec core.PodSpec, claims []string) {
	t.Helper()
	restricted, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := security.LevelVersion{Level: security.LevelRestricted, Version: security.LatestVersion()}
	if r := policy.AggregateCheckResults(restricted.EvaluatePod(level, &m, &spec)); !r.Allowed {
		t.Errorf("%s: %s", m.Name, r.ForbiddenDetail())
	}
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
		t.Error("a token of Kubernetes is mounted")
	}
	volumes := slices.Clone(claims)
	for _, v := range spec.Volumes {
		volumes = append(volumes, v.Name)
	}
	for _, c := range spec.Containers {
		if c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
			t.Errorf("%s can write its image", c.Name)
		}
		if c.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s has no limit of memory", c.Name)
		}
		for _, mount := range c.VolumeMounts {
			if !slices.Contains(volumes, mount.Name) {
				t.Errorf("%s mounts %s, which is none of %v", c.Name, mount.Name, volumes)
			}
		}
	}
}

// checkProbes holds that each probe asks the right door in the right way.
func checkProbes(t *testing.T, c core.Container, insecure bool) {
	t.Helper()
	scheme := core.URISchemeHTTPS
	if insecure {
		scheme = core.URISchemeHTTP
	}
	for path, probe := range map[string]*core.Probe{"/readyz": c.ReadinessProbe, "/healthz": c.LivenessProbe} {
		want := &core.HTTPGetAction{Path: path, Port: intstr.FromString(c.Ports[0].Name), Scheme: scheme}
		if probe == nil || !reflect.DeepEqual(probe.HTTPGet, want) {
			t.Errorf("%s: %v, want %v", path, probe, want)
		}
	}
	if c.StartupProbe == nil || c.StartupProbe.HTTPGet.Scheme != scheme {
		t.Error("no startup probe of that scheme")
	}
	if fmt.Sprint(c.Args[:3]) != "[run --config /etc/weir/weir.yaml]" {
		t.Errorf("it runs %v", c.Args)
	}
}
