package daemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"weir/sync/daemon/view"
	"weir/sync/resource"
	"weir/sync/state"
)

// document is what of the OpenAPI document is read here.
type document struct {
	Paths      map[string]map[string]operation
	Components struct {
		Schemas map[string]map[string]any
	}
}

type operation struct {
	OperationID string
	Parameters  []struct {
		Name, In string
		Schema   map[string]any
	}
	Responses map[string]struct {
		Content map[string]struct{ Schema any }
	}
}

func readDocument(t *testing.T) document {
	t.Helper()
	var doc document
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestDocumentHasEveryRoute: each route with its parameters is in the document,
// and nothing else is.
func TestDocumentHasEveryRoute(t *testing.T) {
	doc := readDocument(t)
	var served, written []string
	for _, r := range new(Daemon).api() {
		path := strings.Replace(r.path, "...}", "}", 1)
		served = append(served, fmt.Sprint(r.method, " ", path, " ", slices.Sorted(slices.Values(r.params))))
	}
	ids := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			var params []string
			for _, p := range op.Parameters {
				if p.In == "query" {
					params = append(params, p.Name)
				}
			}
			slices.Sort(params)
			written = append(written, fmt.Sprint(strings.ToUpper(method), " ", path, " ", params))
			ids[op.OperationID] = true
		}
	}
	slices.Sort(served)
	slices.Sort(written)
	if !slices.Equal(served, written) || len(ids) != len(written) {
		t.Errorf("served\n%s\nwritten\n%s\nids %v", strings.Join(served, "\n"), strings.Join(written, "\n"), ids)
	}
}

// contract holds answers against the document, strictly: what is not declared is
// wrong, though a client may not mind it.
type contract struct {
	t        *testing.T
	doc      document
	compiler *jsonschema.Compiler
	known    map[string]bool // what was given to the compiler
}

func newContract(t *testing.T) *contract {
	c := &contract{t: t, doc: readDocument(t), compiler: jsonschema.NewCompiler(), known: map[string]bool{}}
	c.compiler.Draft = jsonschema.Draft2020
	c.compiler.AssertFormat = true
	for name, s := range c.doc.Components.Schemas {
		c.add("/components/schemas/"+name, s)
	}
	return c
}

func (c *contract) add(name string, schema any) {
	text, err := json.Marshal(strict(schema))
	if err != nil {
		c.t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(`"#/`), []byte(`"weir:///`))
	if err := c.compiler.AddResource("weir://"+name, bytes.NewReader(text)); err != nil {
		c.t.Fatalf("%s: %v", name, err)
	}
}

// strict returns a schema whose objects have the declared properties only.
func strict(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, sub := range v {
			out[k] = strict(sub)
		}
		if _, isObject := v["properties"].(map[string]any); isObject && v["type"] == "object" {
			out["additionalProperties"] = false
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, sub := range v {
			out[i] = strict(sub)
		}
		return out
	}
	return v
}

// check holds an answer to a request against what the document says of it.
func (c *contract) check(method, path, route string, code int, kind, body string) {
	c.t.Helper()
	response, known := c.doc.Paths[route][strings.ToLower(method)].Responses[fmt.Sprint(code)]
	content, right := response.Content[kind]
	if !known || !right {
		c.t.Errorf("%s %s: %d with %q is not in the document", method, path, code, kind)
		return
	}
	c.holds(route+" "+method+" "+fmt.Sprint(code), content.Schema, body)
}

// holds holds a JSON text against a schema, which has a name.
func (c *contract) holds(name string, schema any, body string) {
	c.t.Helper()
	at := "/answers/" + strings.NewReplacer(" ", "-", "{", "", "}", "").Replace(name)
	if !c.known[at] {
		c.known[at] = true
		c.add(at, schema)
	}
	compiled, err := c.compiler.Compile("weir://" + at)
	if err != nil {
		c.t.Fatalf("%s: %v", name, err)
	}
	var v any
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		c.t.Fatalf("%s: %v\n%s", name, err, body)
	}
	if err := compiled.Validate(v); err != nil {
		c.t.Errorf("%s: %#v\n%s", name, err, body)
	}
}

// ask asks a daemon for a path of the API and checks the answer.
func (c *contract) ask(d *Daemon, method, path, route string) string {
	c.t.Helper()
	rec := httptest.NewRecorder()
	d.server.Handler.ServeHTTP(rec, httptest.NewRequest(method, path, http.NoBody))
	kind, _, _ := strings.Cut(rec.Header().Get("Content-Type"), ";")
	c.check(method, path, route, rec.Code, kind, rec.Body.String())
	return rec.Body.String()
}

// TestSchemasAreTheTypes: each schema has the fields of the type that is answered,
// says of those that may be left out, and of no others, that they may, and names
// their types: also of what a daemon seldom says.
func TestSchemasAreTheTypes(t *testing.T) {
	s := schemas{t: t, doc: readDocument(t), met: map[string]bool{}}
	for name, v := range map[string]any{
		"Overview": view.Overview{}, "List": view.List{}, "Resource": view.Resource{}, "Plan": view.Plan{},
		"PlanHead": view.PlanHead{}, "Headline": view.Headline{}, "SourceProblems": view.SourceProblems{},
		"Pass": view.Pass{}, "Entry": state.Entry{}, "Observation": resource.Observation{}, "Problem": problem{},
	} {
		s.compare(name, map[string]any{"$ref": "#/components/schemas/" + name}, reflect.TypeOf(v))
	}
	for name := range s.doc.Components.Schemas {
		if !s.met[name] && name != "Observations" { // which is written as a stream
			t.Errorf("%s is of no type that is answered", name)
		}
	}
}

// unanswered are fields of a plan that no plan of the daemon has, and of an entry
// that is not asked for its links.
var unanswered = []string{"Plan.id", "Plan.sum", "Plan.cached", "Plan.reads", "Entry.links"}

type schemas struct {
	t   *testing.T
	doc document
	met map[string]bool
}

// compare holds a schema against a Go type.
func (s *schemas) compare(at string, schema map[string]any, of reflect.Type) {
	s.t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/components/schemas/")
		if s.met[name] {
			return
		}
		s.met[name] = true
		at, schema = name, s.doc.Components.Schemas[name]
	}
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	want := jsonType(of)
	got, _ := schema["type"].(string)
	if list, many := schema["type"].([]any); many {
		got, _ = list[0].(string)
	}
	switch {
	case want != "" && got != want:
		s.t.Errorf("%s: the document says %q, the type %s is %q", at, got, of, want)
	case of == reflect.TypeFor[time.Time]():
		if schema["format"] != "date-time" {
			s.t.Errorf("%s is a time", at)
		}
	case want == "array":
		items, _ := schema["items"].(map[string]any)
		s.compare(at+"[]", items, of.Elem())
	case want == "object" && of.Kind() == reflect.Struct:
		s.fields(at, schema, of)
	}
}

// fields holds the properties of a schema against the fields of a struct.
func (s *schemas) fields(at string, schema map[string]any, of reflect.Type) {
	s.t.Helper()
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	fields := map[string]bool{}
	for _, f := range flat(of) {
		name, rest, tagged := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || slices.Contains(unanswered, at+"."+name) {
			continue
		}
		fields[name] = true
		p, declared := properties[name].(map[string]any)
		if !declared {
			s.t.Errorf("%s.%s is not in the document", at, name)
			continue
		}
		optional := tagged && strings.HasPrefix(rest, "omit")
		if slices.Contains(required, any(name)) == optional {
			s.t.Errorf("%s.%s: may be left out: %v, which the document denies", at, name, optional)
		}
		s.compare(at+"."+name, p, f.Type)
	}
	for name := range properties {
		if !fields[name] {
			s.t.Errorf("%s.%s is of no field", at, name)
		}
	}
}

// flat returns the fields of a struct with those of what is embedded in it.
func flat(of reflect.Type) (out []reflect.StructField) {
	for f := range of.Fields() {
		if f.Anonymous {
			out = append(out, flat(f.Type)...)
		} else {
			out = append(out, f)
		}
	}
	return out
}

// jsonType returns what a Go type is in JSON, "" for anything.
func jsonType(of reflect.Type) string {
	switch {
	case of == reflect.TypeFor[time.Time]() || of == reflect.TypeFor[resource.ID]() || of == reflect.TypeFor[state.Hash]():
		return "string"
	case of == reflect.TypeFor[resource.Spec]():
		return "object"
	}
	switch of.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "number"
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice:
		return "array"
	case reflect.Interface:
		return ""
	default:
		return "integer"
	}
}
