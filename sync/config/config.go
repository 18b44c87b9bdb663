// Package config reads weir.yaml as strictly as a manifest, with the same
// messages, and turns it into values that need no further checking.
package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/secret"
)

// The defaults of what may be left out.
const (
	DefaultListen            = "127.0.0.1:8180"
	DefaultInterval          = 5 * time.Minute
	DefaultState             = "weir.db"
	DefaultShare             = 0.9
	DefaultScrub             = 0.2
	DefaultRegion            = "cn-shanghai"
	DefaultMaxRemovals       = 5
	DefaultMaxRemovalsShare  = 10 // percent
	DefaultMaxUpdatesPercent = 30
	DefaultJournalAge        = 365 * 24 * time.Hour
	DefaultJournalEntries    = 1_000_000
	// DefaultEtcdEntries is less: etcd's own default is to hold 2 GiB.
	DefaultEtcdEntries = 200_000
)

// maxBytes bounds the config file.
const maxBytes = 1 << 20

// Config is weir.yaml with every default filled in and every path absolute or
// relative to the process, no longer to the file.
type Config struct {
	File      string
	Sources   []Source
	Accounts  []Account
	Policy    plan.Policy
	Notify    *Notify // nil for nobody
	URL       string  // under which people reach the page, "" for none
	Interval  time.Duration
	StatePath string // file of the state, "" where it is in etcd
	Etcd      *Etcd  // nil for a state in a file
	Cluster   Cluster
	Journal   Journal
	Listen    string
	Insecure  bool // allows a Listen that others can reach, without TLS and authentication
	Web       Web
	Tracing   *Tracing // nil for none
	Limits    Limits
}

// Source is one place manifests come from: Directory or Git.
type Source struct {
	Name      string
	Directory string
	Git       *Git
	Owns      []string // patterns of the identities it may declare; none: all
}

// Account is one cloud account.
type Account struct {
	Name     string
	Provider string // "aliyun" or "volcengine"
	Region   string
	Endpoint string // "" for the cloud's own
	Keys     secret.KeyRef
	Share    float64        // of each documented quota, above 0 and at most 1
	Scrub    float64        // of Share, for reads that look for drift, above 0 and at most 1
	Limits   map[string]int // calls a second by operation, instead of the documented ones
}

// Journal bounds the journal of calls.
type Journal struct {
	MaxAge     time.Duration
	MaxEntries int64 // calls that have an effect
}

// Limits bound what is read from a source; 0 stands for the reader's default.
type Limits struct {
	FileBytes  int64 `json:"fileBytes"`
	Files      int   `json:"files"`
	TotalBytes int64 `json:"totalBytes"`
}

// Read reads the file at path. It returns nil and the problems where the file
// has an error, and an error only where it cannot be read at all.
func Read(path string) (*Config, []manifest.Problem, error) {
	data, err := readFile(path, maxBytes)
	if err != nil {
		return nil, nil, err
	}
	cfg, problems := Parse(path, data)
	return cfg, problems, nil
}

// readFile reads a regular file of at most so many bytes.
func readFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > most || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file of at most %d bytes", path, most)
	}
	return os.ReadFile(path)
}

// Parse reads data as the config file at path, which paths in it are relative
// to.
func Parse(path string, data []byte) (*Config, []manifest.Problem) {
	value, place, problems := manifest.Document(path, data, "weir/v1", "Config")
	if manifest.Failed(problems) || value == nil {
		return nil, problems
	}
	var f file
	b, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	if err != nil {
		p := place.Problem(nil, false, "internal", err.Error(), manifest.Error)
		return nil, append(problems, p)
	}
	rules, wrong := f.driftRules(place)
	cfg := f.config(path)
	wrong = append(wrong, cfg.lacking(place)...)
	wrong = append(wrong, cfg.Etcd.lacking(place)...)
	problems = append(problems, wrong...)
	if manifest.Failed(wrong) {
		return nil, problems
	}
	cfg.Policy.DriftRules = rules
	return cfg, append(problems, advise(cfg, place)...)
}

// below makes a path of the config relative to the config's folder.
func below(file, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

// beside is the config file that paths are relative to.
type beside string

// path returns where a file named in the config is, "" for none.
func (b beside) path(name string) string {
	if name == "" {
		return ""
	}
	return below(string(b), name)
}

func (b beside) ref(env, file string) secret.Ref { return secret.Ref{Env: env, File: b.path(file)} }
