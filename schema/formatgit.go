package schema

import (
	"net/url"
	"slices"
	"strings"
)

// maxName bounds the length of a URL, a reference, a folder or a pattern.
const maxName = 1024

// isGitURL accepts https, http, ssh and git URLs and user@host:path. Only ssh
// has a user in it: elsewhere it would be a token as often as a name.
func isGitURL(s string) bool {
	if len(s) > maxName || !visible(s) {
		return false
	}
	scheme, _, ok := strings.Cut(s, "://")
	if !ok {
		return isSCP(s)
	}
	u, err := url.Parse(s)
	if err != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") || !isAddress(u.Host) {
		return false
	}
	if strings.Trim(u.Path, "/") == "" {
		return false
	}
	switch scheme {
	case "https", "http", "git":
		return u.User == nil
	case "ssh":
		_, secret := u.User.Password()
		return !secret && (u.User == nil || isUser(u.User.Username()))
	default:
		return false
	}
}

// isSCP accepts the form of scp: user@host:path.
func isSCP(s string) bool {
	user, rest, ok := strings.Cut(s, "@")
	if !ok || !isUser(user) {
		return false
	}
	end := strings.IndexByte(rest, ':')
	if strings.HasPrefix(rest, "[") {
		end = strings.Index(rest, "]:") + 1
	}
	if end < 1 {
		return false
	}
	return isHost(rest[:end]) && strings.Trim(rest[end+1:], "/") != ""
}

func isUser(s string) bool {
	return s != "" && s[0] != '-' && strings.Trim(s, letters+"._-") == ""
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// visible refuses white space and control characters.
func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// isRef accepts what git accepts as the name of a branch or tag. One that
// begins with refs/ is a full name where the short one belongs.
func isRef(s string) bool {
	if s == "" || s == "@" || len(s) > maxName || !visible(s) || strings.ContainsAny(s, `~^:?*[\`) {
		return false
	}
	if strings.Contains(s, "..") || strings.Contains(s, "@{") || s[0] == '-' || strings.HasPrefix(s, "refs/") {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

// isFolder accepts a path within a repository.
func isFolder(s string) bool {
	if s == "" || s[0] == '/' || len(s) > maxName || strings.ContainsAny(s, "\\\x00\n\r\t") {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == ".." {
			return false
		}
	}
	return true
}

// isIdentities accepts a pattern that can match an identity: of its three or
// more parts only "**" can stand for several.
func isIdentities(s string) bool {
	if s == "" || len(s) > maxName || strings.Trim(s, letters+"._-*/") != "" || strings.Contains(s, "***") {
		return false
	}
	parts := strings.Split(s, "/")
	if slices.Contains(parts, "") {
		return false
	}
	return len(parts) >= 3 || strings.Contains(s, "**")
}
