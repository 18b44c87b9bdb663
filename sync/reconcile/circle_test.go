package reconcile

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weir/sync/call"
	"weir/sync/cluster"
	"weir/sync/emulator"
	"weir/sync/state/statetest"
)

// circle is a cluster in which the test says who leads what.
type circle struct {
	mu      sync.Mutex
	term    int64
	seats   []*seat
	leaders map[string]cluster.Leader
	changed chan struct{}
}

// seat is a member's part in a circle.
type seat struct {
	*circle
	name  string
	ready []string
	heard func(cluster.Trigger)
	left  time.Duration // of what it leads, an hour for 0
	calls atomic.Int64  // that it has sent
}

// counted counts the calls that go through.
func (s *seat) counted(next http.RoundTripper) http.RoundTripper {
	return tripper(func(req *http.Request) (*http.Response, error) {
		s.calls.Add(1)
		return next.RoundTrip(req)
	})
}

type tripper func(*http.Request) (*http.Response, error)

func (t tripper) RoundTrip(req *http.Request) (*http.Response, error) { return t(req) }

var _ cluster.Cluster = (*seat)(nil)

func newCircle() *circle {
	return &circle{leaders: map[string]cluster.Leader{}, changed: make(chan struct{})}
}

// join adds a member.
func (c *circle) join(name string) *seat {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &seat{circle: c, name: name, heard: func(cluster.Trigger) {}}
	c.seats = append(c.seats, s)
	return s
}

// lead lets a member lead accounts from now on, "" nobody.
func (c *circle) lead(name string, accounts ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range accounts {
		c.term++
		delete(c.leaders, a)
		if name != "" {
			c.leaders[a] = cluster.Leader{Account: a, Member: name, Name: name, Term: c.term}
		}
	}
	c.tell()
}

// leave ends a member, with what it leads.
func (c *circle) leave(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seats = slices.DeleteFunc(c.seats, func(s *seat) bool { return s.name == name })
	for a, l := range c.leaders {
		if l.Member == name {
			delete(c.leaders, a)
		}
	}
	c.tell()
}

func (c *circle) tell() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (s *seat) Term(account string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.leaders[account]; l.Member == s.name {
		return l.Term
	}
	return 0
}

func (s *seat) Left(account string) time.Duration {
	if s.Term(account) == 0 {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.left, time.Hour)
}

func (s *seat) View() cluster.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := cluster.View{Self: s.name, Leaders: maps.Clone(s.leaders)}
	for _, other := range s.seats {
		v.Members = append(v.Members, cluster.Member{ID: other.name, Name: other.name, Accounts: other.ready})
	}
	return v
}

func (s *seat) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *seat) Ready(accounts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = accounts
	s.tell()
}

func (s *seat) could(account string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.ready, account)
}

func (s *seat) Tell(_ context.Context, t cluster.Trigger) error {
	s.mu.Lock()
	others := slices.Clone(s.seats)
	s.mu.Unlock()
	for _, other := range others {
		if other != s {
			other.heard(t)
		}
	}
	return nil
}

func (s *seat) Close(context.Context) error {
	s.leave(s.name)
	return nil
}

// town are the houses of a cluster: one state, one pair of clouds, a source each.
type town struct {
	*circle
	houses []*house
	seats  []*seat
}

// inTown runs a test in a bubble of virtual time with members "a", "b", ... that run;
// a leads all but account volc, which b does.
func inTown(t *testing.T, members int, changes []change, story func(t *testing.T, w *town)) {
	synctest.Test(t, func(t *testing.T) {
		w := &town{circle: newCircle()}
		store, clouds := statetest.NewMemory(), emulator.New(emulator.DefaultWorld())
		for i := range members {
			h := &house{
				t: t, source: newTree(), clouds: clouds, store: store, registry: prometheus.NewRegistry(),
				limiters: call.Limiters{}, log: &strings.Builder{}, share: 0.3,
			}
			s := w.join(string(rune('a' + i)))
			h.store = store.Fenced(func(account string) bool { return s.Term(account) != 0 })
			h.mandate, h.through = s, s.counted
			s.heard = func(tr cluster.Trigger) { h.rec.Hear(tr.Source) }
			h.build(append(slices.Clone(changes), s.into)...)
			w.houses, w.seats = append(w.houses, h), append(w.seats, s)
		}
		w.lead("a", cluster.Sources, "ali")
		w.lead("b", "volc")
		for _, h := range w.houses {
			h.start()
			defer h.stop()
		}
		story(t, w)
	})
}

// into makes a house that of a member.
func (s *seat) into(_ *house, o *Options) {
	o.Cluster = s
	o.Feeds[0].Follows = "live"
}

// commit makes files the newest revision of every member's source.
func (w *town) commit(files ...string) {
	for _, h := range w.houses {
		h.commit(files...)
	}
}

// wait lets virtual time pass.
func (w *town) wait(d time.Duration) { w.houses[0].wait(d) }
