package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"weir/sync/daemon/view"
	"weir/sync/reconcile"
	"weir/sync/state"
)

// watchStatus shows a daemon's status until ctx ends, which is no failure.
func (a *app) watchStatus(ctx context.Context, f *follower) error {
	looks, stop := f.start(ctx)
	defer stop()
	show := a.watchLines(f.daemon.name)
	switch {
	case a.output == "json":
		show = a.watchJSON(f.daemon.name)
	case terminal(a.out) > 0 && os.Getenv("TERM") != "dumb":
		return a.watchScreen(ctx, looks, f.daemon.name)
	}
	for {
		select {
		case l := <-looks:
			if err := show(l); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// watchLines returns what writes a line whenever there is something else to say.
func (a *app) watchLines(address string) func(glance) error {
	last := ""
	return func(l glance) error {
		text := l.text(address)
		if l.err == nil {
			text += forceText(l.over)
		}
		if text == last {
			return nil
		}
		last = text
		_, err := fmt.Fprintf(a.out, "%s  %s\n", clock(time.Now()), text)
		return err
	}
}

// forceText says what is in force, and what lets a held plan through.
func forceText(o view.Overview) string {
	var b strings.Builder
	for _, src := range o.Sources {
		fmt.Fprintf(&b, "; %s at %s", src.Name, legible(src.InForce))
	}
	if consent := o.Consent(); consent != "" {
		b.WriteString("; " + consent)
	}
	return b.String()
}

// watchJSON returns what writes a document a line whenever something is other than
// the time and what the search for drift does all the time.
func (a *app) watchJSON(address string) func(glance) error {
	var last []byte
	return func(l glance) error {
		if l.err != nil {
			_, err := fmt.Fprintln(a.errs, l.text(address))
			return err
		}
		still, err := json.Marshal(stillOf(l.over))
		if err != nil || bytes.Equal(still, last) {
			return err
		}
		last = still
		line, err := json.Marshal(l.over)
		if err != nil {
			return err
		}
		_, err = a.out.Write(append(line, '\n'))
		return err
	}
}

// stillOf leaves out of an overview what moves though nothing happens.
func stillOf(o view.Overview) view.Overview {
	o.Now, o.Quota, o.Passes = time.Time{}, nil, nil
	o.Status.Passes, o.Status.LastPass, o.Status.LastFull = 0, reconcile.PassStatus{}, time.Time{}
	o.Status.Scrub, o.Status.Sources, o.Status.Journal = nil, nil, state.Heads{}
	o.Sources = append([]view.Source{}, o.Sources...)
	for i := range o.Sources {
		o.Sources[i].LastSuccess = time.Time{}
	}
	return o
}

// watchScreen redraws a terminal in place, with ages that grow, until ctx ends.
func (a *app) watchScreen(ctx context.Context, looks <-chan glance, address string) error {
	out := &screen{w: a.out}
	out.begin()
	defer out.end()
	resized, unresized := resizes()
	defer unresized()
	stopped, unstopped := stops()
	defer unstopped()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last, seen := glance{}, time.Time{} // the last answer, and when it came
	for {
		select {
		case l := <-looks:
			if l.err == nil {
				last, seen = l, time.Now()
			} else {
				last.err = l.err
			}
		case <-tick.C:
		case <-resized:
		case <-stopped:
			out.end()
			suspend()
			out.begin()
		case <-ctx.Done():
			return nil
		}
		if err := out.draw(a.frame(last, seen, address)); err != nil {
			return err
		}
	}
}

// frame is what a screen shows.
func (a *app) frame(l glance, seen time.Time, address string) string {
	var b bytes.Buffer
	s := a.style()
	if l.err != nil {
		s.line(&b, 2, cell{l.text(address), loud})
		if !seen.IsZero() {
			s.line(&b, 2, cell{"last heard of " + since(seen) + ":", yellow})
		}
	}
	switch {
	case !seen.IsZero():
		printStatus(&b, l.over, l.over.Now.Add(time.Since(seen)), s)
	case l.err == nil:
		s.line(&b, 2, cell{"asking the daemon on " + address + " ...", dim})
	}
	return b.String()
}

// screen is a terminal of which all is redrawn in place.
type screen struct{ w io.Writer }

// begin takes a screen of its own, without a cursor and without lines that wrap,
// so that what was there before comes back at the end.
func (s *screen) begin() { _, _ = io.WriteString(s.w, "\x1b[?1049h\x1b[?25l\x1b[?7l") }

func (s *screen) end() { _, _ = io.WriteString(s.w, "\x1b[?7h\x1b[?25h\x1b[?1049l") }

// draw writes over what is there, in one piece and without wiping it first, which
// would flicker. What has no room is told as a number of lines.
func (s *screen) draw(text string) error {
	lines := bytes.Split(bytes.TrimRight([]byte(text), "\n"), []byte("\n"))
	if height := heightOf(s.w); len(lines) > height {
		more := fmt.Sprintf("… %d more lines; `weir status` shows all", len(lines)-height+1)
		lines = append(lines[:height-1], []byte(more))
	}
	var b bytes.Buffer
	b.WriteString("\x1b[?2026h\x1b[H") // where a terminal knows it, nothing is shown before it is complete
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.Write(line)
		b.WriteString("\x1b[K")
	}
	b.WriteString("\x1b[J\x1b[?2026l")
	_, err := s.w.Write(b.Bytes())
	return err
}

// heightOf is how many lines a terminal has.
func heightOf(w io.Writer) int {
	const usual = 24
	f, ok := w.(*os.File)
	if !ok {
		return usual
	}
	if _, height, err := term.GetSize(int(f.Fd())); err == nil && height > 1 {
		return height
	}
	return usual
}
