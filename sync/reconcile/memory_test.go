package reconcile

import (
	"fmt"
	"maps"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/sync/resource"
	"weir/sync/state"
	"weir/sync/state/statetest"
)

// drawWrite writes something to a store, as any process might.
func drawWrite(t *rapid.T, s state.Store) {
	id := resource.ID{
		Account: rapid.SampledFrom([]string{"volc", "elsewhere"}).Draw(t, "account"),
		Kind:    "RelaySource", Key: fmt.Sprintf("push.example.com/%d", rapid.IntRange(0, 9).Draw(t, "key")),
	}
	rec := resource.Applied{
		ID: id, Spec: `{"n":1}`, At: time.Unix(rapid.Int64Range(0, 9).Draw(t, "at"), 0).UTC(),
		Origin: resource.Origin{Source: rapid.SampledFrom([]string{"live", "former"}).Draw(t, "source")},
	}
	act := resource.Act{ID: id, Name: "start", Token: fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "token")), Begun: rec.At.Add(1)}
	switch rapid.IntRange(0, 4).Draw(t, "write") {
	case 0:
		_ = s.Forget(t.Context(), id)
	case 1:
		_ = s.Begin(t.Context(), act)
	case 2:
		act.Done = act.Begun
		_ = s.Settle(t.Context(), act) // may not have begun
	default:
		_ = s.Save(t.Context(), rec)
	}
}

// TestReplicaIsWhatIsStored: whatever is written between two passes, a replica that
// takes over the changes holds what the store does, counts what the guards compare
// with, and has noted whatever is not as it was.
func TestReplicaIsWhatIsStored(t *testing.T) {
	h := open(t)
	counted := func(id resource.ID) bool { return h.rec.judge(id) != nil }
	rapid.Check(t, func(t *rapid.T) {
		store, k := statetest.NewMemory(), newReplica()
		for range rapid.IntRange(1, 10).Draw(t, "passes") {
			last, acts := maps.Clone(k.last.of), maps.Clone(k.acts.of)
			for range rapid.IntRange(0, 6).Draw(t, "writes") {
				drawWrite(t, store)
			}
			changes, err := store.Changes(t.Context(), k.next)
			if err != nil {
				t.Fatal(err)
			}
			k.follow(changes, counted)
			whole := newReplica()
			changes, err = store.Changes(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			whole.follow(changes, counted)
			if !reflect.DeepEqual(k.last.of, whole.last.of) || !reflect.DeepEqual(k.acts.of, whole.acts.of) {
				t.Fatalf("replica holds\n%+v\n%+v\nwant\n%+v\n%+v", k.last.of, k.acts.of, whole.last.of, whole.acts.of)
			}
			if counts := h.rec.owned(memory{last: k.last.of}); !maps.Equal(k.owners, counts) {
				t.Fatalf("counts %v, want %v", k.owners, counts)
			}
			differ(t, last, k.last)
			differ(t, acts, k.acts)
		}
	})
}

// differ fails where what differs from before was not noted, and forgets the notes.
func differ[V any](t *rapid.T, before map[resource.ID]V, n noted[V]) {
	for id := range maps.Keys(n.of) {
		if !reflect.DeepEqual(before[id], n.of[id]) && !n.touched[id] && len(before) > 0 {
			t.Fatalf("%s is not as it was, and not noted", id)
		}
	}
	for id := range before {
		if _, still := n.of[id]; !still && !n.touched[id] {
			t.Fatalf("%s is gone, and not noted", id)
		}
	}
	clear(n.touched)
}
