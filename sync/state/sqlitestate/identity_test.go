package sqlitestate

import (
	"os"
	"reflect"
	"testing"

	"weir/sync/resource"
	"weir/sync/state"
)

// copyOf puts the bytes of a store that is shut at another path.
func copyOf(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	must(t, err, os.WriteFile(to, b, 0o600))
}

// TestFailure_P18_AnotherHostsStore: a store in the place of another is not
// used, whatever it says of the accounts; what was there is.
func TestFailure_P18_AnotherHostsStore(t *testing.T) {
	one, two := openAt(t, newPath(t), Options{}), openAt(t, newPath(t), Options{})
	must(t, one.Save(t.Context(), benchRecord(1)), two.Save(t.Context(), benchRecord(2)))
	shut(t, one)
	shut(t, two)
	aside := newPath(t)
	copyOf(t, one.Path(), aside)
	copyOf(t, two.Path(), one.Path())
	refused(t, one.Path(), state.Swapped, "but at this path was the store")
	refused(t, one.Path(), state.Swapped, "remove the file with its identity")
	copyOf(t, aside, one.Path())
	back := openAt(t, one.Path(), Options{})
	if got := records(t, back); !reflect.DeepEqual(got, []resource.Applied{benchRecord(1)}) || back.Moved() {
		t.Errorf("records %v, moved %t", got, back.Moved())
	}
	shut(t, back)

	// Whoever means the other says so.
	copyOf(t, two.Path(), one.Path())
	must(t, os.Remove(one.Path()+identityFile))
	meant := openAt(t, one.Path(), Options{})
	if got := records(t, meant); !reflect.DeepEqual(got, []resource.Applied{benchRecord(2)}) || !meant.Moved() {
		t.Errorf("records %v, moved %t", got, meant.Moved())
	}
	if again := openAt(t, one.Path(), Options{}); !again.Moved() {
		t.Error("looking at it once made it known")
	}
	must(t, meant.Stay(t.Context()))
	if again := openAt(t, one.Path(), Options{}); meant.Moved() || again.Moved() {
		t.Error("it is not known after Stay")
	}
}

// TestIdentity_NewStore: one that begins anew, and one of an earlier version,
// take the place of what was there.
func TestIdentity_NewStore(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	shut(t, s)
	must(t, os.Remove(s.Path()))
	again := openAt(t, s.Path(), Options{})
	if again.Moved() {
		t.Error("a new store is said to come from elsewhere")
	}
	shut(t, again)
	copyOf(t, golden(t, 2), s.Path())
	if old := openAt(t, s.Path(), Options{}); old.Moved() || len(records(t, old)) != 2 {
		t.Error("a store of an earlier version is not used")
	}
	if got := mode(t, s.Path()+identityFile); got != 0o600 {
		t.Errorf("mode %v", got)
	}
}

func TestIdentity_Damaged(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	forge(t, s, "UPDATE identity SET id = 'x'")
	shut(t, s)
	refused(t, s.Path(), state.Damaged, "checksum")
}

func TestIdentity_PlantedFile(t *testing.T) {
	path := newPath(t)
	must(t, os.Symlink("/etc/passwd", path+identityFile))
	refused(t, path, state.Unsafe, "no small plain file")
}
