package web

import "testing"

func TestGitHosts(t *testing.T) {
	const hash = "9d2e1f0c6b2a9e41d2f0a1b2c3d4e5f60718293a"
	for remote, want := range map[string][2]string{
		"https://github.com/ops/live.git":            {"https://github.com/ops/live/commit/" + hash, "https://github.com/ops/live/blob/" + hash + "/live/a%20b.yaml#L7"},
		"https://github.com/ops/live":                {"https://github.com/ops/live/commit/" + hash, "https://github.com/ops/live/blob/" + hash + "/live/a%20b.yaml#L7"},
		"https://gitlab.com/group/sub/live.git":      {"https://gitlab.com/group/sub/live/-/commit/" + hash, "https://gitlab.com/group/sub/live/-/blob/" + hash + "/live/a%20b.yaml#L7"},
		"https://gitlab.example.com:8443/g/live.git": {"https://gitlab.example.com:8443/g/live/-/commit/" + hash, "https://gitlab.example.com:8443/g/live/-/blob/" + hash + "/live/a%20b.yaml#L7"},
		"https://gitea.example.com/ops/live.git":     {"https://gitea.example.com/ops/live/commit/" + hash, "https://gitea.example.com/ops/live/src/commit/" + hash + "/live/a%20b.yaml#L7"},
		"https://codeberg.org/ops/live":              {"https://codeberg.org/ops/live/commit/" + hash, "https://codeberg.org/ops/live/src/commit/" + hash + "/live/a%20b.yaml#L7"},
		"https://gitee.com/ops/live.git":             {"https://gitee.com/ops/live/commit/" + hash, "https://gitee.com/ops/live/blob/" + hash + "/live/a%20b.yaml#L7"},
		"git@github.com:ops/live.git":                {"https://github.com/ops/live/commit/" + hash, "https://github.com/ops/live/blob/" + hash + "/live/a%20b.yaml#L7"},
		"ssh://git@gitee.com/ops/live.git":           {"https://gitee.com/ops/live/commit/" + hash, "https://gitee.com/ops/live/blob/" + hash + "/live/a%20b.yaml#L7"},
		"https://user:pw@github.com/ops/live.git":    {"https://github.com/ops/live/commit/" + hash, "https://github.com/ops/live/blob/" + hash + "/live/a%20b.yaml#L7"},
		"https://github.com/../ops/live.git":         {"https://github.com/ops/live/commit/" + hash, "https://github.com/ops/live/blob/" + hash + "/live/a%20b.yaml#L7"},
		// Nobody knows what serves pages there.
		"https://git.example.com/ops/live.git":  {},
		"http://github.com/ops/live.git":        {},
		"git@git.example.com:ops/live.git":      {},
		"ssh://git@gitlab.example.com/ops/live": {},
		"git://github.com/ops/live.git":         {},
		"https://github.com/live.git":           {},
		"javascript:alert(1)":                   {},
		"/srv/live.git":                         {},
		"":                                      {},
	} {
		repo, known := hosted(remote)
		if known != (want[0] != "") || repo.commit(hash) != want[0] || repo.file(hash, "live/", "a b.yaml", 7) != want[1] {
			t.Errorf("%s: %v, %s, %s", remote, known, repo.commit(hash), repo.file(hash, "live/", "a b.yaml", 7))
		}
	}
	repo, _ := hosted("https://github.com/ops/live")
	for _, no := range []string{"", "short", "main", "sha256:9d2e1f0c", `9d2e1f0"><script>`} {
		if repo.commit(no) != "" || repo.file(no, "", "a.yaml", 1) != "" {
			t.Errorf("%q is no commit", no)
		}
	}
	if got := repo.file(hash, "live", "../../../etc/passwd#x?y", 0); got != "https://github.com/ops/live/blob/"+hash+"/etc/passwd%23x%3Fy" {
		t.Errorf("a path that leads out: %s", got)
	}
}
