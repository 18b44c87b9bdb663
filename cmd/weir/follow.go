package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"weir/sync/daemon/view"
	"weir/sync/plan"
)

// The times of following a daemon.
const (
	newsGather  = 200 * time.Millisecond // within which several events are one
	pollQuick   = 2 * time.Second        // between two looks where no events come
	pollSeldom  = 30 * time.Second       // where they do
	eventsAgain = 2 * time.Second        // after events have ended
	waitDefault = 5 * time.Minute
)

// eventBytes bounds a line of the daemon's events, unknownPage what is asked for at
// once of what is unknown.
const (
	eventBytes  = 1 << 20
	unknownPage = 1000
)

// What --wait-for can wait for.
const (
	waitReady   = "ready"
	waitApplied = "applied"
	waitInSync  = "in-sync"
)

func waitWords() []string { return []string{waitReady, waitApplied, waitInSync} }

// followFlags say how long a status is looked at.
type followFlags struct {
	watch    bool
	waitFor  string // "" for nothing
	revision string // that has to be in force, "" for any
	timeout  time.Duration
}

func (f *followFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVarP(&f.watch, "watch", "w", false, "go on showing it, until Ctrl-C")
	flags.StringVar(&f.waitFor, "wait-for", "", "end as soon as all is `ready`, applied or in-sync")
	flags.StringVar(&f.revision, "revision", "", "with --wait-for: and of this `revision`, of which the first digits are enough")
	flags.DurationVar(&f.timeout, "timeout", waitDefault, "with --wait-for: for how `long`")
	cmd.MarkFlagsMutuallyExclusive("watch", "wait-for")
}

func (f *followFlags) follows() bool { return f.watch || f.waitFor != "" }

func (f *followFlags) check() error {
	switch {
	case f.waitFor != "" && !slices.Contains(waitWords(), f.waitFor):
		return unknown(fmt.Sprintf("--wait-for %q: want ready, applied or in-sync", f.waitFor), f.waitFor, waitWords())
	case f.waitFor == "" && f.revision != "":
		return errors.New("--revision is for --wait-for: say what is to be waited for, such as --wait-for applied")
	case f.timeout <= 0:
		return fmt.Errorf("--timeout %s: want a time above 0, such as 5m", f.timeout)
	}
	return nil
}

// followStatus shows a daemon's status for as long as the flags say.
func (a *app) followStatus(ctx context.Context, d *askedDaemon, f followFlags) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	follower := newFollower(d)
	if f.waitFor != "" {
		return a.waitStatus(ctx, follower, f)
	}
	return a.watchStatus(ctx, follower)
}

// glance is how a daemon was found.
type glance struct {
	over view.Overview
	err  error // why it cannot be asked now
}

// follower looks at a daemon whenever that says that something changed, and every
// now and then where it does not.
type follower struct {
	daemon *askedDaemon
	hears  atomic.Bool // events come
	news   chan struct{}
}

func newFollower(d *askedDaemon) *follower {
	return &follower{daemon: d, news: make(chan struct{}, 1)}
}

// start begins to look. What it finds comes until stop is called, which waits.
func (f *follower) start(ctx context.Context) (looks <-chan glance, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	found, ended := make(chan glance), make(chan struct{})
	go func() {
		defer close(ended)
		f.run(ctx, found)
	}()
	return found, func() { cancel(); <-ended }
}

// run hands over what it finds until ctx ends.
func (f *follower) run(ctx context.Context, looks chan<- glance) {
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		f.listen(ctx)
	}()
	defer func() { <-heard }()
	for ctx.Err() == nil {
		over, err := askStatus(ctx, f.daemon)
		select {
		case looks <- glance{over, err}:
		case <-ctx.Done():
			return
		}
		wait := pollQuick
		if f.hears.Load() {
			wait = pollSeldom
		}
		select {
		case <-f.news:
			pause(ctx, newsGather)
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// listen takes the daemon's events, again and again, as they can end at any time.
func (f *follower) listen(ctx context.Context) {
	for ctx.Err() == nil {
		f.hear(ctx)
		f.hears.Store(false)
		f.wake() // what was missed meanwhile is looked for
		pause(ctx, eventsAgain)
	}
}

// hear takes events until they end, or nothing comes for longer than the daemon
// is ever silent.
func (f *follower) hear(ctx context.Context) {
	const silence = time.Minute
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, err := f.daemon.ask(ctx, http.MethodGet, "/api/v1/events", http.StatusOK)
	if err != nil {
		return
	}
	defer body.Close()
	silent := time.AfterFunc(silence, cancel)
	defer silent.Stop()
	f.hears.Store(true)
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, eventBytes)
	for lines.Scan() {
		silent.Reset(silence)
		if strings.HasPrefix(lines.Text(), "event:") {
			f.wake()
		}
	}
}

func (f *follower) wake() {
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// waitStatus waits until a daemon is as it is wanted.
func (a *app) waitStatus(ctx context.Context, f *follower, want followFlags) error {
	ctx, cancel := context.WithTimeout(ctx, want.timeout)
	defer cancel()
	looks, end := f.start(ctx)
	defer end()
	last := "no answer yet"
	for {
		var l glance
		select {
		case l = <-looks:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("not %s within %s: %s", want.what(), want.timeout, last)
			}
			return fmt.Errorf("stopped before it was %s: %s", want.what(), last)
		}
		text := l.text(f.daemon.name)
		if why := want.refused(l.over); why != "" && l.err == nil {
			return fmt.Errorf("never %s: %s", want.what(), why)
		}
		if l.err == nil && want.reached(l.over) && (want.waitFor == waitReady || f.allRead(ctx, l.over)) {
			return a.tellReached(l.over)
		}
		if text != last {
			fmt.Fprintln(a.errs, text)
			last = text
		}
	}
}

// allRead reports whether nothing is unknown only because it was not read since it
// was written. Where the daemon does not say, it is looked for again.
func (f *follower) allRead(ctx context.Context, o view.Overview) bool {
	left := o.States[view.State(plan.Unknown)]
	for offset := 0; offset < left; offset += unknownPage {
		var list view.List
		err := fetchJSON(ctx, f.daemon,
			fmt.Sprintf("/api/v1/resources?state=%s&offset=%d&limit=%d", plan.Unknown, offset, unknownPage), &list)
		if err != nil || slices.ContainsFunc(list.Resources, func(r view.Row) bool { return r.Note == plan.NotReadYet }) {
			return false
		}
	}
	return true
}

func (a *app) tellReached(o view.Overview) error {
	if a.output == "json" {
		return a.printJSON(o)
	}
	v := verdict(o)
	_, err := fmt.Fprintln(a.out, a.style().paint(v.color, v.text))
	return err
}

// text is a glance in one line.
func (l glance) text(address string) string {
	if l.err != nil {
		return fmt.Sprintf("the daemon on %s cannot be asked: %v", address, l.err)
	}
	return verdict(l.over).text
}

func (f *followFlags) what() string {
	if f.revision != "" {
		return f.waitFor + " at " + f.revision
	}
	return f.waitFor
}

// reached reports whether all is as it is waited for.
func (f *followFlags) reached(o view.Overview) bool {
	if !o.Status.Ready || f.revision != "" && !slices.ContainsFunc(o.Sources, f.inForce(o)) {
		return false
	}
	first := o.Conditions()[0]
	calm := first == view.Waits || first == view.InSync
	switch f.waitFor {
	case waitApplied:
		return calm
	case waitInSync:
		return calm && o.States[view.State(plan.InSync)] == o.Total
	}
	return true
}

// inForce reports whether the last plan was made of a source's revision that is
// waited for.
func (f *followFlags) inForce(o view.Overview) func(view.Source) bool {
	return func(s view.Source) bool {
		return strings.HasPrefix(s.InForce, f.revision) && strings.Contains(o.Status.Revision, s.InForce)
	}
}

// refused says why the revision that is waited for never comes into force by
// itself, "" where it may.
func (f *followFlags) refused(o view.Overview) string {
	for _, s := range o.Sources {
		if f.revision != "" && strings.HasPrefix(s.Revision, f.revision) && s.Refused() {
			return fmt.Sprintf("source %s refuses it: %s", s.Name, s.SourceStatus.Problems[0])
		}
	}
	return ""
}
