package source

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
)

func TestExplanations(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range Explanations() {
		if seen[e.Code] {
			t.Errorf("%s is explained twice", e.Code)
		}
		seen[e.Code] = true
		for _, text := range []string{e.Means, e.Remedy} {
			if !strings.HasSuffix(text, ".") || len(text) < 16 {
				t.Errorf("%s: %q is not a sentence", e.Code, text)
			}
		}
		if got, ok := Explain(e.Code); !ok || got != e {
			t.Errorf("Explain(%q) = %v, %t", e.Code, got, ok)
		}
	}
	for _, code := range []string{
		CodeMissing, CodeUnreadable, CodeUnstable, CodeEmptied, CodeNotRegular, CodeFileSize, CodeTotalSize,
		CodeFiles, CodeDepth, CodeOutside, CodeLoop, CodeDangling, CodeName, CodeNameClash,
		CodeRemote, CodeTimeout, CodeAuth, CodeRedirect, CodeProtocol, CodeFetchSize, CodeMirror, CodeBranch,
		CodeRewritten, CodeAccepted, CodeSymlink, CodeSubmodule, CodeLFS,
		CodeUnsigned, CodeHostKey, CodeSlow, CodeNoVersion,
	} {
		if !seen[code] {
			t.Errorf("%s is not explained", code)
		}
	}
	if _, ok := Explain("no-such-code"); ok {
		t.Error("an unknown code is explained")
	}
}

func TestError(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  *Error
		want string
	}{
		{"with a path", &Error{Code: CodeUnreadable, Path: "a.yaml", Err: fs.ErrPermission}, "a.yaml: permission denied [source-unreadable]"},
		{"of the root", &Error{Code: CodeMissing, Err: fs.ErrNotExist}, "file does not exist [source-missing]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if !errors.Is(tt.err, tt.err.Err) {
				t.Error("the cause is lost")
			}
		})
	}
}
