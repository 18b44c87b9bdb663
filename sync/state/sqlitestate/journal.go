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

const openEntry = `INSERT INTO journal (` + entryColumns + `, intent_link, outcome_link)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

const closeEntry = `UPDATE journal SET closed = ?, code = ?, cloud_code = ?, status = ?, request_id = ?, message = ?,
	outcome_link = ? WHERE number = ? AND is_write = ?`

// Open writes the intent of a call and returns its entry's number.
func (s *Store) Open(ctx context.Context, e state.Entry) (int64, error) {
	row, params, err := entryRow(e)
	if err != nil {
		return 0, fmt.Errorf("open entry: %w", err)
	}
	chain, intent := state.ChainOf(e.Write), state.IntentDigest(e, params)
	var n int64
	err = s.submit(ctx, "open entry", func(t *tx) (err error) {
		if n, err = t.writeIntent(chain, row, !e.Outcome.Closed.IsZero()); err != nil {
			return err
		}
		if err := t.link(chain, n, state.Intent, intent); err != nil {
			return err
		}
		t.opened(n, chain)
		if !e.Outcome.Closed.IsZero() {
			if err := t.link(chain, n, state.Ending, state.OutcomeDigest(e.Outcome)); err != nil {
				return err
			}
		}
		return s.prune(t, n)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// writeIntent writes an entry with the places that its links will have.
func (t *tx) writeIntent(chain state.Chain, row []any, closed bool) (int64, error) {
	tip, err := t.tip(chain)
	if err != nil {
		return 0, err
	}
	outcome := int64(0)
	if closed {
		outcome = tip.Seq + 2
	}
	result, err := t.exec(openEntry, slices.Concat(row, []any{tip.Seq + 1, outcome})...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// Close writes the outcome of the call numbered n.
func (s *Store) Close(ctx context.Context, n int64, o state.Outcome) error {
	if err := checkTimes(o.Closed); err != nil {
		return fmt.Errorf("close entry: %w", err)
	}
	digest := state.OutcomeDigest(o)
	found := false
	err := s.submit(ctx, "close entry", func(t *tx) (err error) {
		for _, chain := range t.chainsOf(n) {
			if found, err = t.writeOutcome(chain, n, o); err != nil {
				return err
			}
			if found {
				delete(t.chains, n)
				return t.link(chain, n, state.Ending, digest)
			}
		}
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("close entry %d: %w", n, state.ErrNoEntry)
	}
	return err
}

// mostOpen bounds how many calls this process remembers the chains of.
const mostOpen = 4096

// opened remembers the chain of an entry until its outcome comes.
func (t *tx) opened(n int64, chain state.Chain) {
	if len(t.chains) >= mostOpen {
		clear(t.chains)
	}
	t.chains[n] = chain
}

// chainsOf returns the chains in which an entry may be, the likelier first.
func (t *tx) chainsOf(n int64) []state.Chain {
	if t.chains[n] == state.Writes {
		return []state.Chain{state.Writes, state.Reads}
	}
	return []state.Chain{state.Reads, state.Writes}
}

// writeOutcome writes an outcome with the place that its link will have, and
// reports whether the chain has such an entry.
func (t *tx) writeOutcome(chain state.Chain, n int64, o state.Outcome) (bool, error) {
	tip, err := t.tip(chain)
	if err != nil {
		return false, err
	}
	result, err := t.exec(closeEntry, append(outcomeRow(o), tip.Seq+1, n, number(chain == state.Writes))...)
	if err != nil {
		return false, err
	}
	changed, err := result.RowsAffected()
	return changed > 0, err
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
	columns, scan := entryColumns, scanEntry
	if q.Links {
		columns, scan = entryColumns+linkColumns(), scanLinked
	}
	query := "SELECT number, " + columns + " FROM journal" + where + " ORDER BY number " + order + " LIMIT ?"
	limit := q.Limit
	if limit <= 0 {
		limit = state.DefaultLimit
	}
	entries, err := collect(ctx, s.read, scan, query, append(args, limit)...)
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
	add(q.Action != "", "action = ?", q.Action)
	add(q.Resource != "", "resource = ?", q.Resource)
	add(q.Plan != "", "plan = ?", q.Plan)
	add(q.Commit != "", "commit_hash >= ? AND commit_hash < ?", q.Commit, q.Commit+"\U0010ffff")
	add(q.RequestID != "", "request_id = ?", q.RequestID)
	switch q.Code {
	case "":
	case state.CodeOpen:
		add(true, "closed IS NULL")
	case state.CodeFailed:
		add(true, "code <> ? AND closed IS NOT NULL", state.CodeOK)
	default:
		add(true, "code = ? AND closed IS NOT NULL", q.Code)
	}
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

// entryRow returns the columns of an entry, and the text of its parameters.
func entryRow(e state.Entry) ([]any, string, error) {
	if err := checkTimes(e.Opened, e.Outcome.Closed); err != nil {
		return nil, "", err
	}
	params, err := state.EncodeParams(e.Params)
	if err != nil {
		return nil, "", err
	}
	row := []any{
		nanos(e.Opened), e.Account, e.Operation, params, number(e.Write), e.Resource,
		e.Origin.Source, e.Origin.File, int64(e.Origin.Line), e.Origin.Commit, e.Origin.Author,
		e.Revision, e.Plan, e.Process,
	}
	return slices.Concat(row, changeRow(e.Change), outcomeRow(e.Outcome)), params, nil
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
	e, params, err := scanColumns(rows)
	if err != nil {
		return e, err
	}
	e.Params, err = state.DecodeParams(params)
	return e, scanned(err)
}

// scanColumns reads an entry but for its parameters, of which it returns the
// text. further are columns after it.
func scanColumns(rows *sql.Rows, further ...any) (e state.Entry, params string, err error) {
	var (
		opened, closed sql.NullInt64
		change         state.Change
	)
	o, out := &e.Origin, &e.Outcome
	err = rows.Scan(append([]any{
		&e.Number, &opened, &e.Account, &e.Operation, &params, &e.Write, &e.Resource,
		&o.Source, &o.File, &o.Line, &o.Commit, &o.Author, &e.Revision, &e.Plan, &e.Process,
		&change.Action, &change.Reason, (*string)(&change.Before), (*string)(&change.After),
		&closed, &out.Code, &out.CloudCode, &out.Status, &out.RequestID, &out.Message,
	}, further...)...)
	if err != nil {
		return e, params, scanned(err)
	}
	e.Opened, out.Closed = moment(opened), moment(closed)
	if change.Action != "" {
		e.Change = &change
	}
	return e, params, nil
}
