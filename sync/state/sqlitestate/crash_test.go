package sqlitestate

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"weir/sync/resource"
	"weir/sync/state"
)

// TestFailure_P04_KilledWhileSaving kills a process that writes as fast as it
// can, twenty times. Each time the store opens, is whole, and holds every write
// that was reported as done, and none of them by half.
func TestFailure_P04_KilledWhileSaving(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 2))
	var facts int
	for range 20 {
		path := newPath(t)
		p := start(t, "write", path)
		p.next()
		var lines []string
		for range 1 + random.IntN(400) {
			lines = append(lines, p.line())
		}
		lines = append(lines, p.kill()...)
		facts += len(lines)
		holds(t, path, lines)
	}
	t.Logf("%d facts held over 20 kills", facts)
}

// holds expects every fact that a child has said in the store at path.
func holds(t *testing.T, path string, lines []string) {
	t.Helper()
	s := openAt(t, path, Options{})
	must(t, s.Check(t.Context()))
	said := contents(t, s)
	for _, line := range lines {
		if strings.HasPrefix(line, "error") || !said[line] {
			t.Errorf("%q was said, but is not in the store", line)
		}
	}
	for fact := range said {
		key, partial := strings.CutPrefix(fact, "saved in part ")
		if partial {
			t.Errorf("only a part of the records of %s was saved", key)
		}
	}
	shut(t, s)
}

// contents are the facts that are true of s, in the words of writeRound.
func contents(t *testing.T, s *Store) map[string]bool {
	t.Helper()
	said, parts := map[string]bool{}, map[string]int{}
	for _, r := range records(t, s) {
		key, _, _ := strings.Cut(r.ID.Key, "/")
		parts[key]++
	}
	for key, n := range parts {
		said["saved "+key] = n == 3
		said["saved in part "+key] = n != 3
	}
	acts, err := s.Acts(t.Context())
	must(t, err)
	for _, a := range acts {
		said["begun "+a.ID.Key] = true
		said["settled "+a.ID.Key] = !a.InDoubt()
	}
	entries, err := s.Journal(t.Context(), state.Query{Limit: 1 << 20})
	must(t, err)
	for _, e := range entries {
		said["opened "+e.Operation] = true
		said["closed "+e.Operation] = !e.Outcome.Closed.IsZero()
	}
	for fact, is := range said {
		if !is {
			delete(said, fact)
		}
	}
	return said
}

// killedAfter has a child take steps and kills it, then opens its store.
func killedAfter(t *testing.T, steps ...string) *Store {
	t.Helper()
	path := newPath(t)
	p := start(t, "steps", path)
	for _, step := range steps {
		p.next()
		p.expect(step)
	}
	if left := p.kill(); len(left) != 0 {
		t.Fatalf("the child went on: %v", left)
	}
	return openAt(t, path, Options{})
}

func TestFailure_P01_KilledBeforeTheIntent(t *testing.T) {
	s := killedAfter(t, "opened")
	if got := contents(t, s); len(got) != 0 {
		t.Errorf("the store holds %v", got)
	}
	must(t, s.Begin(t.Context(), newWorld().acts[0]))
}

// Between the intent and the call, and between the call and its result, the
// store looks the same: in doubt.
func TestFailure_P02_P03_KilledBetweenIntentAndResult(t *testing.T) {
	s := killedAfter(t, "opened", "begun")
	a := newWorld().acts[0]
	if err := s.Begin(t.Context(), a); !errors.Is(err, state.ErrInDoubt) {
		t.Errorf("begin: %v", err)
	}
	acts, err := s.Acts(t.Context())
	must(t, err)
	if !slices.Equal(acts, []resource.Act{a}) || !acts[0].InDoubt() {
		t.Errorf("acts %v", acts)
	}
	entries, err := s.Journal(t.Context(), state.Query{})
	must(t, err)
	if len(entries) != 1 || entries[0].Operation != benchEntry().Operation || !entries[0].Outcome.Closed.IsZero() {
		t.Errorf("entries %v", entries)
	}
	a.Repeatable = true
	must(t, s.Begin(t.Context(), a))
}

func TestFailure_P03_KilledAfterTheResult(t *testing.T) {
	s := killedAfter(t, "opened", "begun", "settled")
	if err := s.Begin(t.Context(), newWorld().acts[0]); !errors.Is(err, state.ErrDone) {
		t.Errorf("begin: %v", err)
	}
	entries, err := s.Journal(t.Context(), state.Query{})
	must(t, err)
	if len(entries) != 1 || entries[0].Outcome.Code != "ok" {
		t.Errorf("entries %v", entries)
	}
}

// TestFailure_P10_ProcessesRaceForActs has two processes begin the same acts.
func TestFailure_P10_ProcessesRaceForActs(t *testing.T) {
	path := newPath(t)
	processes := []*process{start(t, "race", path), start(t, "race", path)}
	for _, p := range processes {
		p.next()
		p.expect("opened")
	}
	for _, p := range processes {
		p.next()
	}
	var won []string
	for _, p := range processes {
		lines := p.rest()
		t.Logf("one process won %d", len(lines))
		won = append(won, lines...)
	}
	slices.Sort(won)
	var want []string
	for i := range 200 {
		want = append(want, fmt.Sprintf("won act %03d", i))
	}
	if !slices.Equal(won, want) {
		t.Errorf("got %d winners: %v", len(won), won)
	}
}

// TestFailure_P10_ProcessesCreateOneStore opens a store that does not exist in
// several processes at once.
func TestFailure_P10_ProcessesCreateOneStore(t *testing.T) {
	for range 5 {
		path := newPath(t)
		var processes []*process
		for range 4 {
			processes = append(processes, start(t, "open", path))
		}
		for _, p := range processes {
			p.next()
		}
		for _, p := range processes {
			if lines := p.rest(); !slices.Equal(lines, []string{"saved"}) {
				t.Errorf("a process says %v", lines)
			}
		}
		if got := records(t, openAt(t, path, Options{})); len(got) != 4 {
			t.Errorf("%d records of 4 processes", len(got))
		}
	}
}
