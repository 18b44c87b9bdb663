package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v4"

	"weir/schema"
	"weir/sync/resource"
	"weir/sync/source"
)

// declared is a resource with the place to point at.
type declared struct {
	resource.Resource
	column int
}

// parsed is what one file came to. It is kept while the file stays the same.
type parsed struct {
	documents int
	resources []declared
	problems  tally
	panicked  bool
}

// read parses one file; everything in it that is right is in the result, also
// where other things are wrong.
func (l *Loader) read(sourceName string, file source.File) (out parsed) {
	r := reader{file: file.Path}
	out.panicked = r.guard(func() {
		r.documents(file.Data, l.options.Limits.FileBytes, func(root *yaml.Node) {
			out.documents++
			d := r.check(root, schema.Ref{})
			r.secrets(&d)
			if res, ok := l.declare(&r, &d); ok {
				res.Origin.Source, res.Origin.File = sourceName, file.Path
				out.resources = append(out.resources, res)
			}
		})
		if out.documents == 0 && r.problems.total == 0 {
			r.problems.add(Problem{
				File: file.Path, Line: 1, Column: 1, Code: CodeEmptyFile,
				Message: "the file holds no document", Severity: Notice,
			})
		}
	})
	out.problems = r.problems
	return out
}

// guard runs f and turns a panic, which would be a bug of ours or of a
// library, into a problem of the file: the revision is refused, weir goes on.
func (r *reader) guard(f func()) (panicked bool) {
	defer func() {
		if p := recover(); p != nil {
			panicked = true
			msg := fmt.Sprintf("weir could not read this file because of a fault of its own: %v", p)
			r.fault(fault{1, 1, schema.CodeInternal, printable(msg, maxPathShown)})
		}
	}()
	f()
	return false
}

// declare makes the resource of a document without errors.
func (l *Loader) declare(r *reader, d *document) (declared, bool) {
	if d.errors > 0 {
		return declared{}, false
	}
	fields := schema.Identity(d.apiVersion, d.kind)
	if fields == nil {
		msg := fmt.Sprintf("kind %s declares no resource; it belongs in a file of its own beside the source", d.kind)
		r.problem(d, schema.Violation{Path: []string{"kind"}, Code: schema.CodeUnknownKind, Message: msg})
		return declared{}, false
	}
	r.advise(d)
	metadata, _ := d.value["metadata"].(map[string]any)
	account, ok := l.account(r, d, metadata)
	if !ok {
		return declared{}, false
	}
	id := resource.ID{Account: account, Kind: l.kind(d.kind), Key: keyOf(d.value["spec"], fields)}
	if !l.owner.owns(id) {
		r.problem(d, schema.Violation{Code: CodeNotOwned, Message: l.owner.refusal(id)})
		return declared{}, false
	}
	spec, err := resource.NewSpec(d.value["spec"])
	if err != nil {
		r.problem(d, schema.Violation{Path: []string{"spec"}, Code: schema.CodeInternal, Message: err.Error()})
		return declared{}, false
	}
	res := declared{column: d.place.root.Column}
	res.ID, res.Spec, res.Labels = id, spec, l.labels.of(metadata)
	res.Origin.Line = d.place.root.Line
	return res, true
}

// kind returns the one copy of a kind's name that all resources share.
func (l *Loader) kind(name string) string {
	for _, ref := range l.kinds {
		if ref.Kind == name {
			return ref.Kind
		}
	}
	return name
}

func keyOf(spec any, fields []string) string {
	values, _ := spec.(map[string]any)
	parts := make([]string, len(fields))
	for i, field := range fields {
		parts[i], _ = values[field].(string)
	}
	return strings.Join(parts, "/")
}

// labelSets keeps one copy of each set of labels: most resources of a team
// have the same, and a map takes more memory than the rest of a resource.
type labelSets struct {
	mu   sync.Mutex
	sets map[string]map[string]string
}

// of returns the labels of a document, which nobody may change.
func (l *labelSets) of(metadata map[string]any) map[string]string {
	labels, _ := metadata["labels"].(map[string]any)
	if len(labels) == 0 {
		return nil
	}
	var name strings.Builder
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		value, _ := labels[key].(string)
		name.WriteString(key + "=" + value + "\n")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if set, ok := l.sets[name.String()]; ok {
		return set
	}
	set := make(map[string]string, len(labels))
	for key, value := range labels {
		set[key], _ = value.(string)
	}
	l.sets[name.String()] = set
	return set
}

// reset forgets the sets, so that those nobody uses any more can go.
func (l *labelSets) reset() { l.sets = map[string]map[string]string{} }

// account decides whose resource it is.
func (l *Loader) account(r *reader, d *document, metadata map[string]any) (string, bool) {
	name, given := metadata["account"].(string)
	if l.options.Accounts == nil {
		if !given {
			name, _, _ = strings.Cut(d.apiVersion, "/")
		}
		return strings.Clone(name), true
	}
	known := l.options.Accounts[d.apiVersion]
	for _, k := range known {
		if k == name || !given && len(known) == 1 {
			return k, true
		}
	}
	r.problem(d, accountViolation(d.apiVersion, name, known))
	return "", false
}

// accountViolation says why no account could be decided on; name is "" where
// none is given.
func accountViolation(apiVersion, name string, known []string) schema.Violation {
	v := schema.Violation{Path: []string{"metadata", "account"}, Key: name == ""}
	names := strings.Join(known, ", ")
	switch {
	case len(known) == 0:
		v.Code = CodeNoAccount
		v.Message = fmt.Sprintf("weir.yaml has no account for %s", apiVersion)
	case name == "":
		v.Code = CodeAmbiguousAccount
		v.Message = fmt.Sprintf("weir.yaml has several accounts for %s: name one of %s", apiVersion, names)
	default:
		v.Code, v.Nearest = CodeUnknownAccount, schema.Nearest(name, known)
		v.Message = fmt.Sprintf("weir.yaml has no account %s for %s; there are %s", quoted(name), apiVersion, names)
		if v.Nearest != "" {
			v.Message = fmt.Sprintf("weir.yaml has no account %s for %s; did you mean %s?",
				quoted(name), apiVersion, quoted(v.Nearest))
		}
	}
	return v
}
