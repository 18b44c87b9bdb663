package simulation

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"weir/sync/state"
	"weir/sync/state/sqlitestate"
)

// imageEvery is of how many of the crash points that are tried one is tried
// with the real store as well.
const imageEvery = 11

// TestFailure_P04_P08_EveryStateLoads cuts the process dead as above, with its
// memory in SQLite: what lay on the disk at that instant is copied, loads, and
// is what the next process begins with.
func TestFailure_P04_P08_EveryStateLoads(t *testing.T) {
	counts := newTally()
	images := 0
	for i := range crashScenarios {
		whole := crashRun(t, crash{scenario: i}, counts)
		for m, moment := range moments() {
			n := int(whole.all[0].moments.n[moment])
			for at := 1 + (i+m)%n; at <= n; at += *every * imageEvery {
				c := crash{i, moment, at}
				if r := imageRun(t, c, counts); len(r.violations) > 0 {
					t.Fatalf("%s: %s\n%s", c, r.violations[0], r.history())
				}
				images++
			}
		}
	}
	t.Logf("%d images of the store", images)
}

// folder returns a place for stores, in memory where the machine has one.
func folder(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "weir-simulation-") //nolint:usetesting // on a disk thousands of writes would take minutes
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// imageRun runs a scenario on SQLite up to the cut, and goes on with a copy of
// its files.
func imageRun(t *testing.T, c crash, counts *tally) *run {
	dir := folder(t)
	before, after := filepath.Join(dir, "before.db"), filepath.Join(dir, "after.db")
	return simulate(t, uint64(c.scenario)+1_000_000, false, counts, func(r *run) {
		first := r.sqlite(before)
		r.store = first
		r.onCut = func() { r.must(copyStore(before, after)) }
		c.story(r)
		r.quiet()
		r.onCut, r.daemon = nil, nil
		if r.all[0].dead.Load() {
			second := r.sqlite(after)
			defer func() { r.must(second.Shut()) }()
			r.store = second
			r.loads()
		}
		if !r.violated() {
			r.finish()
		}
		r.quiet()
		r.must(first.Shut())
	})
}

func (r *run) sqlite(path string) *sqlitestate.Store {
	s, err := sqlitestate.Open(context.Background(), path, sqlitestate.Options{})
	r.must(err)
	return s
}

// quiet ends every process, so that nobody uses the store.
func (r *run) quiet() {
	for _, p := range r.all {
		p.cancel()
		<-p.ended
	}
	r.stray.Wait()
}

// copyStore copies a store as a disk holds it: the file, and its log where
// there is one.
func copyStore(from, to string) error {
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(from + suffix)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(to+suffix, b, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// loads reads everything that the store holds: I8.
func (r *run) loads() {
	r.checkStore()
	ctx := context.Background()
	_, err := r.store.Consents(ctx)
	_, again := r.store.Journal(ctx, state.Query{Limit: 100_000})
	if err := errors.Join(err, again); err != nil {
		r.violate("I8", "the state cannot be read: %v", err)
	}
}
