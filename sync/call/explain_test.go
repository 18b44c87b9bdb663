package call_test

import (
	"strings"
	"testing"

	"weir/sync/call"
)

func TestExplain_EveryCode(t *testing.T) {
	seen := map[string]call.Code{}
	for _, code := range call.Codes() {
		text, ok := call.Explain(code)
		if !ok || len(strings.Split(text, "\n")) < 2 || !strings.HasSuffix(text, ".") {
			t.Errorf("%s is explained as %q", code, text)
		}
		if other, ok := seen[text]; ok {
			t.Errorf("%s and %s have one explanation", code, other)
		}
		seen[text] = code
		for line := range strings.Lines(text) {
			if len(line) > 121 || strings.TrimSpace(line) != strings.TrimSuffix(line, "\n") {
				t.Errorf("%s: line %q is too long or indented", code, line)
			}
		}
	}
	if text, ok := call.Explain("nonsense"); ok || text != "" {
		t.Errorf("an unknown code is explained as %q", text)
	}
}

func TestError_Words(t *testing.T) {
	tests := []struct {
		name string
		err  call.Error
		want string
	}{
		{"cloud code", call.Error{
			Code: call.Invalid, Operation: "Op", CloudCode: "InvalidApp", Message: "no app",
			RequestID: "R1",
		}, "Op: InvalidApp: no app (request R1)"},
		{"own code", call.Error{Code: call.Unknown, Operation: "Op"}, "Op: unknown"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
