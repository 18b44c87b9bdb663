package manifest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/schema"
	"weir/sync/resource"
	"weir/sync/source"
)

func TestLoadTellsTheOrigin(t *testing.T) {
	r := load(t, "b/x.yaml", "# comment\n\n"+switchText)
	got, ok := r.Set.Get(resource.ID{Account: "aliyun-main", Kind: "MultiStream", Key: "live.example.com"})
	want := resource.Origin{Source: "live", File: "b/x.yaml", Line: 3}
	if !ok || got.Origin != want || got.Spec != `{"domain":"live.example.com","enabled":true}` || got.Labels != nil {
		t.Errorf("got %+v, %v", got, r.Problems)
	}
}

func TestLoadLabels(t *testing.T) {
	got := only(t, switchText+"metadata: {labels: {team: sports, build: 010, on: off}}\n").Labels
	if fmt.Sprint(got) != "map[build:010 on:off team:sports]" {
		t.Errorf("got %v", got)
	}
}

func TestAccounts(t *testing.T) {
	named := switchText + "metadata: {account: other}\n"
	for _, c := range []struct {
		name     string
		accounts map[string][]string
		text     string
		want     string // account, or code
	}{
		{"nothing known", nil, switchText, "aliyun"},
		{"nothing known, one named", nil, named, "other"},
		{"one", map[string][]string{"aliyun/v1": {"main"}}, switchText, "main"},
		{"another named", map[string][]string{"aliyun/v1": {"main"}}, named, "unknown-account"},
		{"the named one of two", map[string][]string{"aliyun/v1": {"main", "other"}}, named, "other"},
		{"two, none named", map[string][]string{"aliyun/v1": {"main", "other"}}, switchText, "ambiguous-account"},
		{"none of this cloud", map[string][]string{"volcengine/v1": {"main"}}, switchText, "no-account"},
		{"none at all", map[string][]string{}, named, "no-account"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := New(Options{Accounts: c.accounts}).Load(&source.Snapshot{Files: []source.File{file("a.yaml", c.text)}})
			got := ""
			for res := range r.Set.All() {
				got = res.ID.Account
			}
			for _, p := range r.Problems {
				got += p.Code
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestUnchangedFilesAreNotParsed(t *testing.T) {
	l := New(accounts())
	snap := &source.Snapshot{Source: "live", Files: []source.File{
		file("a.yaml", switchText), file("b.yaml", relayFor("b.example.com")), file("c.yaml", "x: y\n"), file("d.txt",
			"?"),
	}}
	first := l.Load(snap)
	if first.Parsed != 3 || first.Set.Len() != 2 || first.Errors != 2 {
		t.Fatalf("first: %+v", first)
	}
	if again := l.Load(snap); again.Parsed != 0 || told(again) != told(first) {
		t.Errorf("again: %d parsed\n%s\nwant\n%s", again.Parsed, told(again), told(first))
	}
	moved := &source.Snapshot{Source: "live", Files: []source.File{file("a.yaml", switchText), file("z.yaml",
		relayFor("b.example.com"))}}
	if r := l.Load(moved); r.Parsed != 1 || r.Set.Len() != 2 || r.Errors != 0 {
		t.Errorf("a file moved, one gone: %d parsed\n%s", r.Parsed, told(r))
	}
	if len(l.files) != 2 {
		t.Errorf("%d files are remembered", len(l.files))
	}
	if r := l.Load(snap); r.Parsed != 2 || told(r) != told(first) {
		t.Errorf("back again: %d parsed", r.Parsed)
	}
	changed := &source.Snapshot{Source: "live", Files: slices.Clone(snap.Files)}
	changed.Files[0] = file("a.yaml", strings.Replace(switchText, "true", "false", 1))
	if r := l.Load(changed); r.Parsed != 1 || !strings.Contains(told(r), `"enabled":false`) {
		t.Errorf("one changed: %d parsed\n%s", r.Parsed, told(r))
	}
}

func TestEmptySnapshot(t *testing.T) {
	l := New(accounts())
	l.Load(&source.Snapshot{Files: []source.File{file("a.yaml", switchText)}})
	if r := l.Load(&source.Snapshot{}); r.Set.Len() != 0 || r.Documents != 0 || len(r.Problems) != 0 ||
		len(l.files) != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestFailure_V31_FileNames(t *testing.T) {
	for name, want := range map[string]bool{
		"a.yaml": true, "a.yml": true, "a.json": true, "x/A.YAML": true, "b.Json": true, "x.y/z.yaml": true,
		"a.yaml.swp": false, "a.yaml~": false, ".a.yaml": false, "x/.a.yaml": false, ".git/a.yaml": false,
		"..data/a.yaml": false,
		"yaml":          false, "a": false, "": false, "a.yaml/b": false, "#a.yaml#": false,
	} {
		if got := Matches(name); got != want {
			t.Errorf("Matches(%q) = %v", name, got)
		}
	}
}

func TestFailure_V20_TwoSources(t *testing.T) {
	load := func(name, text string) resource.Set {
		return New(accounts()).Load(&source.Snapshot{Source: name, Files: []source.File{file("a.yaml", text)}}).Set
	}
	one := load("one", switchText)
	two := load("two", "\n"+switchText+"---\n"+relayFor("b.example.com"))
	set, problems := Join(one, two)
	want := "a.yaml:2:1: aliyun-main/MultiStream/live.example.com is declared at a.yaml:2 in source two " +
		"and already at a.yaml:1 in source one [duplicate-identity]"
	if set.Len() != 2 || len(problems) != 1 || problems[0].String() != want {
		t.Errorf("%d resources, %v", set.Len(), problems)
	}
	if set, problems := Join(); set.Len() != 0 || problems != nil {
		t.Errorf("nothing joined: %v, %v", set, problems)
	}
}

func TestFailure_V21_NamesThatDifferInCase(t *testing.T) {
	r := load(t, "a.yaml", relayFor("push.example.com")+"---\n"+relayFor("PUSH.example.com"))
	if codes(r) != "11:duplicate-identity" || !strings.Contains(r.Problems[0].Message, "differs only in case") {
		t.Errorf("got %v", r.Problems)
	}
	other := strings.Replace(relayFor("push.example.com"), "app: live", "app: Live", 1)
	if r := load(t, "a.yaml", relayFor("push.example.com")+"---\n"+other); r.Set.Len() != 2 {
		t.Errorf("apps have case: %v", r.Problems)
	}
}

func TestProblemJSON(t *testing.T) {
	got, err := json.Marshal(Problem{"a.yaml", 1, 2, "spec.app", "bad-name", "no", Warning})
	want := `{"file":"a.yaml","line":1,"column":2,"path":"spec.app","code":"bad-name","message":"no","severity":"warning"}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestPathText(t *testing.T) {
	for want, path := range map[string][]string{
		"": nil, "spec": {"spec"}, "spec.groups[0].name": {"spec", "groups", "0", "name"}, `labels["a.b"]`: {
			"labels",
			"a.b",
		},
		`x[""].y`: {"x", "", "y"}, "[3]": {"3"}, `x["a b"]`: {"x", "a b"},
	} {
		if got := pathText(path); got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
}

func TestDocument(t *testing.T) {
	value, at, problems := Document("weir.yaml", []byte(configText), "weir/v1", "Config")
	if len(problems) != 0 || value["policy"].(map[string]any)["mode"] != "sync" {
		t.Fatalf("%v, %v", value, problems)
	}
	account := value["accounts"].([]any)[0].(map[string]any)
	if share := account["quota"].(map[string]any)["share"]; share != 0.9 {
		t.Errorf("share is %v (%T)", share, share)
	}
	p := at.Problem([]string{"sources", "0", "directory", "path"}, false, "source-missing",
		"there is no such directory", Error)
	if got, want := p.String(), "weir.yaml:3:42: sources[0].directory.path: there is no such directory [source-missing]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if line, column := at.At([]string{"sources", "0", "git", "url"}, true); line != 3 || column != 11 {
		t.Errorf("the nearest place above is %d:%d", line, column)
	}
	if line, column := at.At(nil, false); line != 1 || column != 1 {
		t.Errorf("the root is at %d:%d", line, column)
	}
}

func TestDocumentProblems(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":         {"", "1:one-document"},
		"two documents": {configText + "---\na: b\n", "8:one-document"},
		"empty second":  {configText + "---\n# end\n", ""},
		"another kind": {
			switchText,
			"1:missing-field 1:missing-field 1:missing-field 1:not-allowed-value 2:not-allowed-value 3:unknown-field",
		},
		"no repository": {
			strings.Replace(configText, "directory: {path: ./live}", "git: {url: x}", 1),
			"3:bad-url",
		},
		"syntax":            {"a: [", "2:syntax"},
		"a list":            {"- a\n", "1:not-a-mapping"},
		"a key twice":       {configText + "policy: {}\n", "7:duplicate-key"},
		"a decimal limit":   {strings.Replace(configText, "fileBytes: 1", "fileBytes: 1.5", 1), "6:wrong-type"},
		"a share of text":   {strings.Replace(configText, "0.9", `"0.9"`, 1), "4:wrong-type"},
		"an endless share":  {strings.Replace(configText, "0.9", ".inf", 1), "4:not-finite"},
		"a long decimal":    {strings.Replace(configText, "0.9", "0.12345678901", 1), "4:wrong-type"},
		"a share above one": {strings.Replace(configText, "0.9", "1.5", 1), "4:too-large"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, problems := Document("weir.yaml", []byte(c.text), "weir/v1", "Config")
			if got := codes(Result{Problems: problems}); got != c.want {
				t.Errorf("got %s, want %s\n%v", got, c.want, problems)
			}
		})
	}
}

func TestZeroPositions(t *testing.T) {
	if line, column := (Positions{}).At([]string{"a"}, true); line != 1 || column != 1 {
		t.Errorf("got %d:%d", line, column)
	}
}

// TestOrderDoesNotMatter shuffles files, documents and keys: the resources are
// the same.
func TestOrderDoesNotMatter(t *testing.T) {
	var documents [][]string
	want := map[string]resource.Spec{}
	for i := range 12 {
		vhost := fmt.Sprintf("push%d.example.com", i)
		documents = append(documents, []string{
			"apiVersion: volcengine/v1\n", "kind: RelaySource\n",
			fmt.Sprintf("metadata: {labels: {n: x%d}, account: volc-east}\n", i),
			"spec: {groups: [{servers: [{protocol: flv, address: a.example.com}], name: a}], app: live, vhost: " + vhost + "}\n",
		})
		res := only(t, strings.Join(documents[i], ""))
		want[res.ID.String()] = res.Spec
	}
	rapid.Check(t, func(t *rapid.T) {
		texts := make([]string, 4)
		for _, d := range rapid.Permutation(documents).Draw(t, "documents") {
			n := rapid.IntRange(0, len(texts)-1).Draw(t, "file")
			texts[n] += "---\n" + strings.Join(rapid.Permutation(d).Draw(t, "keys"), "")
		}
		snap := &source.Snapshot{}
		for i, text := range texts {
			snap.Files = append(snap.Files, file(fmt.Sprintf("%d.yaml", i), text))
		}
		snap.Files = rapid.Permutation(snap.Files).Draw(t, "files")
		r := New(accounts()).Load(snap)
		if r.Errors != 0 || r.Set.Len() != len(want) {
			t.Fatalf("%d resources, %v", r.Set.Len(), r.Problems)
		}
		for res := range r.Set.All() {
			if res.Spec != want[res.ID.String()] {
				t.Fatalf("%v: %s", res.ID, res.Spec)
			}
		}
	})
}

// TestProblemsDoNotDependOnChance loads bad files many times over.
func TestProblemsDoNotDependOnChance(t *testing.T) {
	var snap source.Snapshot
	for i := range 40 {
		text := switchText + fmt.Sprintf("b%d: 1\na%d: [\"\\0\"]\nmetadata: {labels: {token: LTAI5tFakeFakeFakeFake, secret: LTAI5tFakeFakeFakeFake}}\n", i, i)
		snap.Files = append(snap.Files, file(fmt.Sprintf("%02d.yaml", i), text))
	}
	want := told(New(accounts()).Load(&snap))
	for range 20 {
		if got := told(New(accounts()).Load(&snap)); got != want {
			t.Fatalf("got:\n%s\nwant:\n%s", got, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		switchText, prefetchText, relayFor("a.example.com"), configText, "a: &a [*a]", "<<: {}", "? []\n: b",
		"\xff\xfe", "%TAG ! x\n---\n",
		"!!binary |\n  R0\n", "{\"a\": \"\\ud83d\"}", "- - - -\n\t- x", "a: |\n x\n  y", "*", "&a", "a: *b",
		"--- - ---", "\r\r\n", "? ? ? a",
	} {
		f.Add([]byte(seed))
	}
	l := New(accounts())
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		out := l.read("live", source.File{Path: "a.yaml", Data: data})
		if out.panicked {
			t.Fatalf("panic: %v", out.problems.list)
		}
		if took := time.Since(start); took > 5*slower*time.Second {
			t.Fatalf("%v for %d bytes", took, len(data))
		}
		for _, p := range out.problems.shown() {
			if _, ok := Explain(p.Code); !ok || p.Message == "" || p.Line < 1 && p.Code != CodeFileTooLarge ||
				len(p.String()) > 8000 {
				t.Errorf("%+v", p)
			}
		}
		for _, d := range out.resources {
			if d.Spec == "" || d.ID.Key == "" || d.Origin.Line < 1 {
				t.Errorf("%+v", d)
			}
		}
		_, _, problems := Document("weir.yaml", data, "weir/v1", "Config")
		for _, p := range problems {
			if p.Code == schema.CodeInternal {
				t.Errorf("%+v", p)
			}
		}
	})
}
