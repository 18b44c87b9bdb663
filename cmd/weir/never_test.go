package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// neverTitle is the heading of the README's page of promises.
const neverTitle = "## What weir will never do"

// promise is a line of a list, with the tests it names.
type promise struct {
	text  string
	tests []string
}

// promises returns the list below neverTitle.
func promises(readme string) []promise {
	_, page, _ := strings.Cut(readme, neverTitle+"\n")
	page, _, _ = strings.Cut(page, "\n## ")
	named := regexp.MustCompile("`(Test[A-Za-z0-9_]+|[a-z_]+\\.txtar)`")
	var out []promise
	for line := range strings.Lines(page) {
		text, ok := strings.CutPrefix(line, "- ")
		if !ok {
			continue
		}
		p := promise{text: strings.TrimSpace(text)}
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			p.tests = append(p.tests, m[1])
		}
		out = append(out, p)
	}
	return out
}

// TestEveryPromiseHasItsTest holds that each sentence of the page names tests,
// and that there are such tests.
func TestEveryPromiseHasItsTest(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsBelow(t, "../..")
	list := promises(string(readme))
	if len(list) < 15 {
		t.Errorf("%d promises; the page is gone or cannot be read", len(list))
	}
	for _, p := range list {
		if len(p.tests) == 0 {
			t.Errorf("no test is named for: %s", p.text)
		}
		for _, name := range p.tests {
			if !tests[name] {
				t.Errorf("there is no %s, which is named for: %s", name, p.text)
			}
		}
	}
}

// testsBelow returns the names of all tests and scripts below root.
func testsBelow(t *testing.T, root string) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]+)\(t \*testing\.T\)`)
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if strings.HasSuffix(path, ".txtar") {
			found[d.Name()] = true
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			found[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestPromisesAreRead holds that the page's reader sees what is missing.
func TestPromisesAreRead(t *testing.T) {
	page := "## A\n- no (`TestX`)\n\n" + neverTitle + "\n\nText.\n\n- One: `TestA`, `b_c.txtar`.\n- Two.\n\n## B\n- no\n"
	list := promises(page)
	if len(list) != 2 || strings.Join(list[0].tests, " ") != "TestA b_c.txtar" || len(list[1].tests) != 0 {
		t.Errorf("read %+v", list)
	}
}
