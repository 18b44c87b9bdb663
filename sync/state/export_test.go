package state

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// exportedLines is the file of a few entries, and its heads.
func exportedLines(t testing.TB) (string, Heads) {
	t.Helper()
	var b bytes.Buffer
	tips := map[Chain]Tip{}
	for n := int64(1); n <= 6; n++ {
		e := chainEntry()
		e.Number, e.Write = n, n%3 != 0
		if n == 5 {
			e.Outcome = Outcome{}
		}
		chain := ChainOf(e.Write)
		link := func(part Part, digest Hash) {
			l := tips[chain].Next(chain, n, part, digest)
			tips[chain] = Tip{Seq: l.Seq, Hash: l.Hash}
			e.Links = append(e.Links, l)
		}
		link(Intent, IntentDigest(e, chainParams))
		if n != 5 {
			link(Ending, OutcomeDigest(e.Outcome))
		}
		if err := WriteLine(&b, e); err != nil {
			t.Fatal(err)
		}
	}
	return b.String(), Heads{Writes: tips[Writes], Reads: tips[Reads]}
}

func verifyText(t *testing.T, text string, noted ...Hash) Proof {
	t.Helper()
	p, err := VerifyLines(strings.NewReader(text), noted...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestVerifyLines(t *testing.T) {
	text, heads := exportedLines(t)
	p := verifyText(t, text, heads.Writes.Hash, heads.Reads.Hash)
	if !p.Sound() || p.Entries != 6 || p.First != 1 || p.Last != 6 || p.Gaps != 0 || p.Heads != heads {
		t.Errorf("proof %+v", p)
	}
	lines := strings.SplitAfter(text, "\n")
	filtered := lines[0] + lines[3] + lines[5] // as a filter leaves them
	if p := verifyText(t, filtered, heads.Writes.Hash); p.Entries != 3 || p.Gaps == 0 || len(p.Flaws) != 0 {
		t.Errorf("filtered: %+v", p)
	}
	old := strings.Replace(lines[0], lines[0][strings.Index(lines[0], `,"links"`):strings.Index(lines[0], `,"fields"`)], "", 1)
	if p := verifyText(t, old+lines[1]); !p.Sound() || p.Unchained != 1 || p.Entries != 1 {
		t.Errorf("from before the chain: %+v", p)
	}
}

// TestVerifyLines_Forged changes an exported file in every way one would.
func TestVerifyLines_Forged(t *testing.T) {
	text, heads := exportedLines(t)
	lines := strings.SplitAfter(text, "\n")
	edit := func(old, with string) string { return lines[0] + strings.Replace(lines[1], old, with, 1) + lines[2] }
	links := lines[1][strings.Index(lines[1], `,"links"`):strings.Index(lines[1], `,"fields"`)]
	cases := map[string]struct{ text, want string }{
		"author":        {edit(`"Ann"`, `"Bob"`), "entry 2: it is not as link 3 (intent) was written"},
		"params":        {edit(`993`, `992`), "entry 2: it is not as link 3 (intent) was written"},
		"outcome":       {edit(`"code":"ok"`, `"code":"denied"`), "entry 2: it is not as link 4 (outcome) was written"},
		"number":        {edit(`"number":2`, `"number":4`), "entry 4: it is not as link 3"},
		"fields":        {edit(`"after":2}]`, `"after":3}]`), "entry 2: its fields are not those of its change"},
		"another field": {edit(`"number":2`, `"number":2,"note":"x"`), "line 2: it is no entry of a journal"},
		"hash":          {edit(heads.Reads.Hash.String(), ""), ""},
		"links dropped": {edit(links, ""), "entry 2: it has no link, but entries before it have"},
		"outcome's link": {
			edit(links[strings.LastIndex(links, `,{"chain"`):len(links)-1], ""), "entry 2: its outcome has no link",
		},
		"other chain":  {edit(`"chain":"writes"`, `"chain":"reads"`), `entry 2: it has no link of the reads`},
		"order":        {lines[1] + lines[0], "entry 1: it stands behind entry 2"},
		"twice":        {lines[0] + lines[0], "entry 1: it stands behind entry 1"},
		"cut":          {text[:len(text)-20], "line 6: it is no entry of a journal"},
		"two on one":   {strings.Replace(text, "}\n{", "}{", 1), "line 1: something follows"},
		"no number":    {"{}\n", "line 1: it is no entry of a journal: it has no number"},
		"another text": {"kind: RelaySource\n", "line 1: it is no entry of a journal"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := verifyText(t, c.text)
			if c.want == "" && p.Sound() {
				return
			}
			if len(p.Flaws) == 0 || !strings.HasPrefix(p.Flaws[0].String(), c.want) {
				t.Errorf("flaws %v, want %q", p.Flaws, c.want)
			}
		})
	}
	// A line written anew with links that hold by themselves does not fit.
	forged := chainEntry()
	forged.Number, forged.Origin.Author = 2, "Bob"
	tip := Tip{Seq: 2, Hash: Hash{1}}
	first := tip.Next(Writes, 2, Intent, IntentDigest(forged, chainParams))
	forged.Links = []Link{first, Tip{Seq: 3, Hash: first.Hash}.Next(Writes, 2, Ending, OutcomeDigest(forged.Outcome))}
	var b bytes.Buffer
	if err := WriteLine(&b, forged); err != nil {
		t.Fatal(err)
	}
	p := verifyText(t, lines[0]+b.String()+lines[2]+lines[3])
	if len(p.Flaws) != 2 || !strings.Contains(p.Flaws[0].String(), "entry 2: link 3 (intent) does not fit those beside it") {
		t.Errorf("flaws %v", p.Flaws)
	}
}

// TestWriteLine_NoParams: no parameters and empty ones stay apart, as in a store.
func TestWriteLine_NoParams(t *testing.T) {
	for _, params := range []map[string]any{nil, {}} {
		var b bytes.Buffer
		if err := WriteLine(&b, Entry{Number: 1, Params: params}); err != nil {
			t.Fatal(err)
		}
		if back, err := ReadLine(b.Bytes()); err != nil || (back.Params == nil) != (params == nil) {
			t.Errorf("%#v comes back as %#v, %v", params, back.Params, err)
		}
	}
}

// TestWriteLine_OddSpec: what is no JSON does not stop an export, and does not
// pass for what was written.
func TestWriteLine_OddSpec(t *testing.T) {
	e := chainEntry()
	e.Change.After = "{"
	l := Tip{}.Next(Writes, e.Number, Intent, IntentDigest(e, chainParams))
	e.Links = []Link{l, Tip{Seq: 1, Hash: l.Hash}.Next(Writes, e.Number, Ending, OutcomeDigest(e.Outcome))}
	var b bytes.Buffer
	if err := WriteLine(&b, e); err != nil {
		t.Fatal(err)
	}
	if p := verifyText(t, b.String()); p.Sound() {
		t.Errorf("proof %+v of %s", p, b.String())
	}
}

// FuzzReadLine: what is read as an entry can be written and read again as the
// same, and holding it against itself never ends badly.
func FuzzReadLine(f *testing.F) {
	text, _ := exportedLines(f)
	for line := range strings.SplitSeq(text, "\n") {
		f.Add(line)
	}
	f.Add(`{"number":1,"params":{"a":1e999},"links":[{"chain":"writes","seq":-1,"part":"intent","prev":"","hash":""}]}`)
	f.Add(`{"number":1,"change":{"action":"x","before":"","after":[1]},"fields":null}`)
	f.Fuzz(func(t *testing.T, line string) {
		if _, err := VerifyLines(strings.NewReader(line + "\n" + line)); err != nil {
			t.Errorf("verify: %v", err)
		}
		e, err := ReadLine([]byte(line))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := WriteLine(&b, e); err != nil {
			t.Fatalf("write %+v: %v", e, err)
		}
		back, err := ReadLine(b.Bytes())
		if err != nil || !reflect.DeepEqual(back, e) {
			t.Errorf("%q\nis read as %+v\nthen as   %+v, %v", line, e, back, err)
		}
	})
}
