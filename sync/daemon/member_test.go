package daemon

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir/sync/cluster"
	"weir/sync/cluster/clustertest"
	"weir/sync/daemon/webhook"
	"weir/sync/secret"
	"weir/sync/source"
	"weir/sync/state"
)

// poked is a source that counts how often it is asked to look.
type poked struct {
	source.Source
	n *atomic.Int64
}

func (p poked) Poke() { p.n.Add(1) }

// membered is a daemon that is a member of a cluster, with a webhook of GitHub's.
type membered struct {
	*hooked
	member *clustertest.Process
	pokes  *atomic.Int64
}

// startMembers runs daemons "a", "b", ... on one store and one pair of clouds.
func startMembers(t *testing.T, n int) (*clustertest.Memory, []*membered) {
	t.Helper()
	together := clustertest.NewMemory(t, clustertest.Options{Lease: 3 * time.Second})
	first := newWorld(t)
	var out []*membered
	for i := range n {
		w := newWorld(t)
		w.store, w.clouds, w.follows = first.store, first.clouds, "live"
		m := &membered{hooked: &hooked{t: t, world: w}, pokes: &atomic.Int64{}}
		asked := &Member{}
		m.member = together.Join(clustertest.Joining{
			Name: string(rune('a' + i)), Process: "weir run", Heard: asked.Heard, Idle: asked.Idle,
		})
		w.cluster = m.member
		open := w.open
		w.open = func() (source.Source, func() error, error) {
			src, end, err := open()
			return poked{src, m.pokes}, end, err
		}
		m.Daemon = m.make(asked)
		w.begin(m.Daemon)
		out = append(out, m)
	}
	for _, m := range out {
		until(t, m.Daemon, "/readyz", "ready\n")
	}
	return together, out
}

func (m *membered) make(asked *Member) *Daemon {
	m.t.Helper()
	file := filepath.Join(m.t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("s3"), 0o600); err != nil {
		m.t.Fatal(err)
	}
	d, err := New(m.t.Context(), Options{Listen: m.world.listen, Registry: m.world.registry, Load: func(ctx context.Context) (Setup, error) {
		setup, err := m.world.load(ctx)
		setup.Member = asked
		setup.Webhooks = []webhook.Hook{{
			Source: "live", Kind: webhook.GitHub, Secret: secret.Ref{File: file},
			URL: "https://git.example.com/team/live", Ref: "main", Poke: func() { m.pokes.Add(1) },
		}}
		return setup, err
	}})
	if err != nil {
		m.t.Fatal(err)
	}
	return d
}

// leader returns the members, the one that leads an account first.
func leader(t *testing.T, all []*membered, account string) (first, second *membered) {
	t.Helper()
	clustertest.Await(t, all[0].member, account+" is led", func() bool { return all[0].member.View().Leaders[account].Member != "" })
	if all[0].member.Term(account) != 0 {
		return all[0], all[1]
	}
	return all[1], all[0]
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestATriggerIsPassedOn: what one member is told all look for, whoever leads.
func TestATriggerIsPassedOn(t *testing.T) {
	_, all := startMembers(t, 2)
	for i, m := range all {
		other := all[1-i]
		before := other.pokes.Load()
		if code := m.deliver("/webhook/live", "delivery"); code != http.StatusAccepted {
			t.Errorf("a delivery: %d", code)
		}
		eventually(t, "the other looks after a delivery", func() bool { return other.pokes.Load() > before })
		before = other.pokes.Load()
		if code := <-asked(m.Daemon, "POST", "/api/v1/sync"); code != http.StatusAccepted {
			t.Errorf("a request to synchronise: %d", code)
		}
		eventually(t, "the other looks after a request", func() bool { return other.pokes.Load() > before })
	}
}

// TestStopHandsOver: another leads what a daemon led within a second of its stop, and
// not only once its lease has run out.
func TestStopHandsOver(t *testing.T) {
	_, all := startMembers(t, 2)
	was, next := leader(t, all, "ali")
	began := time.Now()
	if err := was.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other leads all", func() bool { return clustertest.Leads(next.member, "ali", "volc", cluster.Sources) == 3 })
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestReloadStaysAMember: reading the configuration again gives up nothing.
func TestReloadStaysAMember(t *testing.T) {
	_, all := startMembers(t, 2)
	eventually(t, "the share is even", func() bool {
		return clustertest.Leads(all[0].member, "ali", "volc", cluster.Sources) > 0 && clustertest.Leads(all[1].member, "ali", "volc", cluster.Sources) > 0
	})
	m, _ := leader(t, all, "ali")
	term := m.member.Term("ali")
	if err := m.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, m.Daemon, "/readyz", "ready\n")
	if now := m.member.Term("ali"); now != term {
		t.Errorf("the term was %d and is %d", term, now)
	}
	if err := all[0].Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestFailure_P14_TheClusterIsAway: weir says that it is not ready and since when, and
// shows what it knows.
func TestFailure_P14_TheClusterIsAway(t *testing.T) {
	_, all := startMembers(t, 2)
	m := all[0]
	m.member.Cut()
	body := until(t, m.Daemon, "/readyz", "not ready: the cluster is not known")
	if !strings.Contains(body, ", since 2") {
		t.Errorf("%q does not say since when", body)
	}
	if code, _ := get(t, m.Daemon, "/"); code != http.StatusOK {
		t.Errorf("the page: %d", code)
	}
	if code, body := get(t, m.Daemon, "/api/v1/resources"); code != http.StatusOK || !strings.Contains(body, "MultiStream") {
		t.Errorf("the resources: %d %s", code, body)
	}
	m.member.Mend()
	until(t, m.Daemon, "/readyz", "ready\n")
}

// TestFailure_P09_StartsAreOfOneMember: that several start at one time, or one crashes,
// says nothing of the others.
func TestFailure_P09_StartsAreOfOneMember(t *testing.T) {
	_, all := startMembers(t, 3)
	marks, err := all[0].world.store.Marks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var of []string
	for _, m := range marks {
		if m.Role == state.Starts {
			of = append(of, m.Source)
		}
	}
	want := []string{"weir/process on a", "weir/process on b", "weir/process on c"}
	if slices.Sort(of); !slices.Equal(of, want) {
		t.Errorf("starts of %q, want %q", of, want)
	}
	for _, m := range all {
		m.starts.mu.Lock()
		if m.starts.delay != 0 {
			t.Errorf("a delay of %v", m.starts.delay)
		}
		m.starts.mu.Unlock()
	}
}
