package gitsource

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
)

// endpoint reads the URL. What is wrong with it is said without quoting it, as
// it may hold a password.
func (o *Options) endpoint() (*url.URL, error) {
	at, ok := short(o.URL)
	if !ok {
		var err error
		if at, err = url.Parse(o.URL); err != nil {
			return nil, fmt.Errorf("source %s: url cannot be read", o.Name)
		}
	}
	if fault := urlFault(at); fault != "" {
		return nil, fmt.Errorf("source %s: url %s", o.Name, fault)
	}
	if at.Scheme == "git" || at.Scheme == "ssh" {
		at.Path = strings.TrimPrefix(at.Path, home(at.Path))
	}
	if at.Scheme != "ssh" {
		return at, nil
	}
	if o.Auth.SSHKeyFile == "" || o.Auth.KnownHostsFile == "" {
		return nil, fmt.Errorf("source %s: ssh needs auth with a key file and a known_hosts file", o.Name)
	}
	if at.User.Username() == "" {
		at.User = url.User("git")
	}
	return at, nil
}

// short reads the short form of an ssh URL, user@host:path. Its path is
// relative to the user's home, so it need not begin with a slash.
func short(text string) (*url.URL, bool) {
	user, rest, ok := strings.Cut(text, "@")
	if !ok || strings.ContainsAny(user, "/") {
		return nil, false
	}
	end := strings.Index(rest, "]:") + 1 // of an IPv6 address
	if end == 0 || rest[0] != '[' {
		end = strings.Index(rest, ":")
	}
	if end <= 0 {
		return nil, false
	}
	at := &url.URL{Scheme: "ssh", User: url.User(user), Host: rest[:end], Path: rest[end+1:]}
	if name, password, found := strings.Cut(user, ":"); found {
		at.User = url.UserPassword(name, password)
	}
	return at, true
}

// urlFault says what is wrong with a URL, "" for nothing.
func urlFault(at *url.URL) string {
	_, password := at.User.Password()
	switch {
	case password, at.User != nil && at.Scheme != "ssh":
		return "must not hold a user or a password, these belong into auth; only ssh has a user"
	case at.Scheme != "http" && at.Scheme != "https" && at.Scheme != "ssh" && at.Scheme != "git", at.Hostname() == "":
		return "must begin with https://, http://, ssh:// or git:// and a host, or be user@host:path"
	case at.RawQuery != "", at.Fragment != "":
		return "must not have a query or a fragment"
	case strings.ContainsFunc(at.User.Username()+at.Host+at.Path, unicode.IsControl):
		return "must not have control characters"
	}
	if at.Scheme == "http" || at.Scheme == "https" {
		return ""
	}
	return pathFault(at)
}

// pathFault says what is wrong with a path that goes to the remote's program
// and not into a request's line.
func pathFault(at *url.URL) string {
	switch {
	case strings.Trim(at.Path, "/") == "":
		return "must name a repository"
	case strings.HasPrefix(at.Path, "-"):
		return "must not have a path that reads as an option"
	}
	return ""
}

// home returns the slash before "~user", which git does not send.
func home(path string) string {
	if strings.HasPrefix(path, "/~") {
		return "/"
	}
	return ""
}
