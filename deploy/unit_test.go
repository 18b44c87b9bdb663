package deploy

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// mostExposure bounds what `systemd-analyze security` says: 0 is best, 10 is
// worst, and about 1 is what a network service with one state folder can reach.
const mostExposure = 1.2

func TestUnit(t *testing.T) {
	says(t, "systemd/weir.service",
		"User=weir", "StateDirectory=weir", "ExecReload=/bin/kill -HUP $MAINPID", "TimeoutStopSec=15s",
		"NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "LimitCORE=0",
		"SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources",
		"LoadCredential=keys:/etc/weir/keys")
}

// TestUnitEtcd holds that a member of etcd waits for the others for as long as it
// takes, that weir does for etcd, and that weir starts after it.
func TestUnitEtcd(t *testing.T) {
	says(t, "etcd/etcd.service", "Type=notify", "StartLimitIntervalSec=0", "EnvironmentFile=/etc/etcd/etcd.env",
		"User=etcd", "StateDirectory=etcd", "LoadCredential=tls:/etc/etcd/tls", "NoNewPrivileges=yes", "ProtectSystem=strict")
	says(t, "etcd/weir.conf", "After=etcd.service", "StartLimitIntervalSec=0")
	says(t, "etcd/etcd.env", "ETCD_AUTO_COMPACTION_MODE=periodic", "ETCD_QUOTA_BACKEND_BYTES=8589934592",
		"ETCD_CLIENT_CERT_AUTH=true", "ETCD_PEER_CLIENT_CERT_AUTH=true")
}

// says holds that a file has these lines.
func says(t *testing.T, name string, lines ...string) {
	t.Helper()
	have := map[string]bool{}
	for line := range strings.Lines(read(t, name)) {
		have[strings.TrimSpace(line)] = true
	}
	for _, want := range lines {
		if !have[want] {
			t.Errorf("%s does not say %s", name, want)
		}
	}
}

func TestUnitExposure(t *testing.T) {
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	for _, unit := range []string{"systemd/weir.service", "etcd/etcd.service"} {
		out, err := exec.CommandContext(t.Context(), path,
			"security", "--offline=true", "--no-pager", unit).CombinedOutput()
		if err != nil {
			t.Skipf("systemd-analyze cannot judge offline: %v\n%s", err, out)
		}
		m := regexp.MustCompile(`Overall exposure level for \w+\.service: ([0-9.]+)`).FindSubmatch(out)
		if m == nil {
			t.Fatalf("no level in\n%s", out)
		}
		level, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil || level > mostExposure {
			t.Errorf("%s: exposure %s, %v; want at most %v\n%s", unit, m[1], err, mostExposure, out)
		}
	}
}
