package config

import (
	"path"
)

// fileGit is a source's git: as written.
type fileGit struct {
	URL       string    `json:"url"`
	Branch    string    `json:"branch"`
	Tag       string    `json:"tag"`
	Semver    string    `json:"semver"`
	Commit    string    `json:"commit"`
	Path      string    `json:"path"`
	Interval  string    `json:"interval"`
	Timeout   string    `json:"timeout"`
	OnRewrite string    `json:"onRewrite"`
	Limits    GitLimits `json:"limits"`
	Auth      fileAuth  `json:"auth"`
	Verify    struct {
		KeyringFile        string `json:"keyringFile"`
		AllowedSignersFile string `json:"allowedSignersFile"`
	} `json:"verify"`
	Webhook *fileWebhook `json:"webhook"`
	Status  *fileStatus  `json:"status"`
}

type fileAuth struct {
	Username          string `json:"username"`
	TokenEnv          string `json:"tokenEnv"`
	TokenFile         string `json:"tokenFile"`
	Bearer            bool   `json:"bearer"`
	PasswordEnv       string `json:"passwordEnv"`
	PasswordFile      string `json:"passwordFile"`
	CAFile            string `json:"caFile"`
	CertFile          string `json:"certFile"`
	KeyFile           string `json:"keyFile"`
	SSHKeyFile        string `json:"sshKeyFile"`
	SSHPassphraseEnv  string `json:"sshPassphraseEnv"`
	SSHPassphraseFile string `json:"sshPassphraseFile"`
	KnownHostsFile    string `json:"knownHostsFile"`
}

type fileWebhook struct {
	Kind       string `json:"kind"`
	SecretEnv  string `json:"secretEnv"`
	SecretFile string `json:"secretFile"`
}

type fileStatus struct {
	Kind       string `json:"kind"`
	URL        string `json:"url"`
	Repository string `json:"repository"`
	TokenEnv   string `json:"tokenEnv"`
	TokenFile  string `json:"tokenFile"`
	Name       string `json:"name"`
}

func (g *fileGit) git(at beside) *Git {
	out := &Git{
		URL: g.URL, Branch: g.Branch, Tag: g.Tag, Semver: g.Semver, Commit: g.Commit, Path: folder(g.Path),
		Interval: orTime(g.Interval, DefaultGitInterval), Timeout: orTime(g.Timeout, DefaultGitTimeout),
		FollowRewrites: g.OnRewrite == "follow",
		Limits:         g.Limits,
		Auth:           g.Auth.auth(at),
		Verify: Verify{
			KeyringFile: at.path(g.Verify.KeyringFile), AllowedSignersFile: at.path(g.Verify.AllowedSignersFile),
		},
	}
	if g.Tag+g.Semver+g.Commit == "" {
		out.Branch = or(g.Branch, DefaultBranch)
	}
	if w := g.Webhook; w != nil {
		out.Webhook = &Webhook{Kind: w.Kind, Secret: at.ref(w.SecretEnv, w.SecretFile)}
	}
	if s := g.Status; s != nil {
		out.Status = &Status{
			Kind: s.Kind, API: s.URL, Repository: s.Repository, Token: at.ref(s.TokenEnv, s.TokenFile),
			Name: or(s.Name, DefaultStatusName),
		}
	}
	return out
}

func (a fileAuth) auth(at beside) GitAuth {
	return GitAuth{
		User: a.Username, Token: at.ref(a.TokenEnv, a.TokenFile), Bearer: a.Bearer,
		Password: at.ref(a.PasswordEnv, a.PasswordFile),
		CAFile:   at.path(a.CAFile), CertFile: at.path(a.CertFile), KeyFile: at.path(a.KeyFile),
		SSHKeyFile:     at.path(a.SSHKeyFile),
		SSHPassphrase:  at.ref(a.SSHPassphraseEnv, a.SSHPassphraseFile),
		KnownHostsFile: at.path(a.KnownHostsFile),
	}
}

// folder writes a path within a repository in its one form.
func folder(p string) string {
	if p = path.Clean(p); p != "." {
		return p
	}
	return ""
}
