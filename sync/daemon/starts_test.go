package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/plan"
	"weir/sync/state"
	"weir/sync/state/statetest"
)

// begun is a process that has just started on a store.
func begun(t *testing.T, store state.Store) *starts {
	t.Helper()
	s := &starts{log: slog.New(slog.DiscardHandler)}
	s.begin(t.Context(), store, nil)
	return s
}

// TestFailure_P09_DelayGrows from a second to five minutes, across processes.
func TestFailure_P09_DelayGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := statetest.NewMemory()
		var got []time.Duration
		for range 20 {
			s := begun(t, store)
			began := time.Now()
			if !s.wait(t.Context()) {
				t.Fatal("it never began")
			}
			got = append(got, time.Since(began))
			time.Sleep(time.Minute) // and it dies
		}
		want := []time.Duration{0}
		for d := time.Second; d < 5*time.Minute; d *= 2 {
			want = append(want, d)
		}
		want = append(want, slices.Repeat([]time.Duration{5 * time.Minute}, 20-len(want))...)
		if !slices.Equal(got, want) {
			t.Errorf("delays %v, want %v", got, want)
		}
	})
}

// TestFailure_P09_ReadOnlyAfterFiveCrashes: five in ten minutes, until weir has
// run for ten; crashes that are rarer are none of a loop.
func TestFailure_P09_ReadOnlyAfterFiveCrashes(t *testing.T) {
	tests := map[string]struct {
		lives time.Duration // of each process
		want  bool
	}{
		"at once":            {0, true},
		"after a minute":     {time.Minute, true},
		"after three":        {3 * time.Minute, false},
		"after it is stable": {11 * time.Minute, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := statetest.NewMemory()
				for i := range 5 {
					s := begun(t, store)
					if s.readOnly() != "" {
						t.Errorf("read-only after %d crashes", i)
					}
					live(t, s, store, tc.lives)
				}
				s := begun(t, store)
				if got := s.readOnly() != ""; got != tc.want {
					t.Fatalf("read-only %t: %q", got, s.readOnly())
				}
				if !tc.want {
					return
				}
				live(t, s, store, 5*time.Minute)
				s = begun(t, store)
				if s.readOnly() == "" {
					t.Error("one that crashes later writes again")
				}
				if !s.settle(t.Context(), store) || s.readOnly() != "" {
					t.Errorf("after ten minutes still %q", s.readOnly())
				}
				if s := begun(t, store); s.readOnly() != "" || s.delay != 0 {
					t.Errorf("the next start: %q, delay %v", s.readOnly(), s.delay)
				}
			})
		})
	}
}

// live lets a process run for a while and die.
func live(t *testing.T, s *starts, store state.Store, d time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if s.settle(ctx, store) {
		t.Error("lifted what was not there")
	}
	<-ctx.Done()
}

// TestFailure_P09_StopIsNoCrash: who stops weir has looked at it.
func TestFailure_P09_StopIsNoCrash(t *testing.T) {
	store := statetest.NewMemory()
	for range 10 {
		s := begun(t, store)
		if s.delay != 0 || s.readOnly() != "" {
			t.Errorf("delay %v, %q", s.delay, s.readOnly())
		}
		s.forget(t.Context(), store)
	}
	for range 7 {
		begun(t, store)
	}
	s := begun(t, store)
	if s.readOnly() == "" {
		t.Error("seven crashes at once, and it writes")
	}
	s.forget(t.Context(), store)
	if s := begun(t, store); s.readOnly() != "" || s.delay != 0 {
		t.Errorf("after a stop: delay %v, %q", s.delay, s.readOnly())
	}
}

// TestStartsThatCannotBeRemembered keep nothing from going on.
func TestStartsThatCannotBeRemembered(t *testing.T) {
	log := &strings.Builder{}
	s := &starts{log: slog.New(slog.NewTextHandler(log, nil))}
	s.begin(t.Context(), forgetful{statetest.NewMemory()}, nil)
	if s.readOnly() != "" || !s.wait(t.Context()) || !strings.Contains(log.String(), "cannot remember that weir starts") {
		t.Errorf("%q, log %s", s.readOnly(), log)
	}
	store := statetest.NewMemory()
	err := store.SetMark(t.Context(), state.Mark{Source: state.ProcessSource, Role: state.Starts, Revision: "of another form"})
	if s := begun(t, store); err != nil || s.delay != 0 || s.readOnly() != "" {
		t.Errorf("delay %v, %q, %v", s.delay, s.readOnly(), err)
	}
}

type forgetful struct{ state.Store }

func (forgetful) SetMark(context.Context, state.Mark) error { return errors.New("no space left") }

// TestFailure_P09_DaemonSaysSo where people and machines look, calls nothing, and
// has forgotten once it was stopped.
func TestFailure_P09_DaemonSaysSo(t *testing.T) {
	w := newWorld(t)
	mark := state.Mark{Source: state.ProcessSource, Role: state.Starts, Revision: `{"starts":[],"readOnly":true}`, At: time.Now()}
	if err := w.store.SetMark(t.Context(), mark); err != nil {
		t.Fatal(err)
	}
	w.mode = plan.Sync
	d := w.start()
	until(t, d, "/readyz", "ready\n")
	until(t, d, "/api/v1/status", `"readOnly": "weir has crashed 5 times within 10 minutes`)
	until(t, d, "/", "weir has crashed 5 times")
	until(t, d, "/metrics", "weir_read_only 1")
	until(t, d, "/api/v1/resources", `"withheld": "weir has crashed`)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, d, "/api/v1/status", `"readOnly": "weir has crashed`)
	for _, c := range w.clouds.Journal() {
		if !strings.HasPrefix(c.Operation, "Describe") {
			t.Errorf("it called %s", c.Operation)
		}
	}
	if err := d.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	marks, err := w.store.Marks(t.Context())
	if err != nil || slices.ContainsFunc(marks, func(m state.Mark) bool { return m.Role == state.Starts }) {
		t.Errorf("marks %+v, %v", marks, err)
	}
}
