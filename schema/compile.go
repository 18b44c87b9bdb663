package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// compile makes a schema ready for use. It loads nothing but source itself,
// whatever loaders the library has been given elsewhere.
func compile(source []byte) (*jsonschema.Schema, error) {
	var head struct {
		ID string `json:"$id"`
	}
	if err := json.Unmarshal(source, &head); err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft2020
	c.AssertFormat = true
	c.LoadURL = func(url string) (io.ReadCloser, error) {
		return nil, fmt.Errorf("schemas load no other documents: %s", url)
	}
	c.RegisterExtension("weir", nil, extension{})
	if err := c.AddResource(head.ID, bytes.NewReader(source)); err != nil {
		return nil, err
	}
	return c.Compile(head.ID)
}

// The keywords of our own that are checked.
const (
	keyFormat      = "x-weir-format"
	keyMinDuration = "x-weir-min-duration"
	keyUniqueBy    = "x-weir-unique-by"
	keyMaxTotal    = "x-weir-max-total"
)

// extension compiles our keywords.
type extension struct{}

// Compile reads the keywords of one schema object; it returns nil where there
// are none.
func (extension) Compile(_ jsonschema.CompilerContext, m map[string]any) (jsonschema.ExtSchema, error) {
	var out keywords
	if name, ok := m[keyFormat]; ok {
		accept, known := formats()[text(name)]
		if !known {
			return nil, fmt.Errorf("%s: unknown format %v", keyFormat, name)
		}
		out = append(out, rule{keyFormat, func(v any) bool {
			s, isText := v.(string)
			return !isText || accept(s)
		}})
	}
	if least, ok := m[keyMinDuration]; ok {
		out = append(out, rule{keyMinDuration, func(v any) bool { return atLeast(text(least), v) }})
	}
	if field, ok := m[keyUniqueBy]; ok {
		out = append(out, rule{keyUniqueBy, func(v any) bool { return len(repeated(list(v), text(field))) == 0 }})
	}
	if limit, ok := m[keyMaxTotal]; ok {
		of, most, err := maxTotal(limit)
		if err != nil {
			return nil, err
		}
		out = append(out, rule{keyMaxTotal, func(v any) bool { return total(list(v), of, most) <= most }})
	}
	if out == nil {
		return nil, nil
	}
	return out, nil
}

// rule is one keyword with its test.
type rule struct {
	keyword string
	accepts func(v any) bool
}

// keywords are the rules of one schema object.
type keywords []rule

// Validate reports every rule that v breaks.
func (k keywords) Validate(ctx jsonschema.ValidationContext, v any) error {
	var causes []error
	for _, r := range k {
		if !r.accepts(v) {
			causes = append(causes, ctx.Error(r.keyword, "%s", r.keyword))
		}
	}
	switch len(causes) {
	case 0:
		return nil
	case 1:
		return causes[0]
	default:
		return jsonschema.ValidationError{}.Group(ctx.Error("", "several keywords"), causes...)
	}
}

// validate runs the library on a value that passed bounded, and turns a panic
// of it into an error.
func validate(s *jsonschema.Schema, v any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("schema library panicked: %v", r)
		}
	}()
	return s.Validate(v)
}
