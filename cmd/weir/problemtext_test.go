package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/sync/manifest"
)

// TestProblemOnATerminal: the line of the file stands below, with a mark at the
// place, whatever is before it; a secret is not shown.
func TestProblemOnATerminal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(file, []byte("a: 1\n直播: \tx\u202e\nkey: LTAI\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	problems := []manifest.Problem{
		{File: file, Line: 2, Column: 6, Message: "wrong", Code: "bad-text", Severity: manifest.Error},
		{File: file, Line: 3, Column: 6, Message: "a secret", Code: manifest.CodeSecretInText, Severity: manifest.Warning},
		{File: file, Line: 9, Column: 1, Message: "not there", Code: "bad-text", Severity: manifest.Error},
	}
	var b bytes.Buffer
	text := &problemText{style: style{width: 200}, w: &b, files: true}
	for _, p := range problems {
		text.write(p)
	}
	want := "FILE:2:6: error: wrong [bad-text]\n" +
		"  2 | 直播: \\tx\\u202e\n" +
		"              ^\n" + // 2 characters, a colon, a space and what stands for the tab: 8 columns
		"FILE:3:6: warning: a secret [secret-in-text]\n" +
		"FILE:9:1: error: not there [bad-text]\n"
	if got := strings.ReplaceAll(b.String(), file, "FILE"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	b.Reset()
	(&problemText{w: &b, files: true}).write(problems[0])
	if got, want := b.String(), problems[0].String()+"\n"; got != want {
		t.Errorf("into a pipe %q, want %q", got, want)
	}
}
