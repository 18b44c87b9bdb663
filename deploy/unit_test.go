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
	have := map[string]bool{}
	for line := range strings.Lines(read(t, "systemd/weir.service")) {
		have[strings.TrimSpace(line)] = true
	}
	for _, want := range []string{
		"User=weir", "StateDirectory=weir", "ExecReload=/bin/kill -HUP $MAINPID", "TimeoutStopSec=15s",
		"NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "LimitCORE=0",
		"SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources",
		"LoadCredential=keys:/etc/weir/keys",
	} {
		if !have[want] {
			t.Errorf("the unit does not say %s", want)
		}
	}
}

func TestUnitExposure(t *testing.T) {
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	out, err := exec.CommandContext(t.Context(), path,
		"security", "--offline=true", "--no-pager", "systemd/weir.service").CombinedOutput()
	if err != nil {
		t.Skipf("systemd-analyze cannot judge offline: %v\n%s", err, out)
	}
	m := regexp.MustCompile(`Overall exposure level for weir\.service: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("no level in\n%s", out)
	}
	level, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil || level > mostExposure {
		t.Errorf("exposure %s, %v; want at most %v\n%s", m[1], err, mostExposure, out)
	}
}
