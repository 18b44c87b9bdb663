package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What a daemon's metrics say of who leads, and of what is as declared.
var (
	leadsLine  = regexp.MustCompile(`(?m)^weir_leader\{account="([^"]+)"\} 1$`)
	inSyncLine = regexp.MustCompile(`(?m)^weir_resources\{account="([^"]+)".*state="in-sync"\} ([0-9]+)$`)
)

// told is what was said last.
type told struct {
	leads  map[string]string
	inSync bool
}

// look says what is otherwise than it was said.
func (t *told) look(ctx context.Context, c *cluster, out io.Writer) {
	leads, inSync := map[string]string{}, 0
	for _, d := range c.daemons {
		if d.gone() {
			continue
		}
		text, err := metrics(ctx, d.address)
		if err != nil {
			continue // it begins, ends, or was stopped
		}
		for _, m := range leadsLine.FindAllStringSubmatch(text, -1) {
			leads[m[1]] = fmt.Sprintf("%s (pid %d)", d.name, d.pid())
		}
		for _, m := range inSyncLine.FindAllStringSubmatch(text, -1) {
			if n, _ := strconv.Atoi(m[2]); strings.HasPrefix(leads[m[1]], d.name) { // who leads it knows it first
				inSync += n
			}
		}
	}
	now := time.Now().Format(time.TimeOnly)
	for _, account := range slices.Sorted(maps.Keys(leads)) {
		if t.leads[account] != leads[account] {
			t.leads[account] = leads[account]
			fmt.Fprintf(out, "%s: %s is led by %s\n", now, account, leads[account])
		}
	}
	if all := inSync == 3*many; all != t.inSync {
		t.inSync = all
		fmt.Fprintf(out, "%s: %d of %d resources are in sync\n", now, inSync, 3*many)
	}
}

// metrics returns what a daemon tells Prometheus.
func metrics(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// tour says what runs and what to try.
func (c *cluster) tour() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nThree weir daemons share three accounts and one state; the manifests are in %s/live.\n\n", c.dir)
	for _, d := range c.daemons {
		fmt.Fprintf(&b, "  %-9s pid %-7d http://%s\n", d.name, d.pid(), d.address)
	}
	for _, m := range c.members {
		fmt.Fprintf(&b, "  %-9s pid %-7d %s\n", m.name, m.pid(), m.address)
	}
	fmt.Fprintf(&b, "  %-9s pid %-7d http://%s/_emulator/world\n", c.emulator.name, c.emulator.pid(), c.emulator.address)
	fmt.Fprintf(&b, `
Their logs are %[1]s/*.log. When all is in sync, change an account in another terminal:

  sed -i 's/rtmp/flv/' %[1]s/live/volc-main.yaml

and, in the middle of it, kill whoever leads it, and a member of etcd:

  kill -9 PID

The outcome is the same: http://%[2]s/ shows it, and so does any other page.
Enter starts again what was killed, Ctrl-C ends all of it.

`, c.dir, c.daemons[0].address)
	return b.String()
}
