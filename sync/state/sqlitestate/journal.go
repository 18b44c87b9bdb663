package sqlitestate

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"weir/sync/state"
)

const entryColumns = `opened, account, operation, params, is_write, resource,
	source, file, line, commit_hash, author, revision, plan, process,
	action, reason, before_spec, after_spec, closed, code, cloud_code, status, request_id, message`

const openEntry = `INSERT INTO journal (` + entryColumns + `)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

const closeEntry = `UPDATE journal SET closed = ?, code = ?, cloud_code = ?, status = ?, request_id = ?, message = ?
	WHERE number = ?`

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
	ORDER BY number LIMIT ?3)`

// Open writes the intent of a call and returns its entry's number.
func (s *Store) Open(ctx context.Context, e state.Entry) (int64, error) {
	row, err := entryRow(e)
	if err != nil {
		return 0, fmt.Errorf("open entry: %w", err)
	}
	var n int64
	err = s.submit(ctx, "open entry", func(t *tx) error {
		result, err := t.exec(openEntry, row...)
		if err != nil {
			return err
		}
		if n, err = result.LastInsertId(); err != nil {
			return err
		}
		return s.prune(t, n)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// prune removes some of the closed entries beyond the bounds.
func (s *Store) prune(t *tx, n int64) error {
	if n%pruneEvery != 0 {
		return nil
	}
	for isWrite, keep := range []int64{s.options.MaxReads, s.options.MaxEntries} {
		if _, err := t.exec(pruneEntries, isWrite, keep, pruneStep); err != nil {
			return err
		}
	}
	return nil
}

// Close writes the outcome of the call numbered n.
func (s *Store) Close(ctx context.Context, n int64, o state.Outcome) error {
	if err := checkTimes(o.Closed); err != nil {
		return fmt.Errorf("close entry: %w", err)
	}
	var found int64
	err := s.submit(ctx, "close entry", func(t *tx) error {
		result, err := t.exec(closeEntry, append(outcomeRow(o), n)...)
		if err != nil {
			return err
		}
		found, err = result.RowsAffected()
		return err
	})
	if err == nil && found == 0 {
		err = fmt.Errorf("close entry %d: %w", n, state.ErrNoEntry)
	}
	return err
}

// Journal returns entries that match q, newest first unless q says otherwise.
func (s *Store) Journal(ctx context.Context, q state.Query) ([]state.Entry, error) {
	if err := checkTimes(q.Since, q.Until); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	where, args := conditions(q)
	order := "DESC"
	if q.Oldest {
		order = "ASC"
	}
	query := "SELECT number, " + entryColumns + " FROM journal" + where + " ORDER BY number " + order + " LIMIT ?"
	limit := q.Limit
	if limit <= 0 {
		limit = state.DefaultLimit
	}
	entries, err := collect(ctx, s.read, scanEntry, query, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", s.fault(err))
	}
	return entries, nil
}

// conditions returns the WHERE clause of q and its arguments.
func conditions(q state.Query) (string, []any) {
	var (
		terms []string
		args  []any
	)
	add := func(set bool, term string, arg ...any) {
		if set {
			terms, args = append(terms, term), append(args, arg...)
		}
	}
	add(q.Account != "", "account = ?", q.Account)
	add(q.Operation != "", "operation = ?", q.Operation)
	add(q.Resource != "", "resource = ?", q.Resource)
	add(q.Plan != "", "plan = ?", q.Plan)
	add(q.Commit != "", "commit_hash >= ? AND commit_hash < ?", q.Commit, q.Commit+"\U0010ffff")
	add(q.Code == state.CodeOpen, "closed IS NULL")
	add(q.Code != "" && q.Code != state.CodeOpen, "code = ? AND closed IS NOT NULL", q.Code)
	add(!q.Since.IsZero(), "opened >= ?", nanos(q.Since))
	add(!q.Until.IsZero(), "opened < ?", nanos(q.Until))
	add(q.Above > 0, "number > ?", q.Above)
	add(q.Below > 0, "number < ?", q.Below)
	add(q.Writes, "is_write = 1")
	if len(terms) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(terms, " AND "), args
}

func entryRow(e state.Entry) ([]any, error) {
	if err := checkTimes(e.Opened, e.Outcome.Closed); err != nil {
		return nil, err
	}
	params, err := state.EncodeParams(e.Params)
	if err != nil {
		return nil, err
	}
	row := []any{
		nanos(e.Opened), e.Account, e.Operation, params, number(e.Write), e.Resource,
		e.Origin.Source, e.Origin.File, int64(e.Origin.Line), e.Origin.Commit, e.Origin.Author,
		e.Revision, e.Plan, e.Process,
	}
	return slices.Concat(row, changeRow(e.Change), outcomeRow(e.Outcome)), nil
}

// changeRow is a change as four columns; without an action there is none.
func changeRow(c *state.Change) []any {
	if c == nil {
		return []any{"", "", "", ""}
	}
	return []any{c.Action, c.Reason, string(c.Before), string(c.After)}
}

func outcomeRow(o state.Outcome) []any {
	return []any{nanos(o.Closed), o.Code, o.CloudCode, int64(o.Status), o.RequestID, o.Message}
}

func scanEntry(rows *sql.Rows) (state.Entry, error) {
	var (
		e              state.Entry
		opened, closed sql.NullInt64
		params         string
		change         state.Change
	)
	o, out := &e.Origin, &e.Outcome
	err := rows.Scan(&e.Number, &opened, &e.Account, &e.Operation, &params, &e.Write, &e.Resource,
		&o.Source, &o.File, &o.Line, &o.Commit, &o.Author, &e.Revision, &e.Plan, &e.Process,
		&change.Action, &change.Reason, (*string)(&change.Before), (*string)(&change.After),
		&closed, &out.Code, &out.CloudCode, &out.Status, &out.RequestID, &out.Message)
	if err != nil {
		return e, scanned(err)
	}
	e.Opened, out.Closed = moment(opened), moment(closed)
	if change.Action != "" {
		e.Change = &change
	}
	e.Params, err = state.DecodeParams(params)
	return e, scanned(err)
}
