// Package notify tells whoever wants to know what a person should look at: it
// decides who is told of which event, what goes into one message, when it is sent,
// and what becomes of one that cannot be.
//
// Each receiver is on its own: it has a queue and a sender, and one that is dead
// keeps neither another nor weir waiting. What happens within a moment is one
// message: events of one name, source and revision are a group, which is told a
// while after the first of it, and again no sooner than an interval later. What
// stands is told once, again after a long while, and once more when it is over; what
// is over before it was told is not told at all. A message that fails is tried again
// with growing pauses for at most patience, in which the groups behind it grow; above
// the bounds only the number of events is kept, and the next message says it.
//
// Nothing is on disk: what waits when the process dies is lost, and what stands is
// told again by the next process.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"time"

	"weir/sync/notify/channel"
	"weir/sync/notify/message"
)

// Event is what is told.
type Event = message.Event

// Receiver is who is told, and what. Name and Channel are required.
type Receiver struct {
	Name    string
	Channel channel.Channel
	Filter  Filter
	// GroupWait is how long after the first event of a group it is told. Of applied
	// changes it is how long there must be no more of them, for at most GroupInterval.
	GroupWait     time.Duration
	GroupInterval time.Duration // between two messages of one group
	Repeat        time.Duration // after which what stands is told again, 0 for never
	Rate          int           // messages a minute, at most what the channel takes; 0 for that
	Began         bool          // it is told what begins and not what is over
}

// Filter says which events are told. An empty list is every value; events of weir as
// a whole, such as a held plan, are of every source, account, kind and label.
type Filter struct {
	Names    []message.Name
	Sources  []string
	Accounts []string
	Kinds    []string
	Labels   map[string]string
}

// takes reports whether e passes.
func (f Filter) takes(e Event) bool {
	source := sourceOf(e)
	if !in(f.Names, e.Name) || source != "" && !in(f.Sources, source) {
		return false
	}
	if e.Resource == "" {
		return true
	}
	for name, value := range f.Labels {
		if e.Labels[name] != value {
			return false
		}
	}
	return in(f.Accounts, e.Account) && in(f.Kinds, e.Kind)
}

func in[T comparable](list []T, value T) bool { return len(list) == 0 || slices.Contains(list, value) }

// Options says whom to tell. Receivers is required.
type Options struct {
	Receivers []Receiver
	Weir      string   // name of this weir, in messages
	URL       string   // of its page, "" where people cannot reach it
	Metrics   *Metrics // nil: nothing is counted
	Logger    *slog.Logger
	// Speaks reports whether what stands is to be told again by this process, of several
	// of which each tells a part; nil for all.
	Speaks func(Event) bool

	// For tests: a number from 0 to 1.
	random func() float64
}

// closeTimeout bounds what Close waits for.
const closeTimeout = 5 * time.Second

// Notifier tells events. Its methods may be called at any time by any goroutine.
type Notifier struct {
	receivers []*receiver
	ctx       context.Context // ends what is under way
	stop      context.CancelFunc
	senders   sync.WaitGroup
}

// New returns a Notifier. Close must be called, which also closes the channels.
func New(opt Options) (*Notifier, error) {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.random == nil {
		opt.random = mathrand.Float64
	}
	if opt.Speaks == nil {
		opt.Speaks = func(Event) bool { return true }
	}
	opt.Metrics.preset(opt.Receivers)
	n := &Notifier{}
	n.ctx, n.stop = context.WithCancel(context.Background())
	seen := map[string]bool{}
	for _, r := range opt.Receivers {
		if r.Name == "" || r.Channel == nil || seen[r.Name] {
			n.stop()
			return nil, fmt.Errorf("notify: receiver %q lacks a name of its own, or a channel", r.Name)
		}
		seen[r.Name] = true
		n.receivers = append(n.receivers, newReceiver(r, opt))
	}
	for _, r := range n.receivers {
		n.senders.Go(func() { r.run(n.ctx) })
	}
	return n, nil
}

// Tell has e told soon to all who want to know it, and never blocks. That something
// is over is told to whoever was told that it stands: its labels may be others by now.
func (n *Notifier) Tell(e Event) {
	for _, r := range n.receivers {
		if e.Over || r.of.Filter.takes(e) {
			r.take(e, time.Now())
		}
	}
}

// Know takes note of e, which another process tells: the end of what stands is told
// though its beginning was told by another, and nothing is told twice.
func (n *Notifier) Know(e Event) {
	for _, r := range n.receivers {
		if e.Over || r.of.Filter.takes(e) {
			r.hear(e, time.Now())
		}
	}
}

// Close tries once more to tell what waits, for a few seconds at most and no longer
// than ctx, and ends the Notifier. The error says how many events were not told.
func (n *Notifier) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	for _, r := range n.receivers {
		r.close()
	}
	done := make(chan struct{})
	go func() {
		n.senders.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	n.stop()
	<-done
	var errs []error
	for _, r := range n.receivers {
		errs = append(errs, r.untold())
	}
	return errors.Join(errs...)
}
