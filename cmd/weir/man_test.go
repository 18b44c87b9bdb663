package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// manual writes all pages and returns them by their names.
func manual(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	if err := writeManual((&app{}).root(), dir, "2026-03-01"); err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		pages[f.Name()] = string(b)
	}
	return pages
}

func TestManual(t *testing.T) {
	pages := manual(t)
	root := (&app{}).root()
	for _, cmd := range root.Commands() {
		_, written := pages["weir-"+cmd.Name()+".1"]
		if written == cmd.Hidden {
			t.Errorf("%s: page %v, hidden %v", cmd.Name(), written, cmd.Hidden)
		}
		if listed := strings.Contains(pages["weir.1"], `\fBweir\-`+roff(cmd.Name())+`\fR(1)`); listed == cmd.Hidden {
			t.Errorf("%s: listed %v, hidden %v", cmd.Name(), listed, cmd.Hidden)
		}
	}
	for name, want := range map[string][]string{
		"weir-diff.1": {`\fB\-\-exit\-code\fR`, "there are changes", `\fB\-\-selector\fR=\fIk=v\fR`, ".BR weir (1)"},
		"weir-run.1":  {`\fB\-\-dry\-run\fR`, "SIGHUP"},
		"weir.1":      {`.TH "WEIR" 1 2026-03-01`, `\fB\-\-config\fR=\fIfile\fR`},
		"weir.yaml.5": {`\fBsources[].git.url\fR`, `\fBpolicy.mode\fR (text, required)`, "One of observe"},
	} {
		for _, text := range want {
			if !strings.Contains(pages[name], text) {
				t.Errorf("%s does not say %s:\n%s", name, text, pages[name])
			}
		}
	}
	if strings.Contains(pages["weir-run.1"], "there are changes") {
		t.Error("weir run has an exit status 2")
	}
	if !maps.Equal(pages, manual(t)) {
		t.Error("two manuals of one day differ")
	}
}

func TestManDate(t *testing.T) {
	now := time.Date(2026, 3, 1, 23, 0, 0, 0, time.FixedZone("west", -3600*4))
	for epoch, want := range map[string]string{"": "2026-03-02", "86400": "1970-01-02", "yesterday": ""} {
		got, err := manDate(epoch, now)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", epoch, got, err, want)
		}
	}
}

func TestRoff(t *testing.T) {
	for in, want := range map[string]string{
		"--a\n.b":  "\\-\\-a\n\\&.b",
		`\ 'x' ~^`: `\e \(aqx\(aq \(ti\(ha`,
	} {
		if got := roff(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := roffQuoted(`a "b"`); got != `"a \(dqb\(dq"` {
		t.Error(got)
	}
}
