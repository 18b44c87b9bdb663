package sqlitestate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Generations are copies of the store that is in use, beside it, to go back to
// when it is damaged.
const (
	keptGenerations = 3
	generationAge   = 24 * time.Hour // of the newest, before another is made
	generationForm  = ".copy-20060102T150405Z"
	generationGlob  = ".copy-????????T??????Z"
	// wholeCopy is the size in bytes up to which a copy has the journal too.
	// Beyond it the copy's chain goes on where the journal's ended.
	wholeCopy = 256 << 20
)

// generations returns the paths of the copies, the newest first.
func (s *Store) generations() []string {
	dir, name := filepath.Split(s.path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		// The path itself is no pattern: it may hold what a pattern would.
		if rest, found := strings.CutPrefix(e.Name(), name); found && e.Type().IsRegular() {
			if ok, err := filepath.Match(generationGlob, rest); ok && err == nil {
				out = append(out, filepath.Join(dir, e.Name()))
			}
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out
}

// Keep makes a copy of the store where the newest is a day old, and removes all
// but three. Of a store that does not hold what was written it makes none, so
// that damage does not push out what is whole; nor of one that was retired.
func (s *Store) Keep(ctx context.Context, now time.Time) error {
	if where, err := s.Retired(ctx); err != nil || where != "" {
		return err
	}
	old := s.generations()
	if len(old) > 0 {
		made, err := time.Parse(generationForm, old[0][len(s.path):])
		if err == nil && now.Sub(made) < generationAge && !made.After(now) {
			return nil
		}
	}
	if err := s.whole(ctx); err != nil {
		return fmt.Errorf("copy of the state: %w", err)
	}
	path := s.path + now.UTC().Format(generationForm)
	if err := s.copyTo(ctx, path); err != nil {
		return fmt.Errorf("copy of the state: %w", s.fault(err))
	}
	var errs []error
	for _, path := range s.surplus() {
		errs = append(errs, os.Remove(path))
	}
	return errors.Join(errs...)
}

// surplus returns the copies beyond those that are kept.
func (s *Store) surplus() []string {
	all := s.generations()
	return all[min(len(all), keptGenerations):]
}

// whole reads all that decides, with its checksums.
func (s *Store) whole(ctx context.Context) error {
	_, applied := s.Applied(ctx)
	_, acts := s.Acts(ctx)
	_, marks := s.Marks(ctx)
	_, consents := s.Consents(ctx)
	return errors.Join(applied, acts, marks, consents)
}

// copyTo writes the store to a file, which gets its name when it is whole.
func (s *Store) copyTo(ctx context.Context, path string) error {
	info, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	spare, err := emptyFile(filepath.Dir(s.path))
	if err != nil {
		return err
	}
	if info.Size() <= wholeCopy {
		err = s.fill(ctx, spare)
	} else {
		err = s.fillWithoutJournal(ctx, spare)
	}
	if err == nil {
		err = os.Rename(spare, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(spare))
	}
	return nil
}

// fill copies everything.
func (s *Store) fill(ctx context.Context, spare string) error {
	db := sql.OpenDB(s.connector([]string{"cell_size_check(1)"}))
	defer func() { _ = db.Close() }()
	return fillCopy(ctx, db, spare)
}

// copyWithoutJournal fills an empty store from the one attached as old. The
// chains go on behind what the journal held.
const copyWithoutJournal = `
INSERT INTO applied SELECT * FROM old.applied;
INSERT INTO acts SELECT * FROM old.acts;
INSERT INTO marks SELECT * FROM old.marks;
INSERT INTO consents SELECT * FROM old.consents;
INSERT INTO claims SELECT * FROM old.claims;
INSERT INTO identity SELECT * FROM old.identity;
DELETE FROM anchors;
INSERT INTO anchors SELECT a.is_write,
	coalesce((SELECT seq FROM old.links l WHERE l.is_write = a.is_write ORDER BY seq DESC LIMIT 1), a.seq),
	coalesce((SELECT hash FROM old.links l WHERE l.is_write = a.is_write ORDER BY seq DESC LIMIT 1), a.hash),
	max(a.pruned, coalesce((SELECT seq FROM old.sqlite_sequence WHERE name = 'journal'), 0)), a.began
	FROM old.anchors a;
INSERT INTO sqlite_sequence SELECT name, seq FROM old.sqlite_sequence WHERE name = 'journal';
`

func (s *Store) fillWithoutJournal(ctx context.Context, spare string) (err error) {
	other := Store{path: spare, options: s.options}
	db := sql.OpenDB(other.connector([]string{fmt.Sprintf("page_size(%d)", pageSize)}))
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := advance(ctx, db, 0, schema()); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "ATTACH ? AS old", s.path); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "BEGIN; "+copyWithoutJournal+"COMMIT")
	return err
}
