package manifest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/schema"
	"weir/sync/resource"
	"weir/sync/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const switchText = "apiVersion: aliyun/v1\nkind: MultiStream\nspec: {domain: live.example.com, enabled: true}\n"

// load reads files given as pairs of name and text.
func load(t testing.TB, pairs ...string) Result {
	t.Helper()
	snap := &source.Snapshot{Source: "live"}
	for i := 0; i < len(pairs); i += 2 {
		snap.Files = append(snap.Files, file(pairs[i], pairs[i+1]))
	}
	return New(accounts()).Load(snap)
}

// codes returns the codes of a result with their lines.
func codes(r Result) string {
	var out []string
	for _, p := range r.Problems {
		out = append(out, fmt.Sprintf("%d:%s", p.Line, p.Code))
	}
	return strings.Join(out, " ")
}

// only returns the only resource of a text.
func only(t testing.TB, text string) resource.Resource {
	t.Helper()
	r := load(t, "a.yaml", text)
	if r.Set.Len() != 1 || r.Errors != 0 {
		t.Fatalf("%q: %d resources, problems %v", text, r.Set.Len(), r.Problems)
	}
	for res := range r.Set.All() {
		return res
	}
	panic("unreachable")
}

func TestFailure_V01_DuplicateKey(t *testing.T) {
	r := load(t, "a.yaml", switchText+"kind: MultiStream\n")
	want := `a.yaml:4:1: kind: key "kind" stands at line 2, column 1 already [duplicate-key]`
	if len(r.Problems) != 1 || r.Problems[0].String() != want || r.Set.Len() != 0 {
		t.Errorf("got %v", r.Problems)
	}
}

func TestFailure_V01_ManyDuplicateKeys(t *testing.T) {
	takesAtMost(t, 2*time.Second, func() {
		r := load(t, "a.yaml", switchText+"x: {"+strings.Repeat("a,", 90_000)+"a}\n")
		if r.Errors != 90_001 || len(r.Problems) != maxShown+1 {
			t.Errorf("%d errors, %d shown", r.Errors, len(r.Problems))
		}
	})
}

func TestFailure_V02_AliasBomb(t *testing.T) {
	takesAtMost(t, 2*time.Second, func() {
		r := New(accounts()).Load(snapshot(t, "testdata/problems/alias-bomb.yaml"))
		if codes(r) != "2:alias-expansion 2:too-many-values" {
			t.Errorf("got %s", codes(r))
		}
	})
}

func TestFailure_V02_ModestAliases(t *testing.T) {
	res := only(t, `apiVersion: volcengine/v1
kind: RelaySource
metadata: {account: volc-west}
spec:
  vhost: &name push.example.com
  app: live
  groups:
    - name: a
      servers: [{address: *name, protocol: &p flv, params: &q {k: "1"}}]
    - name: b
      servers: [{address: *name, protocol: *p, params: *q}]
`)
	want := `{"app":"live","groups":[{"name":"a","servers":[{"address":"push.example.com","params":{"k":"1"},"protocol":"flv"}]},` +
		`{"name":"b","servers":[{"address":"push.example.com","params":{"k":"1"},"protocol":"flv"}]}],"vhost":"push.example.com"}`
	if string(res.Spec) != want {
		t.Errorf("got  %s\nwant %s", res.Spec, want)
	}
}

func TestFailure_V05_ByteOrderMark(t *testing.T) {
	if got := only(t, "\ufeff"+switchText); got.ID.String() != "aliyun-main/MultiStream/live.example.com" {
		t.Errorf("got %v", got.ID)
	}
	if got := codes(load(t, "a.yaml", switchText+"\ufeff")); got != "4:bad-character" {
		t.Errorf("in the middle: %s", got)
	}
}

func TestFailure_V06_CarriageReturns(t *testing.T) {
	text := "# first\n" + relayFor("a.example.com") + "---\n" + switchText
	one := load(t, "a.yaml", text)
	two := load(t, "a.yaml", strings.ReplaceAll(text, "\n", "\r\n"))
	if told(one) != told(two) || one.Set.Len() != 2 {
		t.Errorf("with LF:\n%s\nwith CR LF:\n%s", told(one), told(two))
	}
}

func TestFailure_V09_MillionBrackets(t *testing.T) {
	takesAtMost(t, time.Second, func() {
		if r := load(t, "a.yaml", strings.Repeat("[", 1<<20)); r.Errors != 1 {
			t.Errorf("got %v", r.Problems)
		}
	})
	if got := codes(load(t, "a.yaml", strings.Repeat("[", 1000))); got != "1:too-deep" {
		t.Errorf("got %s", got)
	}
}

func TestFailure_V10_NorwayAndOff(t *testing.T) {
	plain := strings.Replace(prefetchText, "[NO]", "[NO, SE]", 1)
	quoted := strings.Replace(prefetchText, "[NO]", `["NO", 'SE']`, 1)
	if one, two := only(t, plain), only(t, quoted); one.Spec != two.Spec || !strings.Contains(string(one.Spec),
		`["NO","SE"]`) {
		t.Errorf("plain %s, quoted %s", one.Spec, two.Spec)
	}
	if got := only(t, strings.Replace(prefetchText, "app: live", "app: off", 1)); got.ID.Part(1) != "off" {
		t.Errorf("got %v", got.ID)
	}
}

const prefetchText = "apiVersion: aliyun/v1\nkind: RtcPrefetch\nspec: {domain: live.example.com, app: live, stream: news, " +
	"regions: [NO], audioMsid: rts audio, videoMsid: rts video, connectionTimeout: 1h}\n"

// TestFailure_V11_TextThatLooksLikeNumbers: a text field takes what is written.
func TestFailure_V11_TextThatLooksLikeNumbers(t *testing.T) {
	for _, s := range []string{
		"010", "1_0", "1e3", "0x1f", "0o17", "0b1", "123456789012345678901234567890", "true", "yes", "NO", "on", "y",
		"2023-01-01", "-1", "007", "0", "1E400", "off",
	} {
		plain := only(t, strings.Replace(prefetchText, "stream: news", "stream: "+s, 1))
		quoted := only(t, strings.Replace(prefetchText, "stream: news", "stream: '"+s+"'", 1))
		if plain.ID.Part(2) != s || plain.Spec != quoted.Spec {
			t.Errorf("%s: plain %s, quoted %s", s, plain.Spec, quoted.Spec)
		}
	}
	for _, s := range []string{"1.10", "12:30:45", "+5", ".5", "2023-01-01T00:00:00Z", "1.0e10000000"} {
		res := only(t, strings.Replace(relayFor("a.example.com"), "protocol: rtmp",
			"protocol: rtmp, params: {k: "+s+"}", 1))
		if want := `"params":{"k":"` + s + `"}`; !strings.Contains(string(res.Spec), want) {
			t.Errorf("%s: %s", s, res.Spec)
		}
	}
}

func relayFor(vhost string) string {
	return "apiVersion: volcengine/v1\nkind: RelaySource\nmetadata: {account: volc-east}\nspec:\n  vhost: " + vhost +
		"\n  app: live\n  groups:\n    - name: a\n      servers: [{address: a.example.com, protocol: rtmp}]\n"
}

func TestFailure_V12_BigIntegers(t *testing.T) {
	for s, want := range map[string]string{
		"9007199254740993": "", "999999999999999999": "", "9223372036854775808": "wrong-type",
		"18446744073709551616": "wrong-type",
		"0x10":                 "wrong-type", "010": "wrong-type", `"10"`: "wrong-type", "1e3": "wrong-type", "10.0": "wrong-type",
		"+1": "wrong-type",
	} {
		value, _, problems := Document("weir.yaml", []byte(strings.Replace(configText, "fileBytes: 1",
			"fileBytes: "+s, 1)), "weir/v1", "Config")
		got := ""
		if len(problems) > 0 {
			got = problems[0].Code
		}
		if got != want {
			t.Errorf("%s: %v, want %q", s, problems, want)
		}
		if n := value["limits"].(map[string]any)["fileBytes"]; want == "" && fmt.Sprint(n) != s {
			t.Errorf("%s became %v", s, n)
		}
	}
}

const configText = `apiVersion: weir/v1
kind: Config
sources: [{name: live, directory: {path: ./live}}]
accounts: [{name: aliyun-main, provider: aliyun, quota: {share: 0.9}}]
policy: {mode: sync}
limits: {fileBytes: 1}
`

func TestFailure_V15_ManyDocuments(t *testing.T) {
	text := "---\n---\n# nothing\n--- # here\n" + switchText + "...\n---\n" + relayFor("a.example.com") + "---\n"
	r := load(t, "a.yaml", text)
	if r.Documents != 2 || r.Errors != 0 || r.Set.Len() != 2 {
		t.Fatalf("%d documents: %v", r.Documents, r.Problems)
	}
	for res := range r.Set.All() {
		if want := map[string]int{"MultiStream": 5, "RelaySource": 10}[res.ID.Kind]; res.Origin.Line != want {
			t.Errorf("%v is at line %d, want %d", res.ID, res.Origin.Line, want)
		}
	}
}

func TestFailure_V28_ManyErrors(t *testing.T) {
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "---\n{kind: K%s}\n", strconv.Itoa(i))
	}
	r := load(t, "a.yaml", text.String())
	if r.Errors != 10_000 || len(r.Problems) != maxShown+1 {
		t.Fatalf("%d errors, %d shown", r.Errors, len(r.Problems))
	}
	last := r.Problems[maxShown]
	if last.Code != CodeMoreProblems || last.Severity != Error ||
		last.Message != "9950 more problems in this file are not shown" {
		t.Errorf("got %+v", last)
	}
	if first := r.Problems[0]; first.Line != 2 {
		t.Errorf("the first shown is at line %d", first.Line)
	}
}

// TestFailure_V28_OutputIsBounded: the longest problems there can be.
func TestFailure_V28_OutputIsBounded(t *testing.T) {
	long := strings.Repeat("\U0010ffff", 10_000)
	p := Problem{File: long, Line: 1 << 30, Column: 1 << 30, Path: long, Code: CodeAliasExpansion, Message: long}
	if got := len(p.String()); (maxShown+1)*got > 64<<10 {
		t.Errorf("a problem of %d bytes", got)
	}
	key := strings.Repeat("é", 300)
	var text strings.Builder
	text.WriteString(switchText)
	for i := range 1000 {
		fmt.Fprintf(&text, "%s%d: x\n", key, i)
	}
	size := 0
	for _, p := range load(t, strings.Repeat("d/", 100)+"a.yaml", text.String()).Problems {
		size += len(p.String()) + 1
	}
	if size > 64<<10 {
		t.Errorf("%d bytes of output", size)
	}
}

func TestFailure_V29_SecretsAreNotEchoed(t *testing.T) {
	r := New(accounts()).Load(snapshot(t, "testdata/problems/secrets.yaml"))
	if r.Warnings != 3 || r.Errors != 0 {
		t.Errorf("%d warnings: %v", r.Warnings, r.Problems)
	}
	config := strings.Replace(configText, "provider: aliyun,",
		"provider: aliyun, credentials: {accessKeyIdEnv: LTAI5tFakeFakeFakeFake, "+
			"accessKeySecretEnv: aB3/FakeFakeFakeFakeFakeFake},", 1)
	_, _, problems := Document("weir.yaml", []byte(config), "weir/v1", "Config")
	if len(problems) != 2 {
		t.Errorf("got %v", problems)
	}
	for _, p := range slices.Concat(r.Problems, problems) {
		if s := p.String(); strings.Contains(s, "Fake") || strings.Contains(s, "hunter2") || strings.Contains(s,
			"aB3") {
			t.Errorf("a secret is echoed: %s", s)
		}
	}
}

func TestFailure_V32_PanicIsTheFilesProblem(t *testing.T) {
	l := New(accounts())
	l.parse = func(name string, f source.File) (out parsed) {
		r := reader{file: f.Path}
		out.panicked = r.guard(func() {
			if f.Path == "bad.yaml" {
				panic("a library's fault\x1b")
			}
		})
		if !out.panicked {
			return l.read(name, f)
		}
		out.problems = r.problems
		return out
	}
	snap := &source.Snapshot{Files: []source.File{file("bad.yaml", "x"), file("good.yaml", switchText)}}
	r := l.Load(snap)
	if r.Panics != 1 || r.Errors != 1 || r.Set.Len() != 1 || r.Problems[0].Code != schema.CodeInternal {
		t.Errorf("%d panics, %v", r.Panics, r.Problems)
	}
	if again := l.Load(snap); again.Parsed != 0 || again.Errors != 1 || again.Panics != 1 {
		t.Errorf("a file that panicked is parsed again: %+v", again)
	}
}

func TestFailure_C2_LargeFile(t *testing.T) {
	text := switchText + "# " + strings.Repeat("x", 1<<20)
	if got := codes(load(t, "a.yaml", text)); got != "0:file-too-large" {
		t.Errorf("got %s", got)
	}
	snap := &source.Snapshot{Files: []source.File{file("a.yaml", text)}}
	if r := New(Options{Limits: Limits{FileBytes: 2 << 20}}).Load(snap); r.Set.Len() != 1 {
		t.Errorf("with a higher limit: %v", r.Problems)
	}
	if r := New(Options{Limits: Limits{FileBytes: 10}}).Load(snap); codes(r) != "0:file-too-large" {
		t.Errorf("with a lower limit: %v", r.Problems)
	}
}

func TestFailure_C2_ManyValues(t *testing.T) {
	for name, text := range map[string]string{
		"list": "[" + strings.Repeat("a,", 1<<19-2) + "a]", "lines": strings.Repeat("- a\n", 1<<18-1),
		"nested lists": strings.Repeat("- ", 1<<19-1) + "a",
	} {
		takesAtMost(t, 2*time.Second, func() {
			if r := load(t, "a.yaml", text); r.Errors != 1 {
				t.Errorf("%s: %v", name, r.Problems)
			}
		})
	}
}

func TestFailure_C21_ControlCharacters(t *testing.T) {
	p := Problem{
		File: "a\x1b[2J.yaml", Line: 3, Column: 7, Path: "spec.\u202e", Code: "x",
		Message: "one\ntwo\x00\u2028", Severity: Error,
	}
	if got, want := p.String(), `a\x1b[2J.yaml:3:7: spec.\u202e: one\ntwo\x00\u2028 [x]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestEveryCodeIsExplained compares the texts with the codes that the schema
// package gives and with every constant of this package.
func TestEveryCodeIsExplained(t *testing.T) {
	want := append(schema.Codes(), constants(t)...)
	slices.Sort(want)
	want = slices.Compact(want)
	if got := Codes(); !slices.Equal(got, want) {
		t.Errorf("explained:\n%v\nin use:\n%v", got, want)
	}
	for _, code := range Codes() {
		text, ok := Explain(code)
		lines := strings.Count(text, "\n")
		most := 9
		if code == "template" { // says all that a template is given
			most = 18
		}
		if !ok || lines < 3 || lines > most {
			t.Errorf("%s: %d lines", code, lines)
		}
		for line := range strings.SplitSeq(text, "\n") {
			if len(line) > 82 {
				t.Errorf("%s: a line of %d characters: %s", code, len(line), line)
			}
		}
	}
	if _, ok := Explain("nothing"); ok {
		t.Error("an unknown code is explained")
	}
}

// constants reads the values of the constants named Code... of this package.
func constants(t *testing.T) []string {
	parsed, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			value, _ := strconv.Unquote(lit.Value)
			out = append(out, value)
		}
		return true
	})
	return out
}

// TestEveryProblemHasAKnownCode looks at all that the golden files emit.
func TestEveryProblemHasAKnownCode(t *testing.T) {
	paths, _ := filepath.Glob("testdata/golden/*")
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if !strings.HasPrefix(line, "error: ") && !strings.HasPrefix(line, "warning: ") && !strings.HasPrefix(line,
				"notice: ") {
				continue
			}
			code := line[strings.LastIndex(line, "[")+1 : len(line)-2]
			if _, ok := Explain(code); !ok {
				t.Errorf("%s: %q is not explained", path, code)
			}
		}
	}
}

// TestLooksSecret takes paths as a plan's fields have them.
func TestLooksSecret(t *testing.T) {
	for path, c := range map[string]struct {
		v    any
		want bool
	}{
		"groups[0].servers[0].params.token": {"canary-7f3a", true},
		"groups[0].servers[0].params.a":     {"LTAI5tCanaryCanary", true},
		"groups[0].servers[0].params.b":     {"plain", false},
		"groups[0].servers[0]":              {map[string]any{"params": map[string]any{"password": "canary-7f3a"}}, true},
		"audioMsid":                         {"canary-7f3a-token", false},
		"":                                  {nil, false},
	} {
		if got := LooksSecret(path, c.v); got != c.want {
			t.Errorf("%s %v: %v", path, c.v, got)
		}
	}
}
