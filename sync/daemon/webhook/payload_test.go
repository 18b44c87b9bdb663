package webhook

import (
	"strings"
	"testing"
)

func TestAddress(t *testing.T) {
	for url, want := range map[string]string{
		"https://git.example.com/team/live.git":        "git.example.com/team/live",
		"https://me:pw@git.example.com:8443/team/live": "git.example.com/team/live",
		"http://git.example.com/team/live/":            "git.example.com/team/live",
		"ssh://git@git.example.com:2222/team/live.git": "git.example.com/team/live",
		"git://git.example.com/team/live.git":          "git.example.com/team/live",
		"git@git.example.com:team/live.git":            "git.example.com/team/live",
		"git.example.com:/team/live":                   "git.example.com/team/live",
		"ssh://git@[::1]:22/live":                      "::1/live",
		"https://git.example.com/":                     "",
		"https://":                                     "",
		"http://%zz/x":                                 "",
		"/srv/git/live.git":                            "",
		"./a:b":                                        "",
		"live":                                         "",
		"":                                             "",
	} {
		got, ok := Address(url)
		if got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", url, got, ok)
		}
	}
}

func TestRef(t *testing.T) {
	for _, tc := range []struct {
		followed, sent string
		want           bool
	}{
		{"", "refs/heads/main", true},
		{"main", "refs/heads/main", true},
		{"main", "main", true},
		{"refs/heads/main", "main", true},
		{"refs/heads/v1", "refs/tags/v1", false},
		{"v1", "refs/tags/v1", true},
		{"main", "refs/heads/other/main", false},
		{"main", "refs/heads/Main", false},
		{"main", "", true},
	} {
		if got := (payload{Ref: tc.sent}).isRef(tc.followed); got != tc.want {
			t.Errorf("%q for %q: %v", tc.sent, tc.followed, got)
		}
	}
}

func TestClean(t *testing.T) {
	if got := clean("a\n\x1b[31mé\x00" + strings.Repeat("b", 500)); !strings.HasPrefix(got, "a??[31m??b") || len(got) > maxLogged {
		t.Errorf("%q", got)
	}
}
