package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"weir/sync/manifest"
	"weir/sync/secret"
)

const leastGit = `apiVersion: weir/v1
kind: Config
sources:
  - name: live
    git:
      url: https://git.example.com/live/config.git
accounts:
  - name: volc-main
    provider: volcengine
    credentials: {accessKeyIdEnv: AK, accessKeySecretFile: /run/secrets/sk}
policy: {mode: upsert}
`

const fullGit = `apiVersion: weir/v1
kind: Config
sources:
  - name: live
    git:
      url: http://127.0.0.1:3000/live/config.git
      branch: releases
      path: ./accounts//east/
      interval: 30s
      timeout: 5m
      onRewrite: follow
      limits: {fetchBytes: 1000, objectBytes: 20}
      auth:
        username: weir
        tokenFile: secrets/token
        bearer: true
        caFile: ca.pem
        certFile: /etc/ssl/weir.pem
        keyFile: weir.key
      verify: {keyringFile: keys.asc, allowedSignersFile: allowed}
      webhook: {kind: gitlab, secretEnv: HOOK}
      status: {kind: gitlab, url: https://git.example.com, repository: a/b, tokenFile: t, name: weir/east}
    owns: [volc-main/**]
  - name: other
    git:
      url: git@git.example.com:live/config.git
      semver: ~1.2
      auth: {sshKeyFile: id, sshPassphraseFile: words, knownHostsFile: hosts}
  - name: third
    git:
      url: https://git.example.com/live/config.git
      tag: v1
      auth: {username: weir, passwordEnv: PW}
      webhook: {kind: generic, secretFile: hook}
      status: {kind: github, tokenEnv: TOKEN}
  - name: fourth
    git: {url: "git://git.example.com/x", commit: 0123456789abcdef0123456789abcdef01234567}
accounts:
  - name: volc-main
    provider: volcengine
    credentials: {accessKeyIdEnv: AK, accessKeySecretFile: /run/secrets/sk}
policy: {mode: upsert}
`

func TestGitDefaults(t *testing.T) {
	cfg, problems := Parse("/etc/weir/weir.yaml", []byte(leastGit))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	want := []Source{{Name: "live", Git: &Git{
		URL: "https://git.example.com/live/config.git", Branch: "main", Interval: time.Minute, Timeout: time.Minute,
	}}}
	if !reflect.DeepEqual(cfg.Sources, want) {
		t.Errorf("got %+v", cfg.Sources[0].Git)
	}
}

func TestGitEverythingSet(t *testing.T) {
	cfg, problems := Parse("/etc/weir/weir.yaml", []byte(fullGit))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	const minute = time.Minute
	want := []Source{
		{Name: "live", Owns: []string{"volc-main/**"}, Git: &Git{
			URL: "http://127.0.0.1:3000/live/config.git", Branch: "releases", Path: "accounts/east",
			Interval: 30 * time.Second, Timeout: 5 * minute, FollowRewrites: true, Limits: GitLimits{1000, 20},
			Auth: GitAuth{
				User: "weir", Token: secret.Ref{File: "/etc/weir/secrets/token"}, Bearer: true,
				CAFile: "/etc/weir/ca.pem", CertFile: "/etc/ssl/weir.pem", KeyFile: "/etc/weir/weir.key",
			},
			Verify:  Verify{"/etc/weir/keys.asc", "/etc/weir/allowed"},
			Webhook: &Webhook{"gitlab", secret.Ref{Env: "HOOK"}},
			Status:  &Status{"gitlab", "https://git.example.com", "a/b", secret.Ref{File: "/etc/weir/t"}, "weir/east"},
		}},
		{Name: "other", Git: &Git{
			URL: "git@git.example.com:live/config.git", Semver: "~1.2", Interval: minute, Timeout: minute,
			Auth: GitAuth{
				SSHKeyFile: "/etc/weir/id", SSHPassphrase: secret.Ref{File: "/etc/weir/words"}, KnownHostsFile: "/etc/weir/hosts",
			},
		}},
		{Name: "third", Git: &Git{
			URL: "https://git.example.com/live/config.git", Tag: "v1", Interval: minute, Timeout: minute,
			Auth:    GitAuth{User: "weir", Password: secret.Ref{Env: "PW"}},
			Webhook: &Webhook{"generic", secret.Ref{File: "/etc/weir/hook"}},
			Status:  &Status{Kind: "github", Token: secret.Ref{Env: "TOKEN"}, Name: "weir"},
		}},
		{Name: "fourth", Git: &Git{
			URL: "git://git.example.com/x", Commit: "0123456789abcdef0123456789abcdef01234567",
			Interval: minute, Timeout: minute,
		}},
	}
	for i, s := range cfg.Sources {
		if !reflect.DeepEqual(s, want[i]) {
			t.Errorf("source %s: %+v\n%+v\nwant %+v", s.Name, s, s.Git, want[i].Git)
		}
	}
}

func TestGitProblemsHaveTheirPlace(t *testing.T) {
	const url = "url: https://git.example.com/live/config.git"
	tests := map[string]struct{ old, new, want string }{
		"token in the URL":    {"https://", "https://hunter2@", "weir.yaml:6:12: sources[0].git.url: must be"},
		"password in the URL": {"https://", "https://weir:hunter2@", "weir.yaml:6:12: sources[0].git.url: must be"},
		"password for ssh":    {url, "url: ssh://git:hunter2@git.example.com/x", "weir.yaml:6:"},
		"token as a query":    {"config.git", "config.git?private_token=hunter2", "weir.yaml:6:12: sources[0].git.url"},
		"no host":             {url, "url: https:///hunter2", "weir.yaml:6:12: sources[0].git.url"},
		"not even a URL":      {url, `url: "https://hunter2@[::1/%zz"`, "weir.yaml:6:12: sources[0].git.url"},
		"only a URL":          {"git:\n      url:", "git:", "weir.yaml:5:10: sources[0].git: must be a mapping"},
		"a URL as directory":  {"git:\n      " + url, "directory: https://hunter2@git.example.com/x", "weir.yaml:5:16: sources[0].directory: must be"},
		"a URL as source":     {"- name: live\n    git:\n      url:", "-", "weir.yaml:4:5: sources[0]: must be a mapping"},
		"a URL as sources":    {"sources:\n  - name: live\n    git:\n      url:", "sources:", "weir.yaml:3:10: sources: must be a list"},
		"a token as auth":     {url, url + "\n      auth: hunter2", "weir.yaml:7:13: sources[0].git.auth: must be"},
		"a token in auth":     {url, url + "\n      auth: {token: hunter2}", "weir.yaml:7:14: sources[0].git.auth.token: unknown field"},
		"a secret as webhook": {url, url + "\n      webhook: hunter2", "weir.yaml:7:16: sources[0].git.webhook: must be"},
		"a token as status":   {url, url + "\n      status: hunter2", "weir.yaml:7:15: sources[0].git.status: must be"},
		"a token in its URL": {
			url, url + "\n      status: {kind: gitea, tokenEnv: T, url: 'https://hunter2@x.example.com'}",
			"weir.yaml:7:47: sources[0].git.status.url: must be",
		},
		"a pair as user": {url, url + "\n      auth: {username: 'weir:hunter2', tokenEnv: T}", "weir.yaml:7:24: sources[0].git.auth.username"},
		"a value for a name": {
			url, url + "\n      auth: {tokenEnv: 'hunter2!'}", "weir.yaml:7:24: sources[0].git.auth.tokenEnv: must be",
		},
		"owns of another form": {url, url + "\n    owns: [volc-main]", "weir.yaml:7:12: sources[0].owns[0]: must be a pattern"},
		"ssh without a key":    {url, "url: git@git.example.com:x", "weir.yaml:5:5: sources[0].git.auth: ssh needs auth"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(leastGit, tc.old, tc.new, 1)
			text = strings.Replace(text, " https://git", " https://hunter2@git", 1) // there is always one to be told
			cfg, problems := Parse("weir.yaml", []byte(text))
			if cfg != nil || len(problems) == 0 {
				t.Fatalf("accepted: %+v", cfg)
			}
			if strings.Contains(fmt.Sprintf("%+v", problems), "hunter2") {
				t.Errorf("the value of a secret is told: %v", problems)
			}
			for _, p := range problems {
				if strings.HasPrefix(p.String(), tc.want) {
					return
				}
			}
			t.Errorf("problems %q, want one at %q", problems, tc.want)
		})
	}
}

// TestCredentialsInTheOpen: a token over http:// is warned of, not refused, and
// not at all on this machine.
func TestCredentialsInTheOpen(t *testing.T) {
	const token, status = "\n      auth: {tokenEnv: T}", "\n      status: {kind: gitea, tokenEnv: T}"
	const api = "\n      status: {kind: gitea, tokenEnv: T, url: 'http://git.example.com/api'}"
	for text, want := range map[string]string{
		"http://git.example.com/x" + token:          "weir.yaml:7:7: sources[0].git.auth",
		"http://git.example.com/x" + status:         "weir.yaml:7:7: sources[0].git.status",
		"https://git.example.com/x" + token + api:   "weir.yaml:8:7: sources[0].git.status",
		"http://git.example.com/x":                  "",
		"https://git.example.com/x" + token:         "",
		"http://localhost:3000/x" + token + status:  "",
		"http://127.1.2.3/x" + token:                "",
		"'http://[::1]:3000/x'" + token + status:    "",
		"http://127.0.0.1.example.com/x" + token:    "weir.yaml:7:7: sources[0].git.auth",
		"http://localhost.example.com:80/x" + token: "weir.yaml:7:7: sources[0].git.auth",
	} {
		cfg, problems := Parse("weir.yaml", []byte(strings.Replace(leastGit, "https://git.example.com/live/config.git", text, 1)))
		got := ""
		for _, p := range problems {
			got += p.String()
		}
		if cfg == nil || manifest.Failed(problems) || !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
