// Package schema holds the JSON Schemas of weir's documents, one file a kind,
// and checks decoded documents against them. What is wrong is said in words
// for people, with the place, a stable code and the nearest right value.
//
// The files are plain JSON Schema 2020-12 and can be given to editors. Rules
// that the standard cannot express are keywords of our own, named x-weir-*:
// x-weir-format (duration, address, endpoint, listen, git-url, ref, folder,
// identities, mailbox), x-weir-min-duration, x-weir-unique-by and x-weir-max-total are
// checked like any other keyword;
// the rest are annotations: x-weir-identity (the fields of the natural key),
// x-weir-code, x-weir-rule and x-weir-message (how a violation is told),
// x-weir-names (what the values of an enum stand for) and x-weir-quiet (the
// value is never quoted in a message).
package schema

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// Ref names a kind.
type Ref struct {
	APIVersion string // for example "aliyun/v1"
	Kind       string // for example "MultiStream"
}

//go:embed *.v1.*.json
var files embed.FS

// kind is one schema file, ready for use.
type kind struct {
	ref      Ref
	source   []byte
	tree     map[string]any // the schema file, decoded
	compiled *jsonschema.Schema
	shape    *Shape
	identity []string
}

// set is every kind by its name, the names in order, and a hash over all.
type set struct {
	kinds   map[Ref]*kind
	refs    []Ref
	version string
}

// loaded reads the embedded files once, when they are first needed. They are
// part of the program: one that does not load is a bug every test finds.
var loaded = sync.OnceValue(func() *set {
	s, err := load(files)
	if err != nil {
		panic(err)
	}
	return s
})

func load(dir fs.FS) (*set, error) {
	names, err := fs.Glob(dir, "*.json")
	if err != nil {
		return nil, err
	}
	s := &set{kinds: make(map[Ref]*kind, len(names))}
	sum := sha256.New()
	for _, name := range names {
		source, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		k, err := newKind(refOf(name), source)
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
		s.kinds[k.ref] = k
		s.refs = append(s.refs, k.ref)
		fmt.Fprintf(sum, "%s %d\n%s", name, len(source), source)
	}
	s.version = hex.EncodeToString(sum.Sum(nil))[:16]
	return s, nil
}

// refOf reads a file's name: "aliyun.v1.MultiStream.json".
func refOf(name string) Ref {
	parts := strings.Split(name, ".")
	return Ref{APIVersion: parts[0] + "/" + parts[1], Kind: parts[2]}
}

func newKind(ref Ref, source []byte) (*kind, error) {
	k := &kind{ref: ref, source: source}
	if err := json.Unmarshal(source, &k.tree); err != nil {
		return nil, err
	}
	var err error
	if k.compiled, err = compile(source); err != nil {
		return nil, err
	}
	k.shape = newShape(k.tree)
	for _, field := range list(k.tree["x-weir-identity"]) {
		k.identity = append(k.identity, text(field))
	}
	return k, nil
}

// Kinds returns every kind there is, ordered by apiVersion and kind.
func Kinds() []Ref { return slices.Clone(loaded().refs) }

// Source returns the schema file of a kind.
func Source(apiVersion, kind string) ([]byte, bool) {
	k, ok := loaded().kinds[Ref{apiVersion, kind}]
	if !ok {
		return nil, false
	}
	return slices.Clone(k.source), true
}

// Identity returns the fields of the spec that make a resource's natural key,
// in their order; none for a kind that declares no resource.
func Identity(apiVersion, kind string) []string {
	k, ok := loaded().kinds[Ref{apiVersion, kind}]
	if !ok {
		return nil
	}
	return slices.Clone(k.identity)
}

// Version returns a hash over all schemas: two programs with equal versions
// accept the same documents.
func Version() string { return loaded().version }

// list, table and text read a decoded JSON value, zero where it is another.
func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func table(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
