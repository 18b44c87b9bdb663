package providertest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"weir/sync/call"
	"weir/sync/provider"
)

// operations checks every request that the provider makes for the samples: it
// has a quota, says rightly whether it is a read, belongs to the account, and
// has only documented parameters.
func (s Suite) operations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := s.New()
		for operation, windows := range p.Limits() {
			if len(windows) == 0 || slices.ContainsFunc(windows, func(w call.Window) bool { return w.Limit < 1 || w.Per <= 0 }) {
				t.Errorf("%s: quota %v", operation, windows)
			}
		}
		for _, operation := range p.Reads() {
			if len(p.Limits()[operation]) == 0 {
				t.Errorf("%s is read with but has no quota", operation)
			}
		}
		reqs := s.requests(t)
		if len(reqs) == 0 {
			t.Error("the samples lead to no request at all")
		}
		for _, req := range reqs {
			s.request(t, p, req)
		}
	})
}

func (s Suite) request(t *testing.T, p provider.Provider, req *call.Request) {
	t.Helper()
	if len(p.Limits()[req.Operation]) == 0 {
		t.Errorf("%s has no quota", req.Operation)
	}
	if read := slices.Contains(p.Reads(), req.Operation); read == req.Write {
		t.Errorf("%s: Write is %t, a read of Reads() %t", req.Operation, req.Write, read)
	}
	if req.Account != s.Account {
		t.Errorf("%s: account %q", req.Operation, req.Account)
	}
	documented, ok := s.Params[req.Operation]
	if !ok {
		t.Errorf("%s: the fixture documents no parameters", req.Operation)
	}
	for _, path := range paths(req.Params) {
		if !slices.ContainsFunc(documented, func(d string) bool { return covers(d, path) }) {
			t.Errorf("%s: parameter %s is not documented", req.Operation, path)
		}
	}
}

// requests returns what the provider asks in Observe, Calls, Verify and Repair
// over all cases of all samples.
func (s Suite) requests(t *testing.T) []*call.Request {
	t.Helper()
	var out []*call.Request
	for _, one := range s.Samples {
		kind := s.New().Kinds()[one.ID.Kind]
		for name, c := range s.cases(t, one) {
			v := kind.Judge(c)
			reqs, err := kind.Calls(change(c, v))
			if err != nil && v.Action != "none" {
				t.Errorf("sample %s, %s: %v", one.Name, name, err)
			}
			out = append(out, reqs...)
			out = append(out, kind.Verify(change(c, v))...)
			if kind.Repair != nil && c.Seen != nil {
				out = append(out, kind.Repair(change(c, v), *c.Seen)...)
			}
		}
	}
	rec := &recorder{next: s.caller(t, s.Cloud())}
	if _, err := s.New().Observe(context.Background(), spaced(rec), s.all(t)); err != nil {
		t.Errorf("Observe: %v", err)
	}
	return append(out, rec.requests()...)
}

// paths lists the parameters by name, nested ones too.
func paths(params map[string]any) []string {
	var tree any
	if json.Unmarshal([]byte(encode(params)), &tree) != nil {
		return nil
	}
	var out []string
	walk(tree, "", &out)
	slices.Sort(out)
	return slices.Compact(out)
}

func walk(v any, path string, out *[]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			sub := strings.TrimPrefix(path+"."+k, ".")
			*out = append(*out, sub)
			walk(e, sub, out)
		}
	case []any:
		for _, e := range v {
			walk(e, path+"[]", out)
		}
	}
}

func covers(documented, path string) bool {
	if below, open := strings.CutSuffix(documented, ".*"); open {
		return path == below || strings.HasPrefix(path, below+".")
	}
	return documented == path
}
