package commitstatus

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// place is where a repository is.
type place struct {
	api  *url.URL
	repo string // "owner/name"
}

// newPlace reads the options. Addresses are not quoted in errors, as they may
// hold a password.
func newPlace(opt Options) (place, error) {
	host, path, err := splitURL(opt.URL)
	if err != nil && (opt.API == "" || opt.Repository == "") {
		return place{}, err
	}
	repo := opt.Repository
	if repo == "" {
		repo = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	}
	if err := checkRepository(opt.Kind, repo); err != nil {
		return place{}, err
	}
	text := opt.API
	if text == "" {
		text = apiOf(opt.Kind, host)
	}
	api, err := address("api", text)
	if err != nil {
		return place{}, err
	}
	api.Path = strings.TrimSuffix(api.Path, "/")
	switch opt.Kind { // the client adds it
	case "gitlab":
		api.Path = strings.TrimSuffix(api.Path, "/api/v4")
	case "gitea":
		api.Path = strings.TrimSuffix(api.Path, "/api/v1")
	}
	return place{api, repo}, nil
}

// splitURL returns the origin that serves a repository's pages, as scheme and
// host, and the path of the repository. It takes what git takes but local paths.
func splitURL(text string) (*url.URL, string, error) {
	if !strings.Contains(text, "://") { // user@host:path
		host, path, ok := strings.Cut(text, ":")
		host = host[strings.LastIndex(host, "@")+1:]
		if !ok || host == "" || strings.ContainsAny(host, "/?#[]") {
			return nil, "", errors.New("the repository's url names no host; set api and repository")
		}
		return &url.URL{Scheme: "https", Host: host}, path, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return nil, "", errors.New("the repository's url cannot be read; set api and repository")
	}
	if u.Scheme == "https" || u.Scheme == "http" {
		return &url.URL{Scheme: u.Scheme, Host: u.Host}, u.Path, nil
	}
	host := u.Hostname() // the port is that of ssh or git
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return &url.URL{Scheme: "https", Host: host}, u.Path, nil
}

// apiOf returns where a host serves its API. That GitHub Enterprise does below
// /api/v3, and on ghe.com below api., is in "Getting started with the REST API";
// ssh.github.com and altssh.gitlab.com are ssh through a proxy's port 443.
func apiOf(kind string, host *url.URL) string {
	name := strings.ToLower(host.Host)
	switch {
	case kind == "github" && (name == "github.com" || name == "www.github.com" || name == "ssh.github.com"):
		return "https://api.github.com"
	case kind == "github" && strings.HasSuffix(name, ".ghe.com"):
		return "https://api." + name
	case kind == "github":
		return host.String() + "/api/v3"
	case kind == "gitlab" && name == "altssh.gitlab.com":
		return "https://gitlab.com"
	case kind == "gitee":
		return host.String() + "/api/v5"
	}
	return host.String()
}

// address reads an address that a person wrote.
func address(field, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read as an address", field)
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return nil, fmt.Errorf("%s must begin with https:// or http:// and a host", field)
	case u.User != nil:
		return nil, fmt.Errorf("%s must not hold a user or a password", field)
	}
	return u, nil
}

var segment = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$|^\.[A-Za-z0-9_-][A-Za-z0-9_.-]*$`)

// checkRepository holds that a repository's name can be part of a path.
func checkRepository(kind, repo string) error {
	parts := strings.Split(repo, "/")
	for _, part := range parts {
		if !segment.MatchString(part) {
			return errors.New("repository must be owner/name, of letters, digits, dots, - and _")
		}
	}
	switch {
	case kind == "gitlab" && len(parts) < 2:
		return errors.New("repository must be group/name or group/subgroup/name")
	case kind != "gitlab" && len(parts) != 2:
		return errors.New("repository must be owner/name")
	}
	return nil
}
