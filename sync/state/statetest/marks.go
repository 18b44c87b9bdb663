package statetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"weir/sync/state"
)

func mark(source string, role state.Role, revision string) state.Mark {
	return state.Mark{Source: source, Role: role, Revision: revision, At: epoch()}
}

func expectMarks(t *testing.T, s state.Store, want ...state.Mark) {
	t.Helper()
	got, err := s.Marks(context.Background())
	noError(t, err)
	if len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("marks %v, want %v", got, want)
	}
}

func marksSet(t *testing.T, s state.Store) {
	ctx := context.Background()
	expectMarks(t, s)
	noError(t, s.SetMark(ctx, mark("b", state.Accepted, "1")))
	noError(t, s.SetMark(ctx, mark("a", state.InForce, "2")))
	noError(t, s.SetMark(ctx, mark("a", state.Held, "3")))
	noError(t, s.SetMark(ctx, mark("a", state.Accepted, "4")))
	later := mark("a", state.InForce, "5")
	later.At = time.Time{}
	noError(t, s.SetMark(ctx, later))
	expectMarks(t, s, mark("a", state.Accepted, "4"), mark("a", state.Held, "3"), later, mark("b", state.Accepted, "1"))
	noError(t, s.SetMark(ctx, mark("a", state.Held, "")))
	noError(t, s.SetMark(ctx, mark("never", state.Held, "")))
	expectMarks(t, s, mark("a", state.Accepted, "4"), later, mark("b", state.Accepted, "1"))
}

func marksRefuse(t *testing.T, s state.Store) {
	for name, m := range map[string]state.Mark{
		"no source": mark("", state.Held, "1"),
		"no role":   mark("a", "", "1"),
	} {
		if err := s.SetMark(context.Background(), m); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	expectMarks(t, s)
}
