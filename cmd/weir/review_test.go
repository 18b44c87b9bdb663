package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"weir/sync/call"
	"weir/sync/config"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
)

var update = flag.Bool("update", false, "write the golden files anew")

// evil is what somebody who may name things would name them.
const evil = "`|x|</code></details>\n## @everyone <img src=x onerror=alert(1)> ::error::x %0A \u202egnp\u200b\x1b[31m\r&lt; ![a](http://e.example)"

func repository(o resource.Origin) string {
	if o.File == "" {
		return ""
	}
	return "live/" + o.File
}

// wide is a plan with everything in it; text is in every place that comes from
// outside.
func wide(text string) review {
	origin := resource.Origin{
		Source: "live", File: "a" + text + ".yaml", Line: 4,
		Commit: "3f2a91c0d4e5f60718293a4b5c6d7e8f90123456", Author: "Jane" + text + " Doe <jane@example.com>",
	}
	id := "volc/RelaySource/push.example.com/live" + text
	return review{
		place:    repository,
		origins:  map[string]resource.Origin{"ali/MultiStream/b": origin},
		against:  "origin/main" + text,
		problems: []manifest.Problem{{File: "live/x" + text, Line: 2, Column: 3, Path: "spec" + text, Code: "kept-for-ever", Message: "odd" + text, Severity: manifest.Warning}},
		doc: reconcile.PlanDocument{
			Revision: "5d1c" + text, Hash: "6bc7e4b757459b29336e337eaf1f8787",
			Held:       []plan.Hold{{Guard: "removals", Message: "too many" + text}},
			Unreadable: []reconcile.Unread{{ID: "ali/MultiStream/b", Why: "InvalidAccessKeyId" + text}},
			Summary:    plan.Summary{Create: 1, Update: 1, Delete: 1, Unknown: 1, Waiting: 1},
			Cost:       call.NewBill(0.1, call.Price{Account: "volc", Operation: "UpdateRelaySourceV3", Count: 2, Writes: 2, PerSecond: 9}),
			Changes: []reconcile.ChangeDocument{
				{ID: id + "1", Action: plan.Create, Reason: plan.New, State: plan.Pending, Origin: origin, Fields: []resource.Field{
					{Path: "groups[0].name" + text, After: "main" + text},
					{Path: "groups[0].servers[0].params.token", After: "canary-7f3a"},
				}},
				{ID: id + "2", Action: plan.Update, Reason: plan.Drifted, State: plan.Differs, Origin: origin, Note: "seen" + text, Fields: []resource.Field{
					{Path: "enabled", Before: true, After: text},
					{Path: "servers", Before: []any{"a" + text}},
				}},
				{ID: id + "3", Action: plan.Delete, Reason: plan.Removed, State: plan.Pending},
				{ID: id + "4", Action: plan.Create, Reason: plan.New, State: plan.Waiting, Origin: origin, Note: "not on air"},
				{ID: id + "5", Action: plan.Update, Reason: plan.Drifted, State: plan.Differs, Origin: origin, Withheld: "drift is reported only"},
				{ID: id + "6", Action: plan.None, State: plan.InSync, Origin: origin},
			},
		},
	}
}

func many(n int) review {
	r := wide("")
	for i := range n {
		c := r.doc.Changes[i%2]
		c.ID = fmt.Sprintf("volc/RelaySource/push%05d.example.com/live", i)
		r.doc.Changes = append(r.doc.Changes, c)
	}
	return r
}

func reviews() map[string]review {
	failed := wide(evil)
	failed.failed = errors.New("the source has problems" + evil)
	none := review{place: repository, doc: reconcile.PlanDocument{Hash: "6bc7", Revision: "5d1c", Summary: plan.Summary{Unchanged: 6}}}
	return map[string]review{"wide": wide(""), "evil": wide(evil), "failed": failed, "none": none}
}

func TestReviewGolden(t *testing.T) {
	for name, r := range reviews() {
		var annotations strings.Builder
		r.printGithub(&annotations)
		golden(t, name+".md", markdown(r))
		golden(t, name+".txt", annotations.String())
	}
}

// TestReviewOfARollback: the command that an annotation gives is the one that lets
// the plan through.
func TestReviewOfARollback(t *testing.T) {
	r := wide("")
	r.doc.Revision = reconcile.RollbackOf + "0123456789abcdef"
	var annotations strings.Builder
	r.printGithub(&annotations)
	if want := "to let it through: weir rollback 0123456789ab --consent " + r.doc.Hash; !strings.Contains(annotations.String(), want) {
		t.Errorf("no %q in\n%s", want, annotations.String())
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "review", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("%s: %v, or it is another (-update writes it):\n%s", path, err, got)
	}
}

// TestReviewHidesKeys holds that a comment tells no key, of which the accounts
// may hold some that the source does not.
func TestReviewHidesKeys(t *testing.T) {
	r := wide("")
	var annotations strings.Builder
	r.printGithub(&annotations)
	for name, text := range map[string]string{"markdown": markdown(r), "github": annotations.String()} {
		if strings.Contains(text, "canary") || !strings.Contains(text, "params.token: (not shown") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

// TestMarkdownIsBounded holds that a large plan is cut, and that it is said by
// how much.
func TestMarkdownIsBounded(t *testing.T) {
	left := regexp.MustCompile(`\*\*Left out\*\* because a comment has to be short: (\d+) rows of the table, the details of (\d+) changes`)
	for _, n := range []int{10, 100, 1_000, 20_000} {
		text := markdown(many(n))
		wellFormed(t, text)
		rows, details := strings.Count(text, "\n| **")+strings.Count(text, "\n| create (")+strings.Count(text, "\n| update (")+strings.Count(text, "\n| none"), strings.Count(text, "<details>")
		var cut [2]int
		if m := left.FindStringSubmatch(text); m != nil {
			fmt.Sscan(m[1]+" "+m[2], &cut[0], &cut[1])
		}
		if rows+cut[0] != n+6 || details+cut[1] != n+4 || (n > 1_000) != (cut[0] > 0) && n != 1_000 {
			t.Errorf("%d changes: %d rows, %d details, left out %v, %d bytes", n, rows, details, cut, len(text))
		}
	}
	r := wide("")
	r.failed, r.problems = errors.New("problems"), nil
	for i := range 5_000 {
		r.problems = append(r.problems, manifest.Problem{File: fmt.Sprintf("live/%d", i), Message: strings.Repeat(evil, 9), Severity: manifest.Error})
	}
	text := markdown(r)
	wellFormed(t, text)
	if !regexp.MustCompile(`\*\*Left out\*\* because a comment has to be short: \d+ problems\.`).MatchString(text) {
		t.Error("nothing is left out of 5,000 problems")
	}
}

var (
	codeSpan = regexp.MustCompile("`[^`]+`")
	tags     = regexp.MustCompile("^(<!-- weir-diff -->|<details>|</details>|<summary>(create|update|delete) <code>[^<>`&|]*</code></summary>)$")
	plain    = regexp.MustCompile(`^[A-Za-z0-9 #*>|:.,;_/()!\[\]-]*$`)
)

// wellFormed demands that text has the structure of a comment and no other,
// whatever names and values are in it.
func wellFormed(t *testing.T, text string) {
	t.Helper()
	if len(text) > commentBytes || !utf8.ValidString(text) || !strings.HasPrefix(text, marker+"\n") {
		t.Fatalf("%d bytes, begins %q", len(text), text[:min(len(text), 40)])
	}
	fence, open := false, 0
	for line := range strings.SplitSeq(text, "\n") {
		if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Fatalf("a character that is not printed: %q", line)
		}
		switch {
		case line == "```diff" && !fence, line == "```" && fence:
			fence = !fence
		case fence:
			inFence(t, line)
		case strings.HasPrefix(line, "<"):
			open += strings.Count(line, "<details>") - strings.Count(line, "</details>")
			if !tags.MatchString(line) || open < 0 || open > 1 {
				t.Fatalf("a tag that is not ours: %q", line)
			}
		default:
			inText(t, line)
		}
	}
	if fence || open != 0 {
		t.Fatalf("left open: fence %v, details %d", fence, open)
	}
}

func inFence(t *testing.T, line string) {
	t.Helper()
	if !regexp.MustCompile("^[-+ ] [^`<>]*$").MatchString(line) {
		t.Fatalf("in a block of code: %q", line)
	}
}

func inText(t *testing.T, line string) {
	t.Helper()
	if bars := strings.Count(line, "|"); bars != 0 && (bars != 6 || !strings.HasPrefix(line, "| ")) {
		t.Fatalf("%d bars: %q", bars, line)
	}
	for _, span := range codeSpan.FindAllString(line, -1) {
		if strings.ContainsAny(span, "|<>&") {
			t.Fatalf("in code: %q", line)
		}
	}
	if rest := codeSpan.ReplaceAllString(line, ""); !plain.MatchString(rest) {
		t.Fatalf("not ours, and no code: %q in %q", rest, line)
	}
}

// FuzzReview puts a text everywhere that texts from outside are shown.
func FuzzReview(f *testing.F) {
	for _, seed := range []string{"", evil, "|", "```", "</details>", "@all", "\\|", "\\`", "\u2028", "\xff", "` `", "a\nb", strings.Repeat("`<", 9_000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := wide(text)
		wellFormed(t, markdown(r))
		failed := r
		failed.failed = errors.New(text)
		wellFormed(t, markdown(failed))
		annotated(t, r)
		annotated(t, failed)
	})
}

var command = regexp.MustCompile(`^::(error|warning|notice) (file=[^,:\r\n]+,(line=\d+,)?(col=\d+,)?)?title=[^,:\r\n]*::[^\r\n]*$`)

// annotated demands that each line but the last is one command.
func annotated(t *testing.T, r review) {
	t.Helper()
	var b strings.Builder
	r.printGithub(&b)
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	for _, line := range lines[:len(lines)-1] {
		if !command.MatchString(line) {
			t.Fatalf("no command: %q", line)
		}
	}
	if len(lines) != len(r.annotations())+1 || !strings.HasPrefix(lines[len(lines)-1], "weir: ") {
		t.Fatalf("%d lines for %d annotations, last %q", len(lines), len(r.annotations()), lines[len(lines)-1])
	}
}

func TestOriginText(t *testing.T) {
	for want, o := range map[string]resource.Origin{
		"":                      {},
		"relay.yaml:4":          {File: "relay.yaml", Line: 4},
		"relay.yaml:4  3f2a91c": {File: "relay.yaml", Line: 4, Commit: "3f2a91c0d4", Author: "<jane@example.com>"},
		"relay.yaml:4  3f2a91c Jane Doe": {
			File: "relay.yaml", Line: 4, Commit: "3f2a91c0d4", Author: "Jane Doe <jane@example.com>",
		},
		"relay.yaml:4  3f Jane":             {File: "relay.yaml", Line: 4, Commit: "3f", Author: "Jane"},
		`relay.yaml:4  3f \u001b[2J\u202eJ`: {File: "relay.yaml", Line: 4, Commit: "3f", Author: "\x1b[2J\u202eJ <j@example.com>"},
		"relay.yaml:4  3f jane":             {File: "relay.yaml", Line: 4, Commit: "3f", Author: "jane@example.com <jane@example.com>"},
	} {
		if got := originText(o); got != want {
			t.Errorf("%+v: %q, want %q", o, got, want)
		}
	}
}

func TestPlaces(t *testing.T) {
	place := places(&config.Config{Sources: []config.Source{
		{Name: "a", Directory: "./conf/live"}, {Name: "b", Git: &config.Git{Path: "live/"}}, {Name: "c", Git: &config.Git{}},
	}})
	for want, o := range map[string]resource.Origin{
		"conf/live/x/y.yaml": {Source: "a", File: "x/y.yaml"},
		"live/y.yaml":        {Source: "b", File: "y.yaml"},
		"y.yaml":             {Source: "c", File: "y.yaml"},
		"":                   {Source: "a"},
	} {
		if got := place(o); got != want {
			t.Errorf("%+v: %q, want %q", o, got, want)
		}
	}
}
