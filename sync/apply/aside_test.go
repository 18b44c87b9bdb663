package apply

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state/statetest"
)

// away is a run beside others, and what it told.
type away struct {
	*Aside
	shelf *shelf
	ended chan struct{}

	mu   sync.Mutex
	told map[string]Outcome
	seen int
}

// beside starts the changes of a plan of which not all need be due.
func beside(t *testing.T, s *shelf, o AsideOptions, whole ...plan.Change) *away {
	t.Helper()
	b := &away{shelf: s, ended: make(chan struct{}), told: map[string]Outcome{}}
	if s.things == nil {
		s.things = map[string]resource.Spec{}
	}
	o.Seen = func(list []resource.Observation) { b.mu.Lock(); defer b.mu.Unlock(); b.seen += len(list) }
	o.Done = func(r Result) { b.mu.Lock(); defer b.mu.Unlock(); b.told[r.ID.Key] = r.Outcome }
	o.Proven = func() {}
	a, err := New(Options{Accounts: map[string]Target{"acc": {s, call.Begin(s)}}, Store: statetest.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	b.Aside = a.Aside(&plan.Plan{Revision: "r1", Hash: "h1", Changes: whole}, o)
	go func() { defer close(b.ended); b.Run(t.Context()) }()
	return b
}

// slow is a shelf whose calls take a second.
func slow() *shelf { return &shelf{took: time.Second} }

func named(prefix string, n int, a plan.Action) []plan.Change {
	var out []plan.Change
	for i := range n {
		out = append(out, change(fmt.Sprintf("%s%03d", prefix, i), a))
	}
	return out
}

// TestTakenOutIsNeverCalled: what has not begun is not made any more, and nothing
// is told of it; what has begun ends.
func TestTakenOutIsNeverCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := named("c", 200, plan.Create)
		b := beside(t, slow(), AsideOptions{Changes: list}, list...)
		synctest.Wait()
		if b.TakeOut(list[0].ID) {
			t.Error("the first was taken out while its call was made")
		}
		if !b.TakeOut(list[199].ID) || b.TakeOut(list[199].ID) {
			t.Error("the last was not taken out once")
		}
		<-b.ended
		if slices.Contains(b.shelf.calls, "create c199") || len(b.shelf.calls) != 199 {
			t.Errorf("%d calls", len(b.shelf.calls))
		}
		if _, told := b.told["c199"]; told || b.told["c000"] != Done || len(b.told) != 199 {
			t.Errorf("told of %d", len(b.told))
		}
	})
}

// TestOnlyItsOwnIsMade: the rest of the plan only says what stands against it.
func TestOnlyItsOwnIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		missing := change("new", plan.None)
		missing.State, missing.Unmade = plan.Unknown, true
		own, old := change("own", plan.Create), change("old", plan.Delete)
		b := beside(t, slow(), AsideOptions{Changes: []plan.Change{own, old}}, missing, change("other", plan.Create), own, old)
		<-b.ended
		if !slices.Equal(b.shelf.calls, []string{"create own"}) || b.told["old"] != Refused || len(b.told) != 2 {
			t.Errorf("calls %v, told %v", b.shelf.calls, b.told)
		}
	})
}

// TestUpdatesBesideCount: six beside six are many, and need a first one that
// succeeds.
func TestUpdatesBesideCount(t *testing.T) {
	refuse := func(*call.Request) error { return &call.Error{Code: call.Invalid, Message: "no"} }
	for n, calls := range map[int]int{0: 6, 6: 1} {
		synctest.Test(t, func(t *testing.T) {
			list := updates(6)
			b := beside(t, &shelf{answer: refuse}, AsideOptions{Changes: list, Beside: map[string]int{"Thing": n}}, list...)
			if b.Proving("Thing") != (n > 0) || (b.Unproven("Thing") == 0) != (n > 0) {
				t.Errorf("beside %d: proving %t, unproven %d", n, b.Proving("Thing"), b.Unproven("Thing"))
			}
			<-b.ended
			if len(b.shelf.calls) != calls || b.Proving("Thing") {
				t.Errorf("beside %d: calls %v", n, b.shelf.calls)
			}
		})
	}
}

// TestReadAgainBeforeItIsWritten: what was read too long ago is read once more,
// all of it by one read where one serves all, and refused alone where it has
// moved.
func TestReadAgainBeforeItIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{things: map[string]resource.Spec{"a": `{"v":1}`, "b": `{"v":1}`, "c": `{"v":1}`}, together: true}
		var list []plan.Change
		for _, key := range []string{"a", "b", "c"} {
			c := change(key, plan.Update)
			c.Before, c.Read = `{"v":1}`, time.Now()
			c.Fingerprint = plan.Fingerprint(&resource.Observation{Spec: c.Before, Exists: true})
			list = append(list, c)
		}
		time.Sleep(11 * time.Second)
		s.things["b"] = `{"v":2}`
		b := beside(t, s, AsideOptions{Changes: list, Fresh: 10 * time.Second}, list...)
		<-b.ended
		if b.told["a"] != Done || b.told["b"] != Refused || b.told["c"] != Done || s.observed != 1 || b.seen != 3 {
			t.Errorf("told %v after %d reads, which showed %d", b.told, s.observed, b.seen)
		}
	})
}

// TestUrgentFirst: what forbids is made before what people ask for, and that
// before what only puts back.
func TestUrgentFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		healed, edited, urgent := change("healed", plan.Update), change("edited", plan.Update), change("urgent", plan.Update)
		healed.Reason, edited.Reason, urgent.Reason = plan.Drifted, plan.Edited, plan.Edited
		s := &shelf{forbids: "urgent"}
		list := []plan.Change{healed, edited, urgent}
		a, err := New(Options{Accounts: map[string]Target{"acc": {s, s}}, Store: statetest.NewMemory(), Parallel: 1})
		if err != nil {
			t.Fatal(err)
		}
		s.things = map[string]resource.Spec{}
		a.Aside(&plan.Plan{Changes: list}, AsideOptions{
			Changes: list, Done: func(Result) {}, Proven: func() {},
		}).Run(t.Context())
		if got := strings.Join(s.calls, ", "); got != "update urgent, update edited, update healed" {
			t.Errorf("calls %s", got)
		}
	})
}
