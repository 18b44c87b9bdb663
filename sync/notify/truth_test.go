package notify

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/notify/channel"
	"weir/sync/notify/message"
)

// TestTheEndOfWhatHasOtherLabelsByNow is told to who was told that it stands, and to
// nobody else.
func TestTheEndOfWhatHasOtherLabelsByNow(t *testing.T) {
	ofTeam := func(o *Receiver) { o.Filter.Labels = map[string]string{"team": "sports"} }
	inRoom(t, ofTeam, func(r *room) {
		e := about(message.Fight, "a", false)
		e.Labels = map[string]string{"team": "sports"}
		r.n.Tell(e)
		time.Sleep(time.Minute)
		r.n.Tell(Event{Name: message.Fight, Key: "b", Resource: "b", Over: true})
		r.n.Tell(Event{Name: message.Fight, Key: "a", Resource: "a", Over: true})
		time.Sleep(10 * time.Hour)
		r.expect(t, "5 Fight: a", "65 Fight is over: a")
	})
}

// TestMoreThanAMessageLists: of all of them it is known that they stand and that they
// are over, not only of those that are listed.
func TestMoreThanAMessageLists(t *testing.T) {
	inRoom(t, nil, func(r *room) {
		all := func(over bool) {
			for i := range 50 {
				r.n.Tell(about(message.Failed, fmt.Sprint("r", i), over))
			}
		}
		all(false)
		time.Sleep(5 * time.Hour)
		all(true)
		time.Sleep(5 * time.Hour)
		r.expect(t, "5 Failed: 50 resources", "14405 Still failing: 50 resources", "18005 Recovered: 50 resources")
		if body := r.body(0); !strings.Contains(body, "and 30 more") {
			t.Error(body)
		}
		all(false)
		time.Sleep(time.Second)
		all(true)
		time.Sleep(5 * time.Hour)
		if got := r.said(); len(got) != 3 {
			t.Errorf("what was over before it was told is told: %q", got)
		}
	})
}

// TestNewsPutNoReminderOff: what stands is told again in its time, however much else
// begins to stand.
func TestNewsPutNoReminderOff(t *testing.T) {
	inRoom(t, func(o *Receiver) { o.Repeat = time.Hour }, func(r *room) {
		for i := range 4 {
			r.n.Tell(about(message.Failed, fmt.Sprint("r", i), false))
			time.Sleep(40 * time.Minute)
		}
		r.expect(t, "5 Failed: r0", "2405 Failed: r1", "3605 Still failing: 2 resources", "4805 Failed: r2",
			"7205 Failed: r3", "7205 Still failing: 4 resources")
	})
}

// TestNobodyAsksForMoreThanAChannelTakes.
func TestNobodyAsksForMoreThanAChannelTakes(t *testing.T) {
	inRoom(t, func(o *Receiver) { o.Rate = 600 }, func(r *room) {
		if got, most := r.n.receivers[0].of.Rate, (&channel.Slack{}).Traits().Rate; got != most {
			t.Errorf("%d messages a minute, the channel takes %d", got, most)
		}
	})
}

// slow is a channel that takes long to write a letter.
type slow struct{ channel.Channel }

func (s slow) Compose(d message.Data, id string) (channel.Letter, error) {
	time.Sleep(time.Minute)
	return s.Channel.Compose(d, id)
}

// TestWritingALetterKeepsNobodyWaiting: whoever tells goes on while it is written.
func TestWritingALetterKeepsNobodyWaiting(t *testing.T) {
	inRoom(t, func(o *Receiver) { o.Channel = slow{o.Channel} }, func(r *room) {
		r.n.Tell(about(message.Fight, "a", false))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		before := time.Now()
		r.n.Tell(about(message.Failed, "b", false))
		if took := time.Since(before); took > 0 {
			t.Errorf("telling took %s", took)
		}
		time.Sleep(10 * time.Minute)
		r.expect(t, "65 Fight: a", "125 Failed: b")
	})
}
