package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"weir/schema"
	"weir/sync/plan"
)

// codeTypes are the types whose constants are words that people are shown.
var codeTypes = []string{
	"sync/call.Code", "sync/state.Fault", "sync/etcd.Trouble", "sync/plan.State", "sync/plan.Reason", "sync/apply.Outcome", "sync/daemon/view.Condition",
}

// printedCodes finds every code that the program can print, in its source: the
// constants of those types, constants called Code..., and texts written where a
// code stands.
func printedCodes(t *testing.T) map[string]token.Position {
	t.Helper()
	found, set := map[string]token.Position{}, token.NewFileSet()
	for _, root := range []string{"sync", "schema", "cmd"} {
		err := filepath.WalkDir(filepath.Join("../..", root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			dir := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), "../../"))
			if dir == "sync/emulator" || slices.Contains(suites, dir) {
				return nil // the codes of clouds, and those of tests
			}
			file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err == nil {
				ast.Inspect(file, func(n ast.Node) bool { collectCode(set, dir, n, found); return true })
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func collectCode(set *token.FileSet, dir string, n ast.Node, into map[string]token.Position) {
	switch n := n.(type) {
	case *ast.ValueSpec:
		kind, _ := n.Type.(*ast.Ident)
		for i, value := range n.Values {
			text, ok := literal(value)
			if ok && (strings.HasPrefix(n.Names[i].Name, "Code") || kind != nil && slices.Contains(codeTypes, dir+"."+kind.Name)) {
				into[text] = set.Position(n.Pos())
			}
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
			if text, ok := literal(n.Value); ok {
				into[text] = set.Position(n.Pos())
			}
		}
	}
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil && text != ""
}

// TestEveryCodeIsExplained: what weir can print it can explain, and it lists
// nothing that it cannot print.
func TestEveryCodeIsExplained(t *testing.T) {
	printed := printedCodes(t)
	if len(printed) < 120 {
		t.Fatalf("only %d codes found", len(printed))
	}
	for code, at := range printed {
		if _, err := meanings(code); err != nil {
			t.Errorf("%s: [%s] is not explained", at, code)
		}
	}
	for _, topic := range topics() {
		for _, name := range topic.names {
			text, ok := topic.explain(name)
			if !ok || len(strings.Fields(text)) < 8 {
				t.Errorf("%s %q: %q explains nothing", topic.of, name, text)
			}
			if _, is := printed[name]; !is && !printedElsewhere(name) {
				t.Errorf("%s %q is explained, and nothing prints it", topic.of, name)
			}
		}
	}
}

// printedElsewhere are words that are no constants of code: guards stand in a
// table, the schemas name codes of their own, and some words are in sentences.
func printedElsewhere(name string) bool {
	return slices.Contains(guardNames(), name) || slices.Contains(schema.Codes(), name) ||
		slices.Contains(plan.Words(), name)
}

// TestWordsOfSeveralStages: a word that means a thing at several stages is
// explained at each.
func TestWordsOfSeveralStages(t *testing.T) {
	for name, want := range map[string][]string{
		"unknown":        {"how all is, in one word", "outcome of a call", "state of a resource, or reason for a change"},
		"file-too-large": {"error of a source", "problem of a manifest or of weir.yaml"},
		"refused":        {"how all is, in one word", "outcome of a change", "trouble with etcd"},
	} {
		found, err := meanings(name)
		of := map[string]bool{}
		for _, m := range found {
			of[m.Of] = true
		}
		if got := slices.Sorted(maps.Keys(of)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

// TestNearestCode: a code that is mistyped is found.
func TestNearestCode(t *testing.T) {
	for name, want := range map[string]string{
		"trottled": "throttled", "removal-percent": "removals-percent", "relaysuorce": "RelaySource", "histroy-rewritten": "history-rewritten",
	} {
		if _, err := meanings(name); err == nil || !strings.HasSuffix(err.Error(), "did you mean "+want+"?") {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}
