package cluster_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/cluster"
)

// scene is a cluster as a test sets it: member "a" is this one.
type scene struct {
	cluster.Cluster
	mu      sync.Mutex
	view    cluster.View
	changed chan struct{}
	heard   []string
}

func newScene() *scene {
	return &scene{view: cluster.View{Self: "a", Leaders: map[string]cluster.Leader{}}, changed: make(chan struct{})}
}

func (s *scene) Term(account string) int64 {
	if s.View().Leaders[account].Member == "a" {
		return 1
	}
	return 0
}

func (s *scene) View() cluster.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

func (s *scene) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *scene) hear(what string) func() {
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.heard = append(s.heard, what)
	}
}

// set says who is there, a command with a "!" before its name, and who leads "x".
func (s *scene) set(leader string, members ...string) {
	v := cluster.View{Self: "a", Leaders: map[string]cluster.Leader{}}
	for _, m := range members {
		once := m[0] == '!'
		if once {
			m = m[1:]
		}
		v.Members = append(v.Members, cluster.Member{ID: m, Once: once})
	}
	if leader != "" {
		v.Leaders["x"] = cluster.Leader{Account: "x", Member: leader}
	}
	s.mu.Lock()
	s.view = v
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	synctest.Wait()
}

// TestVoice: each thing that all find out is said by one, whoever leads and whatever
// becomes of it.
func TestVoice(t *testing.T) {
	for name, story := range map[string]struct {
		run  func(s *scene, say func(string))
		want []string
	}{
		"the leader": {func(s *scene, say func(string)) { s.set("a", "a", "b"); say("1") }, []string{"say 1"}},
		"led by another": {func(s *scene, say func(string)) {
			s.set("b", "a", "b")
			say("1")
			time.Sleep(3 * time.Minute)
		}, []string{"note 1"}},
		"handed over by one who lives": {func(s *scene, say func(string)) {
			s.set("b", "a", "b")
			say("1")
			s.set("", "a", "b")
			say("2")
			s.set("a", "a", "b")
			say("3")
		}, []string{"note 1", "say 2", "say 3"}},
		"handed over at once": {func(s *scene, say func(string)) {
			s.set("b", "a", "b")
			say("1")
			s.set("a", "a", "b")
		}, []string{"note 1"}},
		"the leader died": {func(s *scene, say func(string)) {
			s.set("b", "a", "b")
			say("1")
			time.Sleep(14 * time.Second)
			say("x")
			time.Sleep(16 * time.Second)
			say("2") // b is dead, and nobody knows
			s.set("", "a")
			say("3")
			s.set("a", "a")
		}, []string{"note 1", "note x", "say 2", "say 3"}},
		"the leader died and a third leads": {func(s *scene, say func(string)) {
			s.set("b", "a", "b", "c")
			say("1")
			s.set("c", "a", "c")
			say("2")
			time.Sleep(3 * time.Minute)
		}, []string{"note 1", "note 2"}},
		"a command leads for a while": {func(s *scene, say func(string)) {
			s.set("a", "a", "b")
			s.set("z", "a", "b", "!z")
			say("1")
			s.set("a", "a", "b")
		}, []string{"say 1"}},
		"the lead is lost": {func(s *scene, say func(string)) {
			s.set("a", "a", "b")
			say("1")
			s.set("b", "a", "b")
			say("2")
			time.Sleep(3 * time.Minute)
		}, []string{"say 1", "note 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene()
				v := cluster.NewVoice(s, 10*time.Second)
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { defer close(ended); v.Listen(ctx) }()
				synctest.Wait()
				story.run(s, func(what string) {
					v.Say("x", s.hear("say "+what), s.hear("note "+what))
				})
				synctest.Wait()
				stop()
				<-ended
				if !slices.Equal(s.heard, story.want) {
					t.Errorf("heard %q, want %q", s.heard, story.want)
				}
			})
		})
	}
}

// TestVoice_Alone: who is alone says everything.
func TestVoice_Alone(t *testing.T) {
	v := cluster.NewVoice(nil, 0)
	said := false
	v.Say("x", func() { said = true }, func() { t.Error("noted") })
	v.Listen(t.Context())
	if !said || !v.Speaks("x") {
		t.Error("not said")
	}
}
