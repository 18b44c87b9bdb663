package daemon

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/sync/cluster"
	"weir/sync/daemon/view"
)

// seat is a place in a cluster in which nothing happens but what a test says.
type seat struct {
	mu      sync.Mutex
	view    cluster.View
	changed chan struct{}
}

var _ cluster.Cluster = (*seat)(nil)

// newSeat is that of a member b beside a; leaders are by account.
func newSeat(leaders map[string]string) *seat {
	s := &seat{changed: make(chan struct{})}
	s.set(leaders)
	return s
}

// set says who leads what from now on.
func (s *seat) set(leaders map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view = cluster.View{Self: "b", Age: 2 * time.Second, Leaders: map[string]cluster.Leader{}, Members: []cluster.Member{
		{ID: "a", Name: "weir-a", Version: "test", Address: "http://a.example.com", Since: time.Now(), Format: 1},
		{ID: "b", Name: "weir-b", Version: "test", Since: time.Now(), Format: 1},
		{ID: "c", Name: "weir-a", Process: "weir apply", Version: "test", Since: time.Now(), Once: true, Format: 2},
	}}
	for account, id := range leaders {
		s.view.Leaders[account] = cluster.Leader{Account: account, Member: id, Name: "weir-" + id, Term: 7, Since: time.Now()}
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *seat) Term(account string) int64 {
	if l := s.View().Leaders[account]; l.Member == "b" {
		return l.Term
	}
	return 0
}

func (s *seat) Left(account string) time.Duration { return time.Duration(s.Term(account)) * time.Hour }

func (s *seat) View() cluster.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

func (s *seat) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *seat) Ready(...string)                             {}
func (s *seat) Tell(context.Context, cluster.Trigger) error { return nil }
func (s *seat) Close(context.Context) error                 { return nil }

// TestClusterIsShown: the API says who leads what, as its document says, and whoever
// looks is told when that changes.
func TestClusterIsShown(t *testing.T) {
	w := newWorld(t)
	place := newSeat(map[string]string{cluster.Sources: "b", "ali": "b", "volc": "a"})
	w.cluster = place
	d, c := w.start(), newContract(t)
	until(t, d, "/api/v1/status", `"state": "in-sync"`)
	status := decode[view.Overview](t, c.ask(d, "GET", "/api/v1/status", "/api/v1/status"))
	whole := decode[view.Cluster](t, c.ask(d, "GET", "/api/v1/cluster", "/api/v1/cluster"))
	if l, is := whole.Lead("volc"); !is || l.Name != "weir-a" || l.Address != "http://a.example.com" || status.Cluster == nil {
		t.Errorf("%+v leads volc; in the status: %+v", l, status.Cluster)
	}
	if l, _ := whole.Lead("ali"); l.Seen.IsZero() || l.Member != whole.Self {
		t.Errorf("of ali there is %+v", l)
	}
	if _, text := get(t, d, "/metrics"); !strings.Contains(text, "\nweir_cluster_members 2\n") ||
		!strings.Contains(text, "\nweir_cluster_view_age_seconds 2\n") {
		t.Error("the metrics do not tell of two members and the age of the view")
	}
	events := listen(t, d)
	await(t, events, "status", `"volc":"weir-a"`)
	place.set(map[string]string{cluster.Sources: "b", "ali": "b", "volc": "b"})
	e := await(t, events, "status", `"volc":"weir-b"`)
	c.holds("event-status", map[string]any{"$ref": "#/components/schemas/Headline"}, e.data)
}

// lost is a seat of which the lease is over: what it knew last is old.
type lost struct{ *seat }

func (l lost) Term(string) int64 { return 0 }

func (l lost) View() cluster.View {
	v := l.seat.View()
	v.Error = "its lease was lost"
	return v
}

// TestFailure_P14_WhoLostItsLeaseLeadsNothing: also not by what it knew before; of others
// that is still the best there is.
func TestFailure_P14_WhoLostItsLeaseLeadsNothing(t *testing.T) {
	w := newWorld(t)
	w.cluster = lost{newSeat(map[string]string{cluster.Sources: "b", "ali": "b", "volc": "a"})}
	d, c := w.start(), newContract(t)
	got := decode[view.Cluster](t, c.ask(d, "GET", "/api/v1/cluster", "/api/v1/cluster"))
	if none := got.Unled(); !slices.Equal(none, []string{"*", "ali"}) || got.Error == "" {
		t.Errorf("nobody leads %v, %q", none, got.Error)
	}
	if l, _ := got.Lead("volc"); l.Name != "weir-a" {
		t.Errorf("volc is led by %+v", l)
	}
}

// TestNothingOfAClusterIsShownToOne: a process that works alone says nothing of members.
func TestNothingOfAClusterIsShownToOne(t *testing.T) {
	d, c := newWorld(t).start(), newContract(t)
	until(t, d, "/api/v1/status", `"state": "in-sync"`)
	if body := c.ask(d, "GET", "/api/v1/cluster", "/api/v1/cluster"); !strings.Contains(body, "alone") {
		t.Errorf("a cluster of one: %s", body)
	}
	for _, path := range []string{"/api/v1/status", "/?lang=en", "/resources", "/plan"} {
		if code, body := get(t, d, path); code != http.StatusOK || strings.Contains(strings.ToLower(body), "cluster") ||
			strings.Contains(body, "Members") {
			t.Errorf("%s speaks of a cluster: %d %s", path, code, body)
		}
	}
	if _, text := get(t, d, "/metrics"); !strings.Contains(text, "\nweir_cluster_members 0\n") {
		t.Error("the metrics do not say that there is no cluster")
	}
}
