package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"weir/schema"
	"weir/sync/manifest"
	"weir/sync/plan"
)

type fileDriftRule struct {
	Kind   string            `json:"kind"`
	Labels map[string]string `json:"labels"`
	Drift  plan.Drift        `json:"drift"`
	Ignore []string          `json:"ignore"`
}

// driftRules reads the rules about drift, with what is wrong with them that a
// schema cannot say.
func (f file) driftRules(place manifest.Positions) ([]plan.DriftRule, []manifest.Problem) {
	var rules []plan.DriftRule
	var problems []manifest.Problem
	for i, r := range f.Policy.DriftRules {
		at := []string{"policy", "driftRules", strconv.Itoa(i)}
		rule := plan.DriftRule{Kind: r.Kind, Labels: r.Labels, Drift: r.Drift}
		if r.Kind == "" && len(r.Labels) == 0 {
			problems = append(problems, place.Problem(append(at, "labels"), true, manifest.CodeDriftRule,
				"is empty, and no kind is named; what holds for all resources is policy.drift", manifest.Error))
		}
		for j, text := range r.Ignore {
			path, err := ignoredPath(r.Kind, text)
			if err != nil {
				at := append(slices.Clone(at), "ignore", strconv.Itoa(j))
				problems = append(problems, place.Problem(at, false, manifest.CodeDriftPath, err.Error(), manifest.Error))
				continue
			}
			rule.Ignore = append(rule.Ignore, path)
		}
		if before := slices.IndexFunc(rules, func(b plan.DriftRule) bool { return covers(b, rule) }); before >= 0 {
			problems = append(problems, place.Problem(append(at, "drift"), true, manifest.CodeDriftRule, fmt.Sprintf(
				"never counts: policy.driftRules[%d] decides about all of these resources before", before), manifest.Warning))
		}
		rules = append(rules, rule)
	}
	return rules, problems
}

// covers reports whether every resource whose drift b would decide about is
// decided about by a.
func covers(a, b plan.DriftRule) bool {
	if a.Drift == "" || b.Drift == "" || (a.Kind != "" && a.Kind != b.Kind) {
		return false
	}
	for k, v := range a.Labels {
		if b.Labels[k] != v {
			return false
		}
	}
	return true
}

// ignoredPath reads a path of fields of a kind. One that can never lead
// anywhere, or leads to what names the resource, is an error.
func ignoredPath(kind, text string) (plan.Path, error) {
	path, err := plan.ParsePath(text)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(schema.Kinds(), func(r schema.Ref) bool { return r.Kind == kind })
	if i < 0 {
		return nil, fmt.Errorf("there is no kind %s", kind)
	}
	ref := schema.Kinds()[i]
	identity := schema.Identity(ref.APIVersion, ref.Kind)
	if slices.Contains(identity, path[0].Name) {
		return nil, fmt.Errorf("%s is part of what names a %s; it can never drift", path[0].Name, kind)
	}
	at := without(schema.ShapeOf(ref.APIVersion, ref.Kind).Field("spec"), identity)
	for i, step := range path {
		if at, err = follow(at, step, where(kind, path[:i])); err != nil {
			return nil, err
		}
	}
	return path, nil
}

// without returns the shape of an object that lacks some of its fields.
func without(s *schema.Shape, fields []string) *schema.Shape {
	out := *s
	out.Properties = maps.Clone(s.Properties)
	for _, f := range fields {
		delete(out.Properties, f)
	}
	return &out
}

// where says for people what a path leads to.
func where(kind string, path plan.Path) string {
	if len(path) == 0 {
		return kind
	}
	return path.String()
}

// follow takes one step into a shape.
func follow(at *schema.Shape, step plan.Step, name string) (*schema.Shape, error) {
	switch {
	case step.Name == "" && at.Type != "array":
		return nil, fmt.Errorf("%s is no list, so it has no positions", name)
	case step.Name == "" && at.MaxItems > 0 && step.Index >= at.MaxItems:
		return nil, fmt.Errorf("%s has at most %d entries, so the last position is [%d]", name, at.MaxItems, at.MaxItems-1)
	case step.Name == "":
		return at.Item(), nil
	case at.Type == "array":
		return nil, fmt.Errorf("%s is a list: write %s[*].%s for every entry", name, name, step.Name)
	case at.Type != "object":
		return nil, fmt.Errorf("%s has no fields of its own", name)
	}
	if sub := at.Field(step.Name); sub != nil {
		return sub, nil
	}
	fields := slices.Sorted(maps.Keys(at.Properties))
	hint := fmt.Sprintf("; known here: %s", strings.Join(fields, ", "))
	if near := schema.Nearest(step.Name, fields); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return nil, fmt.Errorf("%s has no field %q%s", name, step.Name, hint)
}
