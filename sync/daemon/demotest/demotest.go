// Package demotest runs `weir demo` as a user does, for the tests of those who look
// at it: a browser, a Prometheus.
package demotest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Demo is `weir demo`, running: the daemon, and both clouds as the emulator.
type Demo struct {
	*Program
	Dir    string // of weir.yaml and the manifests, which are in live
	Page   string // address, without a slash at the end
	Clouds string // the same of the emulator
	t      *testing.T
}

// Start runs the demo of a built program for the length of the test.
func Start(t *testing.T, weir string, flags ...string) *Demo {
	t.Helper()
	d := &Demo{t: t, Dir: filepath.Join(t.TempDir(), "demo")}
	d.Program = Run(t, ".", weir, append([]string{"demo", "--dir", d.Dir}, flags...)...)
	d.Page = d.Says(`page +(http://[^/ ]+)/`)
	d.Clouds = d.Says(`clouds +(http://[^/ ]+)/`)
	return d
}

// Ready waits until the daemon is.
func (d *Demo) Ready() {
	d.t.Helper()
	Eventually(d.t, "the daemon is ready", func() bool {
		code, _ := Ask(d.t, http.MethodGet, d.Page+"/readyz", "")
		return code == http.StatusOK
	})
}

// Sync asks for a full pass.
func (d *Demo) Sync() {
	d.t.Helper()
	if code, answer := Ask(d.t, http.MethodPost, d.Page+"/api/v1/sync", ""); code != http.StatusAccepted {
		d.t.Fatal(code, answer)
	}
}

// Put writes a file below Dir.
func (d *Demo) Put(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.Dir, name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// Cloud tells the emulator what somebody did in the clouds' console, or how the
// clouds are to behave; v is sent as JSON.
func (d *Demo) Cloud(method, path string, v any) {
	d.t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		d.t.Fatal(err)
	}
	if code, answer := Ask(d.t, method, d.Clouds+"/_emulator/"+path, string(body)); code/100 != 2 {
		d.t.Fatalf("%s %s: %d %s", method, path, code, answer)
	}
}

// Metric returns the sum of the series that begin so.
func (d *Demo) Metric(prefix string) float64 {
	d.t.Helper()
	_, text := Ask(d.t, http.MethodGet, d.Page+"/metrics", "")
	sum := 0.0
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		var v float64
		if i := strings.LastIndexByte(s.Text(), ' '); strings.HasPrefix(s.Text(), prefix) && i > 0 {
			if _, err := fmt.Sscan(s.Text()[i+1:], &v); err == nil {
				sum += v
			}
		}
	}
	return sum
}
