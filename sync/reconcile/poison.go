package reconcile

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"weir/sync/manifest"
	"weir/sync/state"
)

// crashesToPoison is how often the process may die while it reads a revision
// before that is not read any more: a crash that Go cannot recover from, or
// that the kernel ends for its memory, would repeat at every start.
const crashesToPoison = 2

// poisonLasts is when a poisoned revision is read again by a process that
// starts: there may be more memory, or another weir.
const poisonLasts = 24 * time.Hour

// poisoned writes that the newest revision of f is about to be read, so that the
// process after a crash knows of it. It returns the problem of a revision that
// must not be. The caller holds r.mu, which is free meanwhile.
func (r *Reconciler) poisoned(ctx context.Context, f *feed) []manifest.Problem {
	if !r.resides || r.opts.DryRun || f.Follows == "" {
		return nil
	}
	revision, known := f.loaded.Revision, r.marks.of(r.ofMine(f.Follows))
	r.mu.Unlock()
	defer r.mu.Lock()
	poison := known[state.Poisoned]
	if poison.Revision == revision && time.Since(poison.At) < poisonLasts {
		return poisonProblem(poison.At)
	}
	died := deaths(known[state.Loading].Revision, revision)
	if died >= crashesToPoison {
		now := time.Now()
		r.note(ctx, f, state.Poisoned, revision)
		r.note(ctx, f, state.Loading, "")
		return poisonProblem(now)
	}
	if died > 0 {
		r.opts.Logger.Warn("the process died while it read this revision", "source", f.Name, "revision", revision, "times", died)
	}
	r.note(ctx, f, state.Loading, fmt.Sprintf("%s %d", revision, died+1))
	return nil
}

// survived takes back what poisoned wrote: the revision was read.
func (r *Reconciler) survived(ctx context.Context, f *feed) {
	if !r.resides || r.opts.DryRun || f.Follows == "" {
		return
	}
	r.mu.Unlock()
	defer r.mu.Lock()
	r.note(ctx, f, state.Loading, "")
}

// deaths returns how often a process died while it read a revision, by the mark
// of what is being read: the revision, and how many have begun to.
func deaths(mark, revision string) int {
	times, ok := strings.CutPrefix(mark, revision+" ")
	n, err := strconv.Atoi(times)
	if !ok || err != nil {
		return 0
	}
	return n
}

// note writes a mark of f. Without it a crash would not be counted, which keeps
// nothing else from going on.
func (r *Reconciler) note(ctx context.Context, f *feed, role state.Role, revision string) {
	m := state.Mark{Source: r.ofMine(f.Follows), Role: role, Revision: revision, At: time.Now()}
	if err := r.setMark(context.WithoutCancel(ctx), m); err != nil {
		r.opts.Logger.Warn("cannot write which revision is being read", "source", f.Name, "error", err)
	}
}

func poisonProblem(since time.Time) []manifest.Problem {
	return []manifest.Problem{{
		File: "revision", Code: manifest.CodePoisonedRevision, Severity: manifest.Error,
		Message: fmt.Sprintf("weir died %d times while it read this revision, the last time before %s; it is not read again, "+
			"what was in force stays; commit what was before, or find the file that does it with weir validate",
			crashesToPoison, since.UTC().Format(time.RFC3339)),
	}}
}
