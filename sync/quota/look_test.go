package quota_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

// TestLook: a process knows before its first call which slots others have taken.
func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		desk, server := newMemory(), newCloud(time.Millisecond, time.Millisecond, 0, 1)
		other, me := newProcess(t, desk, server, 1, second(10)), newProcess(t, desk, server, 2, second(10))
		if look := me.limiter.Outlook("Op", call.Routine); len(look.Windows[0].Busy) != 0 || len(look.Equal)+look.Lower != 0 {
			t.Errorf("before any call: %+v", look)
		}
		other.calls(t.Context(), 3)
		time.Sleep(300 * time.Millisecond)
		busy := me.limiter.Outlook("Op", call.Routine).Windows[0].Busy
		want := second(10).Hold() - 300*time.Millisecond
		if len(busy) != 3 || slices.Min(busy) != want || slices.Max(busy) != want {
			t.Errorf("slots are free after %v, want all three after %v", busy, want)
		}
		go other.calls(call.WithPriority(t.Context(), call.Routine), 100)
		time.Sleep(2 * time.Second)
		if look := me.limiter.Outlook("Op", call.Person); look.Lower != 1 || len(look.Equal) != 0 {
			t.Errorf("beside one that has to wait: %+v", look)
		}
		if look := me.limiter.Outlook("Op", call.Routine); look.Lower != 0 || !slices.Equal(look.Equal, []int{0}) {
			t.Errorf("beside an equal: %+v", look)
		}
		other.limiter.Expect("Op", 500)
		time.Sleep(2 * time.Second)
		if look := me.limiter.Outlook("Op", call.Routine); len(look.Equal) != 1 || look.Equal[0] < 470 || look.Equal[0] > 490 {
			t.Errorf("beside one that says how much it has ahead: %+v", look)
		}
		time.Sleep(time.Minute)
	})
}
