package web

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// repository is a repository on a git host whose pages are known.
type repository struct {
	base  string // address of its front page
	forms hostForms
}

// hostForms is how a host names its pages below a repository's.
type hostForms struct {
	commit string // before a commit's hash
	file   string // before a file's commit and path
}

// hosted finds the repository that a git URL means, false where its host is not
// known: by the names of the great hosts, or a first label that says what runs
// there ("gitlab.example.com").
func hosted(remote string) (repository, bool) {
	host, name, ok := splitRemote(remote)
	if !ok {
		return repository{}, false
	}
	forms, known := formsOf(host)
	if !known || strings.Count(name, "/") < 1 {
		return repository{}, false
	}
	base := url.URL{Scheme: "https", Host: host, Path: "/" + name}
	return repository{base: base.String(), forms: forms}, true
}

// splitRemote takes the host and the repository's name from a remote by https,
// or by SSH of a great host, which serves pages under the same name.
func splitRemote(remote string) (host, name string, ok bool) {
	u, err := url.Parse(remote)
	switch {
	case err == nil && u.Scheme == "https":
		host, name = u.Host, u.Path
	case err == nil && u.Scheme == "ssh" && isGreat(u.Hostname()):
		host, name = u.Hostname(), u.Path
	default:
		var rest string
		if _, rest, ok = strings.Cut(remote, "@"); !ok || strings.Contains(remote, "://") {
			return "", "", false
		}
		if host, name, ok = strings.Cut(rest, ":"); !ok || !isGreat(host) {
			return "", "", false
		}
	}
	name = strings.TrimSuffix(strings.Trim(path.Clean("/"+name), "/"), ".git")
	return host, name, host != "" && name != ""
}

func isGreat(host string) bool {
	return slices.Contains([]string{"github.com", "gitlab.com", "gitee.com", "gitea.com", "codeberg.org"}, host)
}

func formsOf(host string) (hostForms, bool) {
	first, _, _ := strings.Cut(strings.ToLower(host), ".")
	switch first {
	case "github", "gitee":
		return hostForms{commit: "/commit/", file: "/blob/"}, true
	case "gitlab":
		return hostForms{commit: "/-/commit/", file: "/-/blob/"}, true
	case "gitea", "forgejo", "codeberg":
		return hostForms{commit: "/commit/", file: "/src/commit/"}, true
	}
	return hostForms{}, false
}

// commit returns the address of a commit, "" where the repository or the commit
// is not known.
func (r repository) commit(hash string) string {
	if r.base == "" || len(hash) < 7 || !isHex(hash) {
		return ""
	}
	return r.base + r.forms.commit + hash
}

// longestPath is that of a file that a link is made for.
const longestPath = 1000

// file returns the address of a line of a file as a commit has it; root is where
// in the repository the source reads.
func (r repository) file(hash, root, name string, line int) string {
	if r.commit(hash) == "" || name == "" || len(name) > longestPath {
		return ""
	}
	full := url.URL{Path: path.Join("/", root, name)}
	address := r.base + r.forms.file + hash + full.EscapedPath()
	if line > 0 {
		address += fmt.Sprintf("#L%d", line)
	}
	return address
}
