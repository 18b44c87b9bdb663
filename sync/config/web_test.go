package config

import (
	"reflect"
	"strings"
	"testing"

	"weir/sync/secret"
)

func TestWeb(t *testing.T) {
	cfg, problems := Parse("ops/weir.yaml", []byte(strings.Replace(least, "policy:", `web:
  configFile: web.yml
  tokens:
    - {name: prometheus, tokenFile: /run/secrets/prometheus}
    - {name: ci, tokenEnv: CI_TOKEN}
  client: {url: "https://weir.example.com", caFile: ca.pem, serverName: weir, certFile: c.pem, keyFile: k.pem, username: alice, passwordFile: p}
policy:`, 1)))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	want := Web{
		ConfigFile: "ops/web.yml",
		Tokens: []Token{
			{Name: "prometheus", Secret: secret.Ref{File: "/run/secrets/prometheus"}},
			{Name: "ci", Secret: secret.Ref{Env: "CI_TOKEN"}},
		},
		Client: Client{
			URL: "https://weir.example.com", CAFile: "ops/ca.pem", ServerName: "weir", CertFile: "ops/c.pem", KeyFile: "ops/k.pem",
			User: "alice", Password: secret.Ref{File: "ops/p"},
		},
	}
	if !reflect.DeepEqual(cfg.Web, want) {
		t.Errorf("web %+v", cfg.Web)
	}
	if !cfg.Web.Client.Proves() || (Client{URL: "https://weir.example.com"}).Proves() || !(Client{Token: secret.Ref{Env: "T"}}).Proves() {
		t.Error("what is sent along is a user or a token")
	}
}
