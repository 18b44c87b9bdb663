package config

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"weir/sync/manifest"
	"weir/sync/secret"
)

// advise warns of what is right by the schema and yet hardly meant.
func advise(cfg *Config, place manifest.Positions) []manifest.Problem {
	var out []manifest.Problem
	none := secret.Ref{}
	for i, s := range cfg.Sources {
		if s.Git == nil {
			continue
		}
		warn := func(path ...string) {
			path = append([]string{"sources", strconv.Itoa(i), "git"}, path...)
			out = append(out, place.Problem(path, true, manifest.CodePlainCredentials,
				"http:// shows the token or password to everybody on the way; use https://", manifest.Warning))
		}
		if (s.Git.Auth.Token != none || s.Git.Auth.Password != none) && exposed(s.Git.URL) {
			warn("auth")
		}
		if s.Git.Status == nil {
			continue
		}
		// Without an address of its own the host is asked where the repository is.
		if at := s.Git.Status.API; exposed(or(at, s.Git.URL)) {
			warn("status")
		}
	}
	if t := cfg.Tracing; t != nil && t.Headers != none && exposed(t.URL) {
		out = append(out, place.Problem([]string{"tracing", "otlp", "url"}, true, manifest.CodePlainCredentials,
			"http:// shows the headers to everybody on the way; use https://", manifest.Warning))
	}
	return append(out, cfg.Etcd.advise(place)...)
}

// exposed reports whether a URL leads to another machine without TLS.
func exposed(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" {
		return false
	}
	host := strings.ToLower(u.Hostname())
	ip, err := netip.ParseAddr(host)
	loopback := host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.IsLoopback()
	return !loopback
}
