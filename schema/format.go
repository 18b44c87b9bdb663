package schema

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// formats returns the tests behind x-weir-format.
func formats() map[string]func(string) bool {
	return map[string]func(string) bool{
		"duration":   isDuration,
		"address":    isAddress,
		"endpoint":   isEndpoint,
		"hook":       isHook,
		"listen":     isListen,
		"git-url":    isGitURL,
		"ref":        isRef,
		"folder":     isFolder,
		"identities": isIdentities,
		"mailbox":    isMailbox,
	}
}

// isDuration refuses what time.Duration cannot hold.
func isDuration(s string) bool {
	_, err := time.ParseDuration(s)
	return err == nil
}

// atLeast reports whether v is no duration below least; what is no duration at
// all is for others to tell.
func atLeast(least string, v any) bool {
	want, _ := time.ParseDuration(least)
	have, err := time.ParseDuration(text(v))
	return err != nil || have < 0 || have >= want
}

// isAddress accepts a host name or IP address, with or without a port.
func isAddress(s string) bool {
	if ip, err := netip.ParseAddr(s); err == nil {
		return ip.Zone() == ""
	}
	host, port, ok := splitPort(s)
	if !ok {
		return isHost(s)
	}
	return isPort(port, 1) && isHost(host)
}

// isListen accepts host:port; the host may be empty.
func isListen(s string) bool {
	host, port, ok := splitPort(s)
	return ok && isPort(port, 0) && (host == "" || isHost(host))
}

// isEndpoint accepts an http or https address that names a host and holds
// nothing secret.
func isEndpoint(s string) bool {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return false
	}
	bare := u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
	return bare && isAddress(u.Host)
}

// isHook accepts an endpoint that nobody on the way can read along.
func isHook(s string) bool {
	u, err := url.Parse(s)
	if err != nil || !isEndpoint(s) {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

// isMailbox accepts a mail address, with or without a name.
func isMailbox(s string) bool {
	_, err := mail.ParseAddress(s)
	return err == nil
}

// splitPort cuts off the port; an IPv6 address with a port is in brackets.
func splitPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func isPort(s string, least int) bool {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return false
	}
	n, err := strconv.Atoi(s)
	return err == nil && n >= least && n <= 65535
}

// isHost accepts a host name, an IPv4 address or an IPv6 address in brackets.
func isHost(s string) bool {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, closed := strings.CutSuffix(inner, "]")
		ip, err := netip.ParseAddr(inner)
		return closed && err == nil && ip.Is6() && ip.Zone() == ""
	}
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// repeated returns the positions in items whose field has a value that an
// earlier one has.
func repeated(items []any, field string) []int {
	seen := make(map[string]bool, len(items))
	var out []int
	for i, item := range items {
		name, ok := table(item)[field].(string)
		if ok && seen[name] {
			out = append(out, i)
		}
		if ok {
			seen[name] = true
		}
	}
	return out
}

// total counts the entries of the lists named of. A list that alone is too
// long counts as most: maxItems tells about it.
func total(items []any, of string, most int) int {
	n := 0
	for _, item := range items {
		n += min(len(list(table(item)[of])), most)
	}
	return n
}

func maxTotal(v any) (of string, most int, err error) {
	m := table(v)
	of = text(m["of"])
	switch n := m["max"].(type) {
	case float64:
		most = int(n)
	case json.Number:
		most, err = strconv.Atoi(n.String())
	}
	if of == "" || most < 1 || err != nil {
		return "", 0, fmt.Errorf("%s: want of and max", keyMaxTotal)
	}
	return of, most, nil
}
