package filequota

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"weir/sync/boottime"
	"weir/sync/call"
	"weir/sync/quota"
)

// take takes a slot, or says that there was none within a moment.
func take(t *testing.T, shared call.Shared) (call.Slot, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	slot, err := shared.Take(ctx, call.Want{Operation: "Op", Windows: []call.Window{{Limit: 1, Per: time.Minute}}})
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	return slot, err == nil
}

func TestDesk_AnotherProcessSeesTheSlot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state.quota", "main")
	one, two := New(dir, nil), New(dir, nil)
	defer one.Close()
	defer two.Close()
	slot, ok := take(t, one.Share())
	if !ok {
		t.Fatal("no slot in an empty book")
	}
	second := two.Share()
	if _, ok := take(t, second); ok {
		t.Error("the second process has a slot beside the first")
	}
	slot.Give(call.End{Unsent: true})
	if _, ok := take(t, second); !ok {
		t.Error("no slot for the second process when the first sent nothing")
	}
	info, err := os.Stat(filepath.Join(dir, "Op"))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the book has mode %v", info.Mode())
	}
}

// TestDesk_BookThatCannotBeTrusted: one that is damaged, or was replaced under
// a process that used it, begins with silence; one of before a restart of the
// machine is empty.
func TestDesk_BookThatCannotBeTrusted(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, path string)
		anew   bool // opened by a process that did not use it before
		slot   bool
	}{
		{"flipped", func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			must(t, err)
			clear(b[headerSize+8*(headWords+2):][:8]) // when the slot was taken
			must(t, os.WriteFile(path, b, 0o600))
		}, true, false},
		{"cut", func(t *testing.T, path string) { must(t, os.Truncate(path, 50)) }, true, false},
		{"no book", func(t *testing.T, path string) {
			must(t, os.WriteFile(path, []byte(strings.Repeat("x", 200)), 0o600))
		}, true, false},
		{"removed under it", func(t *testing.T, path string) { must(t, os.Remove(path)) }, false, false},
		{"removed before", func(t *testing.T, path string) { must(t, os.Remove(path)) }, true, true},
		{"restart", func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			must(t, err)
			b[8] ^= 1
			must(t, os.WriteFile(path, b, 0o600))
		}, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			desk := New(dir, nil)
			defer desk.Close()
			if _, ok := take(t, desk.Share()); !ok {
				t.Fatal("no slot in an empty book")
			}
			tt.change(t, filepath.Join(dir, "Op"))
			other := desk
			if tt.anew {
				other = New(dir, nil)
				defer other.Close()
			}
			if _, ok := take(t, other.Share()); ok != tt.slot {
				t.Errorf("slot %v, want %v", ok, tt.slot)
			}
		})
	}
}

func TestDesk_CannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	must(t, os.Symlink(filepath.Join(dir, "file"), filepath.Join(dir, "Link")))
	for operation, d := range map[string]string{
		"Op": filepath.Join(dir, "file"), "../Op": dir, "Link": dir,
	} {
		desk := New(d, nil)
		err := desk.Update(t.Context(), operation, func(*quota.Book, quota.Instant) {})
		if err == nil {
			t.Errorf("%s in %s can be used", operation, d)
		}
		must(t, desk.Close())
	}
}

// TestDesk_LockHeldForTooLong: a process stopped with a book in its hand does
// not hold up the others for ever, and keeps silence when it goes on.
func TestDesk_LockHeldForTooLong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, two := New(dir, nil), New(dir, nil)
	defer one.Close()
	defer two.Close()
	var quiet quota.Instant
	must(t, one.Update(t.Context(), "Op", func(*quota.Book, quota.Instant) {
		err := two.Update(t.Context(), "Op", func(*quota.Book, quota.Instant) {})
		if err == nil || !strings.Contains(err.Error(), "held it") {
			t.Errorf("error %v, want one of the lock", err)
		}
		time.Sleep(10 * time.Millisecond)
	}))
	must(t, two.Update(t.Context(), "Op", func(b *quota.Book, now quota.Instant) { quiet = b.Quiet - now }))
	if time.Duration(quiet) < call.Lease-time.Second {
		t.Errorf("silence for %v, want about %v", time.Duration(quiet), call.Lease)
	}
}

func sample() *quota.Book {
	return &quota.Book{
		Quiet: 1, Longest: 2, Number: 3, Cuts: 4, Lost: 0.5, Given: 6,
		Slots: []quota.Slot{{Number: 1, Process: 7, Taken: 2, Done: 3, Extra: -4, Cuts: 5}, {Number: 2}},
		Seats: []quota.Seat{{Process: 1, Served: 2, Wake: 3, Waiting: 4, Priority: call.Scrub, Since: 5, Ahead: 6}, {Process: 2}},
	}
}

func TestEncode_Back(t *testing.T) {
	want := sample()
	got, err := decode(encode(want, boot()), boot())
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// encodeBefore writes a book as weir did before there were priorities: less what stands
// behind the numbers that it knew.
func encodeBefore(b *quota.Book, boot [16]byte) []byte {
	out := encode(b, boot)
	return out[:headerSize+int(binary.LittleEndian.Uint32(out[sizeAt:]))]
}

// TestDecode_BookOfBefore: a process that begins after an update of weir knows the
// calls of the one before it.
func TestDecode_BookOfBefore(t *testing.T) {
	want := sample()
	data := encodeBefore(want, boot())
	if words := headWords + 2*6 + 2*3; string(data[:8]) != "weirqta1" || len(data) != headerSize+8*words {
		t.Errorf("a weir of before cannot read %q of %d bytes", data[:8], len(data))
	}
	want.Seats = []quota.Seat{{Process: 1, Served: 2, Wake: 3}, {Process: 2}}
	got, err := decode(data, boot())
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestDesk_SharedWithAWeirOfBefore: one that knows of no priorities and one that does
// write the same book in turns, and neither takes the other's for damaged.
func TestDesk_SharedWithAWeirOfBefore(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "Op")
	desk := New(dir, nil)
	defer desk.Close()
	for i := range int64(4) {
		must(t, desk.Update(t.Context(), "Op", func(b *quota.Book, now quota.Instant) {
			if b.Quiet > now || int64(len(b.Slots)) != 2*i {
				t.Fatalf("turn %d: quiet until %v, slots %+v", i, b.Quiet, b.Slots)
			}
			for _, s := range b.Seats {
				if s.Waiting != 0 {
					t.Errorf("turn %d: what was said of a seat before the other wrote still holds: %+v", i, s)
				}
			}
			b.Slots = append(b.Slots, quota.Slot{Number: b.Number + 1, Taken: now})
			b.Seats = []quota.Seat{{Process: 1, Waiting: 3, Priority: call.Person}}
		}))
		data, err := os.ReadFile(path)
		must(t, err)
		before, err := decode(data[:headerSize+int(binary.LittleEndian.Uint32(data[sizeAt:]))], boot())
		must(t, err)
		before.Slots = append(before.Slots, quota.Slot{Number: -1, Taken: boottime.Now()})
		if i == 2 {
			before.Seats = nil
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteAt(encodeBefore(before, boot()), 0)
		must(t, errors.Join(err, f.Close()))
	}
}

// TestDesk_SilenceKnowsTheLongestWindow: after a damage nobody knows how long the
// windows were, until somebody asks.
func TestDesk_SilenceKnowsTheLongestWindow(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "Op"), []byte(strings.Repeat("x", 200)), 0o600))
	desk := New(dir, nil)
	defer desk.Close()
	if _, ok := take(t, desk.Share()); ok {
		t.Fatal("a slot of a damaged book")
	}
	must(t, desk.Update(t.Context(), "Op", func(b *quota.Book, now quota.Instant) {
		if quiet := now.Until(b.Quiet); quiet < call.Lease+time.Minute-time.Second {
			t.Errorf("silence for %v more, want that of a minute's window", quiet)
		}
	}))
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(sample(), [16]byte{}))
	f.Add(encodeBefore(sample(), [16]byte{}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decode(data, [16]byte{})
		if err != nil {
			return
		}
		if _, err := decode(encode(b, [16]byte{}), [16]byte{}); err != nil {
			t.Errorf("what was decoded cannot be read when it is encoded again: %v", err)
		}
	})
}
