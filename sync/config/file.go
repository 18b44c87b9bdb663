package config

import (
	"cmp"
	"time"

	"weir/sync/plan"
	"weir/sync/secret"
)

// file is weir.yaml as written. The schema has checked it: what is missing may
// be missing, and every text has its form.
type file struct {
	Sources  []fileSource  `json:"sources"`
	Accounts []fileAccount `json:"accounts"`
	Policy   struct {
		Mode              plan.Mode       `json:"mode"`
		Drift             plan.Drift      `json:"drift"`
		DriftRules        []fileDriftRule `json:"driftRules"`
		MaxRemovals       *int            `json:"maxRemovals"`
		MaxRemovalsShare  *int            `json:"maxRemovalsPercent"`
		MaxUpdatesPercent *int            `json:"maxUpdatesPercent"`
		MaxUpdates        int             `json:"maxUpdates"`
	} `json:"policy"`
	Notify   *fileNotify `json:"notify"`
	Interval string      `json:"interval"`
	State    fileState   `json:"state"`
	Cluster  fileCluster `json:"cluster"`
	Journal  struct {
		MaxAge     string `json:"maxAge"`
		MaxEntries int64  `json:"maxEntries"`
	} `json:"journal"`
	Listen   string       `json:"listen"`
	Insecure bool         `json:"insecure"`
	Web      fileWeb      `json:"web"`
	Tracing  *fileTracing `json:"tracing"`
	URL      string       `json:"externalURL"`
	Limits   Limits       `json:"limits"`
}

type fileSource struct {
	Name      string `json:"name"`
	Directory *struct {
		Path string `json:"path"`
	} `json:"directory"`
	Git  *fileGit `json:"git"`
	Owns []string `json:"owns"`
}

type fileAccount struct {
	Name        string `json:"name"`
	Provider    string `json:"provider"`
	Region      string `json:"region"`
	Endpoint    string `json:"endpoint"`
	Credentials struct {
		IDEnv      string `json:"accessKeyIdEnv"`
		IDFile     string `json:"accessKeyIdFile"`
		SecretEnv  string `json:"accessKeySecretEnv"`
		SecretFile string `json:"accessKeySecretFile"`
		TokenEnv   string `json:"sessionTokenEnv"`
		TokenFile  string `json:"sessionTokenFile"`
	} `json:"credentials"`
	Quota struct {
		Share  float64        `json:"share"`
		Scrub  float64        `json:"scrub"`
		Limits map[string]int `json:"limits"`
	} `json:"quota"`
}

func (f file) config(path string) *Config {
	cfg := &Config{
		File: path, Listen: or(f.Listen, DefaultListen), Insecure: f.Insecure, URL: f.URL, Limits: f.Limits,
		Web:      f.Web.web(beside(path)),
		Tracing:  f.Tracing.tracing(beside(path)),
		Interval: orTime(f.Interval, DefaultInterval),
		Journal: Journal{
			MaxAge:     orTime(f.Journal.MaxAge, DefaultJournalAge),
			MaxEntries: cmp.Or(f.Journal.MaxEntries, f.State.entries()),
		},
		Policy: plan.Policy{
			Mode: f.Policy.Mode, HealDrift: f.Policy.Drift != plan.DriftReport,
			MaxRemoved:        orInt(f.Policy.MaxRemovals, DefaultMaxRemovals),
			MaxRemovedPercent: orInt(f.Policy.MaxRemovalsShare, DefaultMaxRemovalsShare),
			MaxUpdatedPercent: orInt(f.Policy.MaxUpdatesPercent, DefaultMaxUpdatesPercent),
			MaxUpdated:        f.Policy.MaxUpdates,
		},
	}
	f.State.place(cfg, f.Cluster, beside(path))
	if f.Notify != nil {
		cfg.Notify = f.Notify.notify(beside(path))
	}
	for _, s := range f.Sources {
		cfg.Sources = append(cfg.Sources, s.source(path))
	}
	for _, a := range f.Accounts {
		cfg.Accounts = append(cfg.Accounts, a.account(path))
	}
	return cfg
}

func (s fileSource) source(path string) Source {
	out := Source{Name: s.Name, Owns: s.Owns}
	if s.Directory != nil {
		out.Directory = below(path, s.Directory.Path)
	}
	if s.Git != nil {
		out.Git = s.Git.git(beside(path))
	}
	return out
}

func (a fileAccount) account(path string) Account {
	ref := beside(path).ref
	c := a.Credentials
	out := Account{
		Name: a.Name, Provider: a.Provider, Region: a.Region, Endpoint: a.Endpoint,
		Share: a.Quota.Share, Scrub: cmp.Or(a.Quota.Scrub, DefaultScrub), Limits: a.Quota.Limits,
		Keys: secret.KeyRef{
			ID: ref(c.IDEnv, c.IDFile), Secret: ref(c.SecretEnv, c.SecretFile), Token: ref(c.TokenEnv, c.TokenFile),
		},
	}
	if out.Share == 0 {
		out.Share = DefaultShare
	}
	if out.Region == "" && out.Provider == "aliyun" {
		out.Region = DefaultRegion
	}
	return out
}

func or(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func orTime(s string, def time.Duration) time.Duration {
	if d, err := time.ParseDuration(s); err == nil {
		return d
	}
	return def
}

func orInt(n *int, def int) int {
	if n == nil {
		return def
	}
	return *n
}
