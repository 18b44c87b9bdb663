package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"weir/sync/manifest"
	"weir/sync/secret"
)

// The defaults of what a state in etcd may leave out.
const (
	DefaultPrefix = "/weir/"
	DefaultLease  = 10 * time.Second
	DefaultFolder = "weir.local"
)

// Etcd is the cluster that keeps a state which several daemons share.
type Etcd struct {
	Endpoints  []string // of its members, all of one scheme
	Prefix     string   // of all keys, ending in "/"
	CAFile     string
	ServerName string
	CertFile   string
	KeyFile    string
	User       string // "" for none
	Password   secret.Ref
}

// Cluster is this daemon among those that share a state in etcd. It is zero where the
// state is in a file.
type Cluster struct {
	Name    string        // that people know it by, "" for its host's
	Lease   time.Duration // how long an account stays a daemon's that is not heard of
	Address string        // under which people reach its page, "" for none
	Folder  string        // for what it keeps beside etcd and can make anew
}

// fileState is state: as written.
type fileState struct {
	SQLite struct {
		Path string `json:"path"`
	} `json:"sqlite"`
	Etcd *fileEtcd `json:"etcd"`
}

type fileEtcd struct {
	Endpoints    []string `json:"endpoints"`
	Prefix       string   `json:"prefix"`
	CAFile       string   `json:"caFile"`
	ServerName   string   `json:"serverName"`
	CertFile     string   `json:"certFile"`
	KeyFile      string   `json:"keyFile"`
	Username     string   `json:"username"`
	PasswordEnv  string   `json:"passwordEnv"`
	PasswordFile string   `json:"passwordFile"`
}

// fileCluster is cluster: as written.
type fileCluster struct {
	Name    string `json:"name"`
	Lease   string `json:"lease"`
	Address string `json:"address"`
	Folder  string `json:"folder"`
}

// place says in cfg where the state is.
func (s fileState) place(cfg *Config, c fileCluster, at beside) {
	if s.Etcd == nil {
		cfg.StatePath = at.path(or(s.SQLite.Path, DefaultState))
		return
	}
	e := s.Etcd
	cfg.Etcd = &Etcd{
		Endpoints: e.Endpoints, Prefix: strings.TrimSuffix(or(e.Prefix, DefaultPrefix), "/") + "/",
		CAFile: at.path(e.CAFile), ServerName: e.ServerName, CertFile: at.path(e.CertFile), KeyFile: at.path(e.KeyFile),
		User: e.Username, Password: at.ref(e.PasswordEnv, e.PasswordFile),
	}
	cfg.Cluster = Cluster{
		Name: c.Name, Lease: orTime(c.Lease, DefaultLease), Address: c.Address, Folder: at.path(or(c.Folder, DefaultFolder)),
	}
}

// entries returns the default of journal.maxEntries, by where the journal is.
func (s fileState) entries() int64 {
	if s.Etcd != nil {
		return DefaultEtcdEntries
	}
	return DefaultJournalEntries
}

// secured reports whether an endpoint is spoken to by TLS.
func secured(endpoint string) bool { return strings.HasPrefix(endpoint, "https://") }

// lacking says what is wrong with the way to etcd that a schema cannot say.
func (e *Etcd) lacking(place manifest.Positions) []manifest.Problem {
	if e == nil {
		return nil
	}
	var out []manifest.Problem
	problem := func(text string, path ...string) {
		path = append([]string{"state", "etcd"}, path...)
		out = append(out, place.Problem(path, false, manifest.CodeEtcdTLS, text, manifest.Error))
	}
	for i, at := range e.Endpoints {
		if secured(at) != secured(e.Endpoints[0]) {
			problem("is not of the scheme of the first endpoint: all members are spoken to by TLS, or none is",
				"endpoints", strconv.Itoa(i))
		}
	}
	if secured(e.Endpoints[0]) {
		return out
	}
	for _, field := range []struct{ name, value string }{
		{"caFile", e.CAFile}, {"serverName", e.ServerName}, {"certFile", e.CertFile}, {"keyFile", e.KeyFile},
	} {
		if field.value != "" {
			problem("is for TLS, and the endpoints are http://", field.name)
		}
	}
	return out
}

// advise warns of a way to etcd that is hardly meant.
func (e *Etcd) advise(place manifest.Positions) []manifest.Problem {
	if e == nil {
		return nil
	}
	var out []manifest.Problem
	warn := func(code, text string, path ...string) {
		path = append([]string{"state", "etcd", "endpoints"}, path...)
		out = append(out, place.Problem(path, false, code, text, manifest.Warning))
	}
	for i, at := range e.Endpoints {
		if !exposed(at) {
			continue
		}
		text := "http:// lets everybody on the way read and change what weir remembers"
		if e.User != "" {
			text += ", and read the password"
		}
		warn(manifest.CodeEtcdPlain, text+"; use https://", strconv.Itoa(i))
		break
	}
	if n := len(e.Endpoints); n%2 == 0 {
		warn(manifest.CodeEtcdEven, fmt.Sprintf("%d members bear no more losses than %d: "+
			"name all members of a cluster, of which there should be an odd number", n, n-1))
	}
	return out
}
