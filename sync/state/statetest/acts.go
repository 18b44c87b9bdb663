package statetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

func actsOrder(t *testing.T, s state.Store) {
	want := []resource.Act{
		act("a", "region 2", "t"), act("a", "start", "t"), act("a/b", "restart", "t"), act("b", "stop", "t"),
	}
	for _, i := range []int{2, 0, 3, 1} {
		noError(t, s.Begin(context.Background(), want[i]))
	}
	if got := acts(t, s); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// step is one call of Begin or Settle and the error it has to give.
type step struct {
	verb string // begin, again (a repeatable Begin), done, undone, forget
	key  string // of the token
	want error
}

// actTransitions walks every edge between "not there", "in doubt" and "done".
func actTransitions(t *testing.T, s state.Store) {
	walks := map[string][]step{
		"begin twice":             {{"begin", "1", nil}, {"begin", "1", state.ErrInDoubt}},
		"begin after done":        {{"begin", "1", nil}, {"done", "1", nil}, {"begin", "1", state.ErrDone}},
		"begin after it did not":  {{"begin", "1", nil}, {"undone", "1", nil}, {"begin", "1", nil}},
		"repeatable in doubt":     {{"begin", "1", nil}, {"again", "1", nil}, {"begin", "1", state.ErrInDoubt}},
		"repeatable done":         {{"again", "1", nil}, {"done", "1", nil}, {"again", "1", state.ErrDone}},
		"another token, in doubt": {{"begin", "1", nil}, {"begin", "2", nil}, {"begin", "2", state.ErrInDoubt}},
		"another token, done": {
			{"begin", "1", nil}, {"done", "1", nil}, {"begin", "2", nil}, {"done", "2", nil},
		},
		"token before the last": {{"begin", "1", nil}, {"begin", "2", nil}, {"done", "1", state.ErrNoAct}},
		"settle nothing":        {{"done", "1", state.ErrNoAct}, {"undone", "1", state.ErrNoAct}},
		"settle twice":          {{"begin", "1", nil}, {"done", "1", nil}, {"done", "1", nil}},
		"taken back twice":      {{"begin", "1", nil}, {"undone", "1", nil}, {"undone", "1", state.ErrNoAct}},
		"taken back after done": {{"begin", "1", nil}, {"done", "1", nil}, {"undone", "1", state.ErrDone}},
		"still done after taking back": {
			{"begin", "1", nil}, {"done", "1", nil}, {"undone", "1", state.ErrDone}, {"begin", "1", state.ErrDone},
		},
		"settle after forgetting": {{"begin", "1", nil}, {"forget", "1", nil}, {"done", "1", state.ErrNoAct}},
		"begin after forgetting": {
			{"begin", "1", nil}, {"done", "1", nil}, {"forget", "1", nil}, {"begin", "1", nil},
		},
		"empty token": {
			{"begin", "", nil}, {"begin", "", state.ErrInDoubt}, {"done", "", nil}, {"begin", "", state.ErrDone},
		},
	}
	for name, walk := range walks {
		t.Run(name, func(t *testing.T) {
			for i, st := range walk {
				if err := st.take(s, name); !errors.Is(err, st.want) {
					t.Fatalf("step %d, %s %q: got %v, want %v", i+1, st.verb, st.key, err, st.want)
				}
			}
		})
	}
}

// take carries out the step on the act of resource key.
func (st step) take(s state.Store, key string) error {
	ctx, a := context.Background(), act(key, "start", st.key)
	switch st.verb {
	case "again":
		a.Repeatable = true
		return s.Begin(ctx, a)
	case "done":
		a.Done = epoch().Add(time.Second)
		return s.Settle(ctx, a)
	case "undone":
		return s.Settle(ctx, a)
	case "forget":
		return s.Forget(ctx, a.ID)
	}
	return s.Begin(ctx, a)
}

// actFields pins which fields Begin and Settle write.
func actFields(t *testing.T, s state.Store) {
	ctx := context.Background()
	a := resource.Act{ID: id("x"), Name: "region ZHJ", Token: "1", Begun: epoch(), Done: epoch(), Repeatable: true}
	noError(t, s.Begin(ctx, a))
	a.Done = time.Time{} // Begin does not write it
	expectAct(t, s, a)

	a.Begun = epoch().Add(time.Minute)
	noError(t, s.Begin(ctx, a))
	expectAct(t, s, a)

	end := resource.Act{ID: a.ID, Name: a.Name, Token: a.Token}
	end.Done, end.Ends = epoch().Add(time.Hour), epoch().Add(2*time.Hour)
	noError(t, s.Settle(ctx, end))
	a.Done, a.Ends = end.Done, end.Ends // Begun and Repeatable stay as begun
	expectAct(t, s, a)
}

func expectAct(t *testing.T, s state.Store, want resource.Act) {
	t.Helper()
	if got := acts(t, s); !reflect.DeepEqual(got, []resource.Act{want}) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func beginRefuses(t *testing.T, s state.Store) {
	ctx := context.Background()
	cases := map[string]resource.Act{
		"no id":        {Name: "start", Begun: epoch()},
		"no name":      {ID: id("x"), Begun: epoch()},
		"no beginning": {ID: id("x"), Name: "start"},
	}
	for name, a := range cases {
		if err := s.Begin(ctx, a); err == nil {
			t.Errorf("%s: begun", name)
		}
	}
	if err := s.Settle(ctx, resource.Act{Name: "start", Done: epoch()}); err == nil || errors.Is(err, state.ErrNoAct) {
		t.Errorf("settle without an id: %v", err)
	}
	if got := acts(t, s); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

// raceForActs has two handles begin the same acts; each act has one winner.
func raceForActs(t *testing.T, one, two state.Store) {
	const n = 100
	results := make(chan string, 4*n)
	race := func(s state.Store) {
		for i := range n {
			name := fmt.Sprintf("act %03d", i)
			switch err := s.Begin(context.Background(), act("x", name, "t")); {
			case err == nil:
				results <- name
			case !errors.Is(err, state.ErrInDoubt):
				results <- err.Error()
			default:
				results <- ""
			}
		}
	}
	for _, s := range []state.Store{one, one, two, two} {
		go race(s)
	}
	var winners []string
	for range 4 * n {
		if name := <-results; name != "" {
			winners = append(winners, name)
		}
	}
	slices.Sort(winners)
	for i, w := range winners {
		if w != fmt.Sprintf("act %03d", i) {
			t.Fatalf("winner %d is %q", i, w)
		}
	}
	if len(winners) != n || len(acts(t, two)) != n {
		t.Errorf("%d winners and %d acts of %d", len(winners), len(acts(t, two)), n)
	}
}
