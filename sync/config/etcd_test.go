package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"weir/sync/secret"
)

// inEtcd is the least configuration with a state in etcd.
func inEtcd(etcd, rest string) []byte {
	return []byte(strings.Replace(least, "policy:", "state:\n  etcd: "+etcd+"\n"+rest+"policy:", 1))
}

func TestEtcdDefaults(t *testing.T) {
	cfg, problems := Parse("/etc/weir/weir.yaml", inEtcd("{endpoints: ['http://127.0.0.1:2379']}", ""))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	if want := (&Etcd{Endpoints: []string{"http://127.0.0.1:2379"}, Prefix: "/weir/"}); !reflect.DeepEqual(cfg.Etcd, want) {
		t.Errorf("etcd %+v", cfg.Etcd)
	}
	if want := (Cluster{Lease: 10 * time.Second, Folder: "/etc/weir/weir.local"}); cfg.Cluster != want || cfg.StatePath != "" {
		t.Errorf("cluster %+v, a file %q", cfg.Cluster, cfg.StatePath)
	}
}

func TestEtcdEverythingSet(t *testing.T) {
	cfg, problems := Parse("ops/weir.yaml", inEtcd(`
    endpoints: ["https://a:2379", "https://b:2379", "https://c:2379"]
    prefix: /live/weir
    caFile: ca.pem
    serverName: etcd
    certFile: /etc/ssl/weir.pem
    keyFile: weir.key
    username: weir
    passwordFile: pw`, "cluster: {name: weir-1, lease: 30s, address: \"https://weir-1:8180\", folder: /var/lib/weir}\n"))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	want := &Etcd{
		Endpoints: []string{"https://a:2379", "https://b:2379", "https://c:2379"}, Prefix: "/live/weir/",
		CAFile: "ops/ca.pem", ServerName: "etcd", CertFile: "/etc/ssl/weir.pem", KeyFile: "ops/weir.key",
		User: "weir", Password: secret.Ref{File: "ops/pw"},
	}
	if !reflect.DeepEqual(cfg.Etcd, want) {
		t.Errorf("etcd %+v", cfg.Etcd)
	}
	here := Cluster{Name: "weir-1", Lease: 30 * time.Second, Address: "https://weir-1:8180", Folder: "/var/lib/weir"}
	if cfg.Cluster != here {
		t.Errorf("cluster %+v", cfg.Cluster)
	}
}

// TestEtcdProblems: what no schema can say, and what is only warned of.
func TestEtcdProblems(t *testing.T) {
	tests := map[string]struct {
		etcd    string
		refused bool
		want    string // "" for no problem
	}{
		"TLS here and there": {
			"{endpoints: ['https://a:2379', 'http://b:2379', 'https://c:2379']}", true,
			"weir.yaml:10:40: state.etcd.endpoints[1]: is not of the scheme",
		},
		"an authority for no TLS": {
			"{endpoints: ['http://localhost:2379'], caFile: ca.pem}", true,
			"weir.yaml:10:56: state.etcd.caFile: is for TLS",
		},
		"a certificate for no TLS": {
			"{endpoints: ['http://[::1]:2379'], certFile: a, keyFile: b}", true, "weir.yaml:10:54: state.etcd.certFile: is for TLS",
		},
		"in the open": {"{endpoints: ['http://10.0.0.1:2379']}", false, "weir.yaml:10:22: state.etcd.endpoints[0]: http:// lets"},
		"a password in the open": {
			"{endpoints: ['http://a:2379'], username: weir, passwordEnv: PW}", false,
			"weir.yaml:10:22: state.etcd.endpoints[0]: http:// lets everybody on the way read and change what weir remembers, and read the password",
		},
		"an even number":     {"{endpoints: ['https://a:2379', 'https://b:2379']}", false, "weir.yaml:10:21: state.etcd.endpoints: 2 members"},
		"one, on loopback":   {"{endpoints: ['http://127.0.0.2:2379']}", false, ""},
		"one, behind a name": {"{endpoints: ['https://etcd.example.com:2379']}", false, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			cfg, problems := Parse("weir.yaml", inEtcd(tc.etcd, ""))
			if (cfg == nil) != tc.refused || (len(problems) == 0) != (tc.want == "") {
				t.Fatalf("config %v, problems %v", cfg, problems)
			}
			if tc.want != "" && !strings.HasPrefix(problems[0].String(), tc.want) {
				t.Errorf("problem  %s\nwant one at %s", problems[0], tc.want)
			}
		})
	}
}
