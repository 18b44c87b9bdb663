package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"weir/sync/call"
	"weir/sync/reconcile"
)

// The bounds of what is told of reading the accounts.
const (
	readingFew  = 10                     // calls up to which it is not worth a word
	readingLong = 30 * time.Second       // from then on it is said what reads less
	readingEach = 100 * time.Millisecond // the least time between two looks of a line
)

// reading returns what says what reading the accounts takes, before it begins
// where that is long, and on a terminal how far it is. shorter says what reads less.
func (a *app) reading(shorter string) func(reconcile.Reading) {
	if a.output != "text" {
		return func(reconcile.Reading) {}
	}
	line := &readingLine{app: a, moves: terminal(a.errs) > 0, shorter: shorter}
	return line.show
}

// readingLine is the last line on a terminal.
type readingLine struct {
	*app
	moves   bool
	shorter string
	shown   time.Duration // when it was last written, since the beginning
	dirty   bool          // it is there
}

func (l *readingLine) show(r reconcile.Reading) {
	switch {
	case r.Ended:
		l.wipe()
	case r.Made == 0:
		l.shown = 0
		if r.Foreseen.Took >= soon*time.Second {
			l.announce(r)
		}
	case l.moves && r.Calls() > readingFew && r.Took-l.shown >= readingEach:
		l.shown, l.dirty = r.Took, true
		fmt.Fprintf(l.errs, "\r\x1b[K%s", progressText(r))
	}
}

func (l *readingLine) announce(r reconcile.Reading) {
	fmt.Fprintf(l.errs, "Reading %s: %s\n", plural(r.Resources, "resource"), readsText(r))
	if l.shorter != "" && r.Foreseen.Took >= readingLong {
		fmt.Fprintln(l.errs, l.shorter)
	}
}

func (l *readingLine) wipe() {
	if l.dirty {
		fmt.Fprint(l.errs, "\r\x1b[K")
	}
	l.dirty = false
}

// readsText says what reading takes.
func readsText(r reconcile.Reading) string {
	b := r.Foreseen.Bill()
	text := fmt.Sprintf("%s, about %s under the quotas", plural(r.Calls(), "call"), about(b.Seconds))
	if b.Critical != nil {
		text += "; " + criticalText(b)
	}
	return text + "."
}

// progressText says how far it is.
func progressText(r reconcile.Reading) string {
	if r.Made > r.Calls() {
		return fmt.Sprintf("read %s, more than were foreseen", plural(r.Made, "call"))
	}
	return fmt.Sprintf("read %d of %s, %s left", r.Made, plural(r.Calls(), "call"), about(r.Left().Seconds()))
}

// listing shows on a terminal how many calls it has taken so far to list what an
// account holds, which nobody can foresee, until end is called.
func (a *app) listing(account string, next call.Caller) (counted call.Caller, end func()) {
	if terminal(a.errs) == 0 || a.output != "text" {
		return next, func() {}
	}
	var mu sync.Mutex
	made, began, shown := 0, time.Now(), time.Time{}
	fmt.Fprintf(a.errs, "reading account %s", account)
	counted = call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
		resp, err := next.Call(ctx, req)
		mu.Lock()
		defer mu.Unlock()
		if made++; time.Since(shown) >= readingEach {
			shown = time.Now()
			fmt.Fprintf(a.errs, "\r\x1b[Kreading account %s: %s in %s",
				account, plural(made, "call"), about(time.Since(began).Seconds()))
		}
		return resp, err
	})
	return counted, func() {
		fmt.Fprintf(a.errs, "\r\x1b[Kread account %s: %s in %s\n", account, plural(made, "call"), tookText(time.Since(began)))
	}
}
