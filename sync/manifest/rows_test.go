package manifest

import (
	"strings"
	"testing"
)

// expect loads files of testdata/problems and compares lines and codes; the
// words are held by the golden files.
func expect(t *testing.T, want map[string]string) {
	t.Helper()
	for name, codesWanted := range want {
		r := New(accounts()).Load(snapshot(t, "testdata/problems/"+name))
		if got := codes(r); got != codesWanted {
			t.Errorf("%s: got %s, want %s", name, got, codesWanted)
		}
	}
}

func TestFailure_V02_AliasesWithoutEnd(t *testing.T) {
	expect(t, map[string]string{
		"alias-cycle.yaml": "6:alias-cycle", "alias-of-alias-cycle.yaml": "1:alias-cycle",
		"alias-from-another-document.yaml": "10:unknown-anchor", "deep-through-aliases.yaml": "1:too-deep",
	})
	r := New(accounts()).Load(snapshot(t, "testdata/problems/alias-expansion.yaml"))
	if last := r.Problems[len(r.Problems)-1]; last.Code != CodeAliasExpansion || r.Set.Len() != 0 {
		t.Errorf("got %v", last)
	}
}

func TestFailure_V03_MergeKey(t *testing.T) {
	expect(t, map[string]string{"merge-key.yaml": "3:missing-field 4:merge-key"})
	if got := codes(load(t, "a.yaml", switchText+"metadata: {labels: {'<<': x}}\n")); got != "4:bad-label" {
		t.Errorf("a quoted key: %s", got)
	}
}

func TestFailure_V04_Tabs(t *testing.T) {
	expect(t, map[string]string{
		"tab-indent.yaml": "5:tab-indent", "tab-in-list.yaml": "8:tab-indent",
		"tabs.json": "4:wrong-type",
	})
}

func TestFailure_V07_UTF16(t *testing.T) {
	expect(t, map[string]string{"utf16.yaml": "1:bad-encoding", "utf16-without-mark.yaml": "1:bad-encoding"})
	if got := codes(load(t, "a.yaml", "\xfe\xff\x00a\x00:")); got != "1:bad-encoding" {
		t.Errorf("the other order of bytes: %s", got)
	}
}

func TestFailure_V08_Characters(t *testing.T) {
	expect(t, map[string]string{
		"not-utf8.yaml": "4:bad-encoding", "nul.yaml": "4:bad-character", "escape.yaml": "4:bad-character",
		"line-separator.yaml": "5:bad-character", "text-direction.yaml": "5:bad-character",
		"quoted-nul.yaml": "4:bad-character 4:bad-character 6:bad-character",
	})
}

func TestFailure_V09_Depth(t *testing.T) {
	expect(t, map[string]string{"deep-flow.yaml": "6:too-deep", "deep-block.yaml": "7:too-deep"})
	levels := func(n int) string {
		return codes(load(t, "a.yaml", switchText+"x: "+strings.Repeat("[", n)+strings.Repeat("]", n)+"\n"))
	}
	if got := levels(62); got != "4:unknown-field" {
		t.Errorf("62 levels: %s", got)
	}
	if got := levels(65); got != "4:too-deep" {
		t.Errorf("65 levels: %s", got)
	}
}

func TestFailure_V13_NotFinite(t *testing.T) {
	expect(t, map[string]string{"not-finite.yaml": "4:not-finite 5:not-finite 10:bad-domain 11:not-finite"})
	res := only(t, strings.Replace(relayFor("a.example.com"), "protocol: rtmp",
		"protocol: rtmp, params: {k: '.inf'}", 1))
	if !strings.Contains(string(res.Spec), `{"k":".inf"}`) {
		t.Errorf("quoted: %s", res.Spec)
	}
}

func TestFailure_V14_ExplicitTags(t *testing.T) {
	expect(t, map[string]string{
		"explicit-tags.yaml": "1:explicit-tag 2:explicit-tag 3:explicit-tag 5:explicit-tag 6:explicit-tag 7:explicit-tag",
	})
	for _, value := range []string{
		"!!binary R0lG", "!!timestamp 2001-01-01", "!foo x",
		"!<tag:yaml.org,2002:str> x", "! x", "!!str x",
	} {
		if got := codes(load(t, "a.yaml", switchText+"metadata: {labels: {a: "+value+"}}\n")); got != "4:explicit-tag" {
			t.Errorf("%s: %s", value, got)
		}
	}
}

func TestFailure_V16_EmptyFile(t *testing.T) {
	expect(t, map[string]string{"empty.yaml": "1:empty-file", "only-comments.yaml": "1:empty-file"})
	if r := load(t, "a.yaml", "\n\n"); r.Errors != 0 || r.Problems[0].Severity != Notice {
		t.Errorf("got %+v", r)
	}
}

func TestFailure_V17_RootIsNoMapping(t *testing.T) {
	expect(t, map[string]string{"list-root.yaml": "1:not-a-mapping", "scalar-root.yaml": "1:not-a-mapping"})
}

func TestFailure_V18_UnknownKind(t *testing.T) {
	expect(t, map[string]string{
		"unknown-kind.yaml":        "2:unknown-kind 8:unknown-kind 14:wrong-type",
		"unknown-api-version.yaml": "1:unknown-api-version",
		"no-kind.yaml":             "1:missing-field 1:missing-field", "kind-is-a-list.yaml": "2:wrong-type",
		"config-among-manifests.yaml": "2:unknown-kind",
	})
}

func TestFailure_V19_UnknownField(t *testing.T) {
	expect(t, map[string]string{"unknown-field.yaml": "3:missing-field 5:unknown-field 6:unknown-field 7:unknown-field"})
}

func TestFailure_V20_TwoFiles(t *testing.T) {
	r := New(accounts()).Load(snapshot(t, "testdata/problems/duplicate-identity.txtar"))
	if r.Errors != 3 || r.Set.Len() != 3 || r.Problems[1].File != "sub/b.yaml" ||
		!strings.Contains(r.Problems[1].Message, "a.yaml:1") {
		t.Errorf("got %v", r.Problems)
	}
}

func TestFailure_V24_Regions(t *testing.T) {
	expect(t, map[string]string{"unknown-region.yaml": "7:unknown-region 7:unknown-region 7:unknown-region 7:unknown-region"})
}

func TestFailure_V25_KeptForever(t *testing.T) {
	expect(t, map[string]string{"kept-forever.yaml": "3:kept-forever"})
	for _, timeout := range []string{"0s", "1h", "1500ms"} {
		if r := load(t, "a.yaml", strings.Replace(prefetchText, "1h", timeout, 1)); len(r.Problems) != 0 {
			t.Errorf("%s: %v", timeout, r.Problems)
		}
	}
}

func TestFailure_C3_RecursionInTheLibrary(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("{a: ", 5_000), strings.Repeat("[{a: ", 20_000),
		strings.Repeat("? ", 20_000), strings.Repeat("- ", 20_000),
	} {
		if r := load(t, "a.yaml", text); r.Errors != 1 || r.Panics != 0 {
			t.Errorf("%.10s: %v", text, r.Problems)
		}
	}
}
