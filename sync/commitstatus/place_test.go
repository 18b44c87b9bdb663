package commitstatus

import (
	"strings"
	"testing"
)

func TestPlace(t *testing.T) {
	for name, c := range map[string]struct {
		opt       Options
		api, repo string
	}{
		"github https":      {Options{Kind: "github", URL: "https://github.com/acme/live.git"}, "https://api.github.com", "acme/live"},
		"github scp":        {Options{Kind: "github", URL: "git@github.com:acme/live.git"}, "https://api.github.com", "acme/live"},
		"github ssh":        {Options{Kind: "github", URL: "ssh://git@ssh.github.com:443/acme/live"}, "https://api.github.com", "acme/live"},
		"github enterprise": {Options{Kind: "github", URL: "https://ghe.example.com/acme/live/"}, "https://ghe.example.com/api/v3", "acme/live"},
		"github port":       {Options{Kind: "github", URL: "https://ghe.example.com:8443/acme/live"}, "https://ghe.example.com:8443/api/v3", "acme/live"},
		"github residency":  {Options{Kind: "github", URL: "https://acme.ghe.com/acme/live"}, "https://api.acme.ghe.com", "acme/live"},
		"github given":      {Options{Kind: "github", URL: "/srv/git/live", API: "http://localhost:3000/", Repository: "a/.github"}, "http://localhost:3000", "a/.github"},
		"gitlab subgroup":   {Options{Kind: "gitlab", URL: "git@gitlab.example.com:a/b/c.git"}, "https://gitlab.example.com", "a/b/c"},
		"gitlab ssh port":   {Options{Kind: "gitlab", URL: "ssh://git@gitlab.example.com:2222/a/b.git"}, "https://gitlab.example.com", "a/b"},
		"gitlab altssh":     {Options{Kind: "gitlab", URL: "ssh://git@altssh.gitlab.com:443/a/b.git"}, "https://gitlab.com", "a/b"},
		"gitlab below a path": {
			Options{Kind: "gitlab", URL: "https://example.com/git/a/b", API: "https://example.com/git/api/v4", Repository: "a/b"},
			"https://example.com/git", "a/b",
		},
		"gitea":         {Options{Kind: "gitea", URL: "http://gitea.local:3000/acme/live.git"}, "http://gitea.local:3000", "acme/live"},
		"gitea given":   {Options{Kind: "gitea", URL: "git@gitea.local:acme/live", API: "https://gitea.local/api/v1"}, "https://gitea.local", "acme/live"},
		"gitea git":     {Options{Kind: "gitea", URL: "git://[::1]:9418/acme/live"}, "https://[::1]", "acme/live"},
		"gitee":         {Options{Kind: "gitee", URL: "https://gitee.com/acme/live.git"}, "https://gitee.com/api/v5", "acme/live"},
		"gitee private": {Options{Kind: "gitee", URL: "git@gitee.example.com:acme/live.git"}, "https://gitee.example.com/api/v5", "acme/live"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newPlace(c.opt)
			if err != nil {
				t.Fatal(err)
			}
			if got.api.String() != c.api || got.repo != c.repo {
				t.Errorf("%s %s, want %s %s", got.api, got.repo, c.api, c.repo)
			}
		})
	}
}

func TestPlace_Wrong(t *testing.T) {
	const secretURL = "https://user:c4n4ry@github.com/"
	for name, c := range map[string]struct {
		opt  Options
		want string
	}{
		"no url":           {Options{Kind: "github"}, "names no host"},
		"local":            {Options{Kind: "github", URL: "/srv/git/live.git"}, "names no host"},
		"file":             {Options{Kind: "github", URL: "file:///srv/git/live.git"}, "cannot be read"},
		"unreadable":       {Options{Kind: "github", URL: "https://c4n4ry:%zz@github.com/a/b"}, "cannot be read"},
		"no owner":         {Options{Kind: "github", URL: "https://github.com/live"}, "owner/name"},
		"too deep":         {Options{Kind: "gitea", URL: "https://gitea.local/a/b/c"}, "owner/name"},
		"no group":         {Options{Kind: "gitlab", URL: "https://gitlab.com/live"}, "group"},
		"no path":          {Options{Kind: "github", URL: secretURL}, "owner/name"},
		"up":               {Options{Kind: "gitlab", URL: "https://gitlab.com/a/../b"}, "letters"},
		"query":            {Options{Kind: "github", URL: "https://github.com/a/b", Repository: "a/b?x=c4n4ry"}, "letters"},
		"api without host": {Options{Kind: "github", URL: "https://github.com/a/b", API: "api.github.com"}, "must begin"},
		"api with user":    {Options{Kind: "github", URL: "https://github.com/a/b", API: "https://u:c4n4ry@x"}, "user"},
		"api unreadable":   {Options{Kind: "github", URL: "https://github.com/a/b", API: "https://c4n4ry\x7f"}, "api"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newPlace(c.opt)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "c4n4ry") {
				t.Errorf("%v, want %q and no password", err, c.want)
			}
		})
	}
}

// FuzzPlace holds that no address makes a path that leaves the repository's.
func FuzzPlace(f *testing.F) {
	for _, url := range []string{"https://github.com/a/b.git", "git@host:a/b", "ssh://h:22/a/b", "https://u:p@h/..%2f/b", "a:b/c", "://"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		for _, kind := range []string{"github", "gitlab", "gitea", "gitee"} {
			at, err := newPlace(Options{Kind: kind, URL: url})
			if err != nil {
				continue
			}
			if at.api.User != nil || at.api.Host == "" || strings.ContainsAny(at.repo, "?#%\\ \n") {
				t.Errorf("%q: %v %q", url, at.api, at.repo)
			}
			for part := range strings.SplitSeq(at.repo, "/") {
				if part == "" || part == "." || part == ".." {
					t.Errorf("%q: %q", url, at.repo)
				}
			}
		}
	})
}
