package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"weir/sync/plan"
	"weir/sync/secret"
)

const least = `apiVersion: weir/v1
kind: Config
sources:
  - {name: live, directory: {path: live}}
accounts:
  - name: volc-main
    provider: volcengine
    credentials: {accessKeyIdEnv: AK, accessKeySecretFile: /run/secrets/sk}
policy: {mode: upsert}
`

func TestDefaults(t *testing.T) {
	cfg, problems := Parse("/etc/weir/weir.yaml", []byte(least))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	want := &Config{
		File:    "/etc/weir/weir.yaml",
		Sources: []Source{{Name: "live", Directory: "/etc/weir/live"}},
		Accounts: []Account{{
			Name: "volc-main", Provider: "volcengine", Share: 0.9, Scrub: 0.2,
			Keys: secret.KeyRef{ID: secret.Ref{Env: "AK"}, Secret: secret.Ref{File: "/run/secrets/sk"}},
		}},
		Policy:    plan.Policy{Mode: plan.Upsert, HealDrift: true, MaxRemoved: 5, MaxRemovedPercent: 10, MaxUpdatedPercent: 30},
		Interval:  5 * time.Minute,
		StatePath: "/etc/weir/weir.db",
		Journal:   Journal{MaxAge: 8760 * time.Hour, MaxEntries: 1_000_000},
		Listen:    "127.0.0.1:8180",
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("config %+v\nwant   %+v", cfg, want)
	}
}

func TestEverythingSet(t *testing.T) {
	cfg, problems := Parse("weir.yaml", []byte(`apiVersion: weir/v1
kind: Config
sources:
  - {name: one, directory: {path: ./one}}
  - {name: two, directory: {path: /srv/two}}
accounts:
  - name: aliyun-main
    provider: aliyun
    region: ap-southeast-1
    endpoint: https://live-vpc.ap-southeast-1.aliyuncs.com
    credentials: {accessKeyIdFile: id, accessKeySecretEnv: SK, sessionTokenFile: token}
    quota: {share: 0.5, scrub: 0.1, limits: {HotLiveRtcStream: 3}}
  - name: aliyun-other
    provider: aliyun
    credentials: {accessKeyIdEnv: AK2, accessKeySecretEnv: SK2}
policy: {mode: sync, drift: report, maxRemovals: 0, maxRemovalsPercent: 100, maxUpdatesPercent: 0, maxUpdates: 70}
notify: {url: "http://localhost:9000/weir", secretFile: event-key}
interval: 30s
state: {sqlite: {path: state/weir.db}}
journal: {maxAge: 720h, maxEntries: 5000}
listen: "0.0.0.0:80"
insecure: true
limits: {fileBytes: 1000, files: 20, totalBytes: 5000}
`))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	a := cfg.Accounts[0]
	if a.Share != 0.5 || a.Scrub != 0.1 || a.Limits["HotLiveRtcStream"] != 3 || a.Keys.Token.File != "token" || a.Region != "ap-southeast-1" {
		t.Errorf("account %+v", a)
	}
	if cfg.Accounts[1].Region != "cn-shanghai" {
		t.Errorf("region %q", cfg.Accounts[1].Region)
	}
	if want := (plan.Policy{Mode: plan.Sync, MaxRemoved: 0, MaxRemovedPercent: 100, MaxUpdated: 70}); !reflect.DeepEqual(cfg.Policy, want) {
		t.Errorf("policy %+v", cfg.Policy)
	}
	if hook := cfg.Notify.Receivers[0].Webhook; hook.URL != "http://localhost:9000/weir" || hook.Secret.File != "event-key" {
		t.Errorf("notify %+v", hook)
	}
	got := fmt.Sprintln(cfg.Sources[0].Directory, cfg.Sources[1].Directory, cfg.Interval, cfg.StatePath, cfg.Listen, cfg.Insecure, cfg.Limits, cfg.Journal)
	if want := "one /srv/two 30s state/weir.db 0.0.0.0:80 true {1000 20 5000} {720h0m0s 5000}\n"; got != want {
		t.Errorf("config %s, want %s", got, want)
	}
}

func TestProblemsHaveTheirPlace(t *testing.T) {
	tests := map[string]struct{ old, new, want string }{
		"no mode":           {"policy: {mode: upsert}", "policy: {drift: heal}", "weir.yaml:9:"},
		"unknown provider":  {"provider: volcengine", "provider: volcano", "weir.yaml:7:15: accounts[0].provider"},
		"misspelt key":      {"sources:", "source:", "weir.yaml:1:1: sources: required"},
		"secret in file":    {"accessKeyIdEnv: AK", "accessKeyId: LTAI123", "weir.yaml:8:"},
		"two names alike":   {"accounts:\n", "accounts:\n  - {name: volc-main, provider: aliyun, credentials: {accessKeyIdEnv: A, accessKeySecretEnv: B}}\n", "weir.yaml:7:"},
		"journal too short": {"policy:", "journal: {maxAge: 10m}\npolicy:", "weir.yaml:9:19: journal.maxAge"},
		"not a duration":    {"policy:", "interval: soon\npolicy:", "weir.yaml:9:11: interval"},
		"key twice":         {"kind: Config", "kind: Config\nkind: Config", "weir.yaml:3:1"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			cfg, problems := Parse("weir.yaml", []byte(strings.Replace(least, tc.old, tc.new, 1)))
			if cfg != nil || len(problems) == 0 {
				t.Fatalf("accepted: %+v", cfg)
			}
			if got := problems[0].String(); !strings.HasPrefix(got, tc.want) {
				t.Errorf("problem %q, want it at %q", got, tc.want)
			}
			if strings.Contains(fmt.Sprint(problems), "LTAI123") {
				t.Errorf("the value of a secret is told: %v", problems)
			}
		})
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "weir.yaml")
	if _, _, err := Read(path); !os.IsNotExist(err) {
		t.Errorf("missing file: %v", err)
	}
	if _, _, err := Read(dir); err == nil {
		t.Error("a directory was read")
	}
	if err := os.WriteFile(path, []byte(least), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, problems, err := Read(path)
	if err != nil || len(problems) != 0 || cfg.Sources[0].Directory != filepath.Join(dir, "live") {
		t.Errorf("%+v, %v, %v", cfg, problems, err)
	}
	if err := os.WriteFile(path, make([]byte, maxBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(path); err == nil {
		t.Error("a huge file was read")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(least))
	f.Add([]byte(leastGit))
	f.Add([]byte(fullGit))
	f.Add(inEtcd("{endpoints: ['http://a:2379', 'https://b:2379'], prefix: a}", "cluster: {lease: 10s}\n"))
	f.Add([]byte("policy: [1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, problems := Parse("weir.yaml", data)
		if cfg == nil && len(problems) == 0 {
			t.Error("neither a config nor a problem")
		}
	})
}
