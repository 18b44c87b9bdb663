package notify

import (
	"fmt"
	"log/slog"
	"testing"

	"weir/sync/notify/channel"
	"weir/sync/notify/message"
)

// BenchmarkTell is what telling costs whoever tells, with seven receivers, while a
// hundred thousand resources fail.
func BenchmarkTell(b *testing.B) {
	n := &Notifier{}
	for i := range 7 {
		r := newReceiver(Receiver{Name: fmt.Sprint("r", i), Channel: many{}, GroupWait: groupWait}, Options{Logger: quiet()})
		n.receivers = append(n.receivers, r)
	}
	events := make([]Event, 100_000)
	for i := range events {
		events[i] = about(message.Failed, fmt.Sprint("volc/RelaySource/push.example.com/", i), false)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n.Tell(events[i%len(events)])
	}
}

// many is a channel that lists a thousand events, and is never used.
type many struct{ channel.Channel }

func (many) Traits() channel.Traits { return channel.Traits{Most: 1000, Rate: 60} }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
