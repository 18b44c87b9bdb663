package takeover

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/sync/emulator"
)

// How much is declared.
const (
	relays     = 30 // of each account of Volcengine
	recordings = 8
	ingests    = 10
)

// load is what is declared, and edits it.
type load struct {
	t        *testing.T
	dir      string
	random   *rand.Rand
	relays   map[string][]int // by account: the number that its address has
	restarts []int            // by recording: its restart token
	allowed  []bool
	edits    int
}

func newLoad(t *testing.T, dir string) *load {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	l := &load{
		t: t, dir: dir, random: rand.New(rand.NewPCG(seed, 1)), restarts: make([]int, recordings), allowed: make([]bool, ingests),
		relays: map[string][]int{"volc-a": make([]int, relays), "volc-b": make([]int, relays)},
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l.write()
	return l
}

// edit changes some of everything, in one revision. A recording is restarted anew only
// when the clouds have carried out the last restart, so that a doubled one shows.
func (l *load) edit(done map[string]int) {
	l.edits++
	for _, of := range l.relays {
		for range 6 {
			of[l.random.IntN(len(of))]++
		}
	}
	if i := l.random.IntN(len(l.restarts)); done[fmt.Sprint("s", i)] == l.restarts[i] {
		l.restarts[i]++
	}
	i := l.random.IntN(len(l.allowed))
	l.allowed[i] = !l.allowed[i]
	l.write()
}

// write replaces the one file at once: no daemon sees a half of it.
func (l *load) write() {
	l.t.Helper()
	var b strings.Builder
	for account, of := range l.relays {
		for i, n := range of {
			fmt.Fprintf(&b, "apiVersion: volcengine/v1\nkind: RelaySource\nmetadata: {account: %s}\nspec: {vhost: %s.example.com, app: app%d, "+
				"groups: [{name: main, servers: [{address: origin-%d.example.org, protocol: rtmp}]}]}\n---\n", account, account, i, n)
		}
	}
	for i, n := range l.restarts {
		fmt.Fprintf(&b, "apiVersion: aliyun/v1\nkind: Recording\nmetadata: {account: aliyun-main}\nspec: {domain: live.example.com, app: live, "+
			"stream: s%d, state: recording, restart: take-%d}\n---\n", i, n)
	}
	for i, ok := range l.allowed {
		fmt.Fprintf(&b, "apiVersion: aliyun/v1\nkind: StreamIngest\nmetadata: {account: aliyun-backup}\nspec: {domain: push.example.com, app: live, "+
			"stream: i%d, allowed: %t}\n---\n", i, ok)
	}
	file := filepath.Join(l.dir, "all.yaml")
	err := os.WriteFile(file+".new", []byte(strings.TrimSuffix(b.String(), "---\n")), 0o600)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// differs says what of the declared the clouds do not hold.
func (l *load) differs(w emulator.World) error {
	holds := map[string]string{}
	for _, r := range w.RelaySources {
		if len(r.Groups) == 1 && len(r.Groups[0].Servers) == 1 {
			holds[r.Vhost+"/"+r.App] = r.Groups[0].Servers[0].Address
		}
	}
	for account, of := range l.relays {
		for i, n := range of {
			want := fmt.Sprintf("origin-%d.example.org", n)
			if got := holds[fmt.Sprintf("%s.example.com/app%d", account, i)]; got != want {
				return fmt.Errorf("%s/app%d is %q, want %q", account, i, got, want)
			}
		}
	}
	blocked := map[string]bool{}
	for _, b := range w.Blocked {
		blocked[b.Stream] = true
	}
	for i, ok := range l.allowed {
		if blocked[fmt.Sprint("i", i)] == ok {
			return fmt.Errorf("ingest i%d: blocked %t, allowed %t", i, !ok, ok)
		}
	}
	return nil
}

// undone says which restarts are lost, or doubled. The first token of a recording is
// its baseline, and restarts nothing.
func (l *load) undone(done map[string]int) error {
	for i, n := range l.restarts {
		if got := done[fmt.Sprint("s", i)]; got != n {
			return fmt.Errorf("recording s%d was restarted %d times, %d are declared", i, got, n)
		}
	}
	return nil
}

// restarted counts by stream the restarts that the clouds carried out.
func restarted(calls []emulator.Call) map[string]int {
	out := map[string]int{}
	for _, c := range calls {
		if c.Operation == "RealTimeRecordCommand" && c.Params["Command"] == "restart" && c.Code == "" {
			stream, _ := c.Params["StreamName"].(string)
			out[stream]++
		}
	}
	return out
}
