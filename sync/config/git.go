package config

import (
	"time"

	"weir/sync/secret"
)

// The defaults of what a repository's source may leave out.
const (
	DefaultBranch      = "main"
	DefaultGitInterval = time.Minute
	DefaultGitTimeout  = time.Minute
	DefaultStatusName  = "weir"
)

// Git is a repository as a source. One of Branch, Tag, Semver and Commit is set.
type Git struct {
	URL    string // https://, http://, ssh:// or git://; user@host:path is ssh
	Branch string // default "main", where nothing else is named
	Tag    string
	Semver string // a range; the highest tag in it is read
	Commit string
	Path   string // folder of the manifests in the repository, clean, "" for its root

	Interval       time.Duration // between two polls, default a minute
	Timeout        time.Duration // of one operation at the remote, default a minute
	FollowRewrites bool
	Limits         GitLimits
	Auth           GitAuth
	Verify         Verify
	Webhook        *Webhook // nil: the daemon takes no webhook for it
	Status         *Status  // nil: nothing is reported to the host
}

// GitLimits bound what a repository may send; 0 stands for the default.
type GitLimits struct {
	FetchBytes  int64 `json:"fetchBytes"`  // of one operation at the remote
	ObjectBytes int64 `json:"objectBytes"` // of any object, inflated
}

// GitAuth says how weir proves who it is, and how the host does.
type GitAuth struct {
	User     string // "" for what hosts take with a token
	Token    secret.Ref
	Bearer   bool // the token goes alone, not as a password
	Password secret.Ref

	CAFile   string
	CertFile string
	KeyFile  string

	SSHKeyFile     string
	SSHPassphrase  secret.Ref // of the key, where it has one
	KnownHostsFile string
}

// Verify says by whom a commit must be signed; the zero value asks for no
// signature.
type Verify struct {
	KeyringFile        string // OpenPGP public keys, armoured or not
	AllowedSignersFile string // SSH public keys, as ssh-keygen's ALLOWED SIGNERS
}

// Webhook lets a host tell the daemon of news.
type Webhook struct {
	Kind   string // "github", "gitlab", "gitea", "gitee" or "generic"
	Secret secret.Ref
}

// Status has what became of a commit reported to its host.
type Status struct {
	Kind       string // "github", "gitlab", "gitea" or "gitee"
	API        string // address of the host's API, "" to derive it from the repository's URL
	Repository string // "owner/name", "" to derive it from the repository's URL
	Token      secret.Ref
	Name       string // of the status, default "weir"
}
