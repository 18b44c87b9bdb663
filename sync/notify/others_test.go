package notify

import (
	"testing"
	"time"

	"weir/sync/notify/message"
)

// TestWhatAnotherTells: who takes over what another has told tells nothing of it again
// but what still stands after a long while, and that it is over; before, it tells
// nothing at all.
func TestWhatAnotherTells(t *testing.T) {
	inRoom(t, func(o *Receiver) { o.Repeat = time.Hour }, func(r *room) {
		speaks := false
		r.n.receivers[0].opt.Speaks = func(Event) bool { return speaks }
		r.n.Know(about(message.Fight, "a", false))
		r.n.Know(about(message.Fight, "b", false))
		r.n.Know(about(message.Fight, "b", true))
		r.n.Know(about(message.Applied, "c", false))
		time.Sleep(90 * time.Minute)
		r.expect(t)
		speaks = true
		r.n.Tell(about(message.Fight, "a", false)) // nothing new
		time.Sleep(time.Hour)
		r.expect(t, "7200 Still a fight: a")
		r.n.Tell(about(message.Fight, "b", true))
		r.n.Tell(about(message.Fight, "a", true))
		time.Sleep(time.Hour)
		r.expect(t, "7200 Still a fight: a", "9005 Fight is over: a")
	})
}

// TestWhatIsOverMeanwhile: what was to be told and is over as another tells is not.
func TestWhatIsOverMeanwhile(t *testing.T) {
	inRoom(t, nil, func(r *room) {
		r.n.Tell(about(message.Fight, "a", false))
		time.Sleep(groupWait / 2)
		r.n.Know(about(message.Fight, "a", true))
		time.Sleep(time.Minute)
		r.expect(t)
	})
}
