package sqlitestate

import (
	"database/sql"
	"errors"
	"time"

	"weir/sync/state"
)

// Old entries go in steps of pruneStep, one with every pruneEvery-th entry, so
// that no write has to wait for a large one. Calls that write and calls that
// read have bounds of their own: a daemon reads a thousand times as often, and
// what it changed must not be forgotten for that.
const (
	pruneEvery = 256
	pruneStep  = 1024
)

const pruneEntries = `DELETE FROM journal WHERE number IN
	(SELECT number FROM journal WHERE is_write = ?1 AND closed IS NOT NULL AND number <=
		(SELECT number FROM journal WHERE is_write = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)
	ORDER BY number LIMIT ?3)
	RETURNING number`

const (
	oldestEntries = `SELECT number, coalesce(opened, 9223372036854775807) FROM journal
		WHERE is_write = ? ORDER BY number LIMIT ?`
	pruneUpTo = `DELETE FROM journal WHERE is_write = ? AND number <= ?`
)

const (
	raiseAnchor = `UPDATE anchors SET pruned = max(pruned, ?2) WHERE is_write = ?1`

	// The links before the first of an entry that is not pruned can go.
	lastPruned = `SELECT seq, hash FROM links WHERE is_write = ?1 AND seq <
		(SELECT seq FROM links WHERE is_write = ?1 AND number > ?2 ORDER BY seq LIMIT 1) ORDER BY seq DESC LIMIT 1`
	moveAnchor = `UPDATE anchors SET seq = ?2, hash = ?3 WHERE is_write = ?1`
	dropLinks  = `DELETE FROM links WHERE is_write = ?1 AND seq <= ?2`
)

// prune removes some of the entries beyond the bounds, with the links before
// the first that is left.
func (s *Store) prune(t *tx, n int64) error {
	if n%pruneEvery != 0 {
		return nil
	}
	for write, keep := range []int64{s.options.MaxReads, s.options.MaxEntries} {
		many, err := t.pruneMany(write, keep)
		if err != nil {
			return err
		}
		old, err := t.pruneOld(write, s.options.MaxAge)
		if err != nil {
			return err
		}
		if err := t.shorten(write, max(many, old)); err != nil {
			return err
		}
	}
	return nil
}

// pruneMany removes closed entries beyond the newest keep and returns the
// number of the last, 0 for none.
func (t *tx) pruneMany(write int, keep int64) (last int64, err error) {
	err = t.each(pruneEntries, []any{write, keep, pruneStep}, func(rows *sql.Rows) (bool, error) {
		var n int64
		err := rows.Scan(&n)
		last = max(last, n)
		return true, err
	})
	return last, err
}

// pruneOld removes the oldest entries as far as all of them are too old, so
// that a clock that once was wrong cannot make younger ones go. It also takes
// those that nobody closed: by then nobody will.
func (t *tx) pruneOld(write int, age time.Duration) (last int64, err error) {
	if age <= 0 {
		return 0, nil
	}
	oldest := time.Now().Add(-age).UnixNano()
	err = t.each(oldestEntries, []any{write, pruneStep}, func(rows *sql.Rows) (bool, error) {
		var n, opened int64
		if err := rows.Scan(&n, &opened); err != nil || opened >= oldest {
			return false, err
		}
		last = n
		return true, nil
	})
	if err != nil || last == 0 {
		return 0, err
	}
	_, err = t.exec(pruneUpTo, write, last)
	return last, err
}

// shorten lets a chain begin behind the links of entries up to number, as far
// as they come before all others.
func (t *tx) shorten(write int, number int64) error {
	if number == 0 {
		return nil
	}
	if _, err := t.exec(raiseAnchor, write, number); err != nil {
		return err
	}
	var tip state.Tip
	var hash []byte
	err := t.row(lastPruned, []any{write, number}, &tip.Seq, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := t.exec(moveAnchor, write, tip.Seq, hash); err != nil {
		return err
	}
	_, err = t.exec(dropLinks, write, tip.Seq)
	return err
}
