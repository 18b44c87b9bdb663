package gitsource

import (
	"strings"
	"testing"
	"time"
)

// TestCommitTellsWhoAndWhy: of a revision that was delivered; its subject is fit for
// a line of a log, whatever somebody has written there.
func TestCommitTellsWhoAndWhy(t *testing.T) {
	for name, tc := range map[string]struct{ message, want string }{
		"a line":         {"Two encoders", "Two encoders"},
		"a body":         {"Two encoders\n\nAs the first one broke.", "Two encoders"},
		"control":        {"Two\x1b[31m encoders\u202e", "Two [31m encoders"},
		"none":           {"", ""},
		"long":           {strings.Repeat("é", 300), strings.Repeat("é", longestSubject/2)},
		"no second line": {"Zwölf Kanäle", "Zwölf Kanäle"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.write("a.yaml", "x: 1\n")
			r.git("add", "-A")
			r.git("commit", "-q", "--allow-empty-message", "-m", tc.message)
			s := open(t, r.options())
			if _, err := s.next(); err != nil {
				t.Fatal(err)
			}
			c, err := s.src.Commit(t.Context(), r.head())
			if err != nil || c.Hash != r.head() || c.Author != "a <a@example.com>" || c.Subject != tc.want {
				t.Errorf("commit %+v, %v", c, err)
			}
			if age := time.Since(c.When); age < 0 || age > time.Minute || c.When.Location() != time.UTC {
				t.Errorf("committed at %v", c.When)
			}
			if _, err := s.src.Commit(t.Context(), strings.Repeat("1", 40)); err == nil {
				t.Error("a commit that there is not")
			}
		})
	}
}
