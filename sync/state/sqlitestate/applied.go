package sqlitestate

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

const appliedColumns = `account, kind, key, spec, source, file, line, commit_hash, author,
	revision, at, epoch, confirmed, heals, checksum`

const saveApplied = `INSERT OR REPLACE INTO applied (` + appliedColumns + `)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Applied returns every record, ordered by ID.
func (s *Store) Applied(ctx context.Context) ([]resource.Applied, error) {
	if err := s.present(); err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	records, err := collect(ctx, s.read, appliedScanner(),
		"SELECT "+appliedColumns+" FROM applied ORDER BY account, kind, key")
	if err != nil {
		return nil, fmt.Errorf("read records: %w", s.fault(err))
	}
	return records, nil
}

// Save writes records, all or none.
func (s *Store) Save(ctx context.Context, records ...resource.Applied) error {
	for _, r := range records {
		if err := checkApplied(r); err != nil {
			return fmt.Errorf("save record: %w", err)
		}
	}
	return s.submit(ctx, "save records", func(t *tx) error {
		for _, r := range records {
			if _, err := t.exec(saveApplied, appliedRow(r)...); err != nil {
				return err
			}
			if err := t.changed(r.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// Forget removes the record and the acts of each ID, all or none.
func (s *Store) Forget(ctx context.Context, ids ...resource.ID) error {
	return s.submit(ctx, "forget records", func(t *tx) error {
		for _, id := range ids {
			if err := forget(t, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func forget(t *tx, id resource.ID) error {
	for _, table := range []string{"applied", "acts"} {
		query := "DELETE FROM " + table + " WHERE account = ? AND kind = ? AND key = ?"
		if _, err := t.exec(query, id.Account, id.Kind, id.Key); err != nil {
			return err
		}
	}
	return t.changed(id)
}

// submit has do carried out by the writer; nothing to do costs nothing.
func (s *Store) submit(ctx context.Context, what string, do func(*tx) error) error {
	if err := s.write.submit(ctx, do); err != nil {
		return fmt.Errorf("%s: %w", what, s.fault(err))
	}
	return nil
}

func checkApplied(r resource.Applied) error {
	if err := state.CheckID(r.ID); err != nil {
		return err
	}
	for _, h := range r.Heals {
		if err := checkTimes(h.At); err != nil {
			return err
		}
	}
	return checkTimes(r.At)
}

func appliedRow(r resource.Applied) []any {
	return []any{
		r.ID.Account, r.ID.Kind, r.ID.Key, string(r.Spec),
		r.Origin.Source, r.Origin.File, int64(r.Origin.Line), r.Origin.Commit, r.Origin.Author,
		r.Revision, nanos(r.At), r.Epoch, number(r.Confirmed), healsText(r.Heals), appliedSum(r),
	}
}

// appliedSum is over the heals only where there are some: rows of former
// formats have none.
func appliedSum(r resource.Applied) int64 {
	d := digest{}.
		texts(r.ID.Account, r.ID.Kind, r.ID.Key, string(r.Spec), r.Revision, r.Epoch).
		texts(r.Origin.Source, r.Origin.File, r.Origin.Commit, r.Origin.Author).
		numbers(int64(r.Origin.Line), number(r.Confirmed)).
		times(r.At)
	for _, h := range r.Heals {
		d = d.times(h.At).texts(h.Found)
	}
	return d.sum()
}

// healsText writes heals as "nanoseconds found" with commas between them: a
// fingerprint has neither space nor comma.
func healsText(heals []resource.Heal) string {
	parts := make([]string, 0, len(heals))
	for _, h := range heals {
		parts = append(parts, strconv.FormatInt(h.At.UnixNano(), 10)+" "+h.Found)
	}
	return strings.Join(parts, ",")
}

func parseHeals(text string) ([]resource.Heal, error) {
	if text == "" {
		return nil, nil
	}
	var heals []resource.Heal
	for part := range strings.SplitSeq(text, ",") {
		at, found, _ := strings.Cut(part, " ")
		n, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			return nil, damaged(fmt.Errorf("what was put back: %w", err))
		}
		heals = append(heals, resource.Heal{At: time.Unix(0, n).UTC(), Found: found})
	}
	return heals, nil
}

// appliedScanner returns a function that reads one row after another. What
// many rows have in common is kept once.
func appliedScanner() func(*sql.Rows) (resource.Applied, error) {
	var (
		r     resource.Applied
		at    sql.NullInt64
		sum   int64
		heals string
		kept  = map[string]string{}
	)
	columns := []any{
		&r.ID.Account, &r.ID.Kind, &r.ID.Key, (*string)(&r.Spec),
		&r.Origin.Source, &r.Origin.File, &r.Origin.Line, &r.Origin.Commit, &r.Origin.Author,
		&r.Revision, &at, &r.Epoch, &r.Confirmed, &heals, &sum,
	}
	return func(rows *sql.Rows) (resource.Applied, error) {
		if err := rows.Scan(columns...); err != nil {
			return r, scanned(err)
		}
		var err error
		if r.Heals, err = parseHeals(heals); err != nil {
			return r, err
		}
		r.At = moment(at)
		once(kept, &r.ID.Account, &r.ID.Kind, &r.Revision,
			&r.Origin.Source, &r.Origin.File, &r.Origin.Commit, &r.Origin.Author)
		return r, verify(r.ID, appliedSum(r), sum)
	}
}

// once replaces each text by the equal one in kept.
func once(kept map[string]string, texts ...*string) {
	for _, text := range texts {
		first, ok := kept[*text]
		if !ok {
			first = *text
			kept[first] = first
		}
		*text = first
	}
}
