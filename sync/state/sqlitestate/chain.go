package sqlitestate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"weir/sync/state"
)

const (
	addLink    = `INSERT INTO links (is_write, seq, number, part, digest, hash) VALUES (?, ?, ?, ?, ?, ?)`
	lastLink   = `SELECT seq, hash FROM links WHERE is_write = ? ORDER BY seq DESC LIMIT 1`
	readAnchor = `SELECT seq, hash, pruned, began FROM anchors WHERE is_write = ?`
)

// The parts as they are stored.
const (
	partIntent  = 1
	partOutcome = 2
)

// query is what reads one row: the transaction, or a connection that reads.
type query func(text string, args []any, into ...any) error

// on is the query of a connection.
func on(ctx context.Context, conn *sql.Conn) query {
	return func(text string, args []any, into ...any) error {
		return conn.QueryRowContext(ctx, text, args...).Scan(into...)
	}
}

// tip returns the end of a chain, as it was last seen. Where it is longer by
// now, because another process has written, the next link finds its place taken.
func (t *tx) tip(chain state.Chain) (state.Tip, error) {
	if tip, known := t.tips[chain]; known {
		return tip, nil
	}
	tip, err := tipOf(t.row, chain)
	if err == nil {
		t.tips[chain] = tip
	}
	return tip, err
}

// stale reports whether err says that the place of a link was taken.
func stale(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
}

func tipOf(row query, chain state.Chain) (tip state.Tip, err error) {
	var hash []byte
	err = row(lastLink, []any{number(chain == state.Writes)}, &tip.Seq, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		anchor, err := anchorOf(row, chain)
		return anchor.Tip, err
	}
	if err != nil {
		return tip, scanned(err)
	}
	tip.Hash, err = hashed(hash)
	return tip, err
}

func anchorOf(row query, chain state.Chain) (a state.Anchor, err error) {
	var hash []byte
	err = row(readAnchor, []any{number(chain == state.Writes)}, &a.Seq, &hash, &a.Pruned, &a.Began)
	if errors.Is(err, sql.ErrNoRows) {
		return a, damaged(fmt.Errorf("the chain of %s has no beginning", chain))
	}
	if err != nil {
		return a, scanned(err)
	}
	a.Hash, err = hashed(hash)
	return a, err
}

func hashed(b []byte) (h state.Hash, err error) {
	if len(b) != len(h) {
		return h, damaged(fmt.Errorf("a hash of the chain has %d bytes, not %d", len(b), len(h)))
	}
	return state.Hash(b), nil
}

// link adds the link that follows the chain's end.
func (t *tx) link(chain state.Chain, number int64, part state.Part, digest state.Hash) error {
	tip, err := t.tip(chain)
	if err != nil {
		return err
	}
	l := tip.Next(chain, number, part, digest)
	if _, err := t.exec(addLink, linkRow(l)...); err != nil {
		return err
	}
	t.tips[chain] = state.Tip{Seq: l.Seq, Hash: l.Hash}
	return nil
}

func linkRow(l state.Link) []any {
	part := partIntent
	if l.Part == state.Ending {
		part = partOutcome
	}
	return []any{number(l.Chain == state.Writes), l.Seq, l.Number, part, l.Digest[:], l.Hash[:]}
}

// scanLink reads seq, number, part, digest and hash.
func scanLink(rows *sql.Rows) (l state.Link, err error) {
	var part int64
	var digest, hash []byte
	if err := rows.Scan(&l.Seq, &l.Number, &part, &digest, &hash); err != nil {
		return l, scanned(err)
	}
	if l.Part = state.Intent; part == partOutcome {
		l.Part = state.Ending
	}
	var other error
	l.Digest, err = hashed(digest)
	l.Hash, other = hashed(hash)
	return l, errors.Join(err, other)
}

// Heads returns the ends of the journal's chains.
func (s *Store) Heads(ctx context.Context) (heads state.Heads, err error) {
	err = s.snapshot(ctx, func(conn *sql.Conn) (err error) {
		if heads.Writes, err = tipOf(on(ctx, conn), state.Writes); err != nil {
			return err
		}
		heads.Reads, err = tipOf(on(ctx, conn), state.Reads)
		return err
	})
	if err != nil {
		return heads, fmt.Errorf("read the journal's heads: %w", s.fault(err))
	}
	return heads, nil
}

// Verify holds the journal against its chains; see state.Store. It reads all of
// the journal, as it was when it began.
func (s *Store) Verify(ctx context.Context, noted ...state.Hash) (proof state.Proof, err error) {
	err = s.snapshot(ctx, func(conn *sql.Conn) error {
		writes, err := strand(ctx, conn, state.Writes)
		if err != nil {
			return err
		}
		reads, err := strand(ctx, conn, state.Reads)
		if err != nil {
			return err
		}
		proof, err = state.Prove(noted, writes, reads)
		return err
	})
	if err != nil {
		return proof, fmt.Errorf("verify the journal: %w", s.fault(err))
	}
	return proof, nil
}

// snapshot lets f read what was written until now, whatever is written while it
// reads.
func (s *Store) snapshot(ctx context.Context, f func(*sql.Conn) error) (err error) {
	conn, err := s.read.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	defer func() {
		_, end := conn.ExecContext(context.WithoutCancel(ctx), "COMMIT")
		err = errors.Join(err, end)
	}()
	return f(conn)
}

// strand is one chain and its entries on a connection.
func strand(ctx context.Context, conn *sql.Conn, chain state.Chain) (s state.Strand, err error) {
	write := number(chain == state.Writes)
	if s.Anchor, err = anchorOf(on(ctx, conn), chain); err != nil {
		return s, err
	}
	err = on(ctx, conn)(lastNumber, nil, &s.Counted)
	if err != nil {
		return s, scanned(err)
	}
	s.Chain = chain
	s.Links = each(ctx, conn, scanLink,
		"SELECT seq, number, part, digest, hash FROM links WHERE is_write = ? ORDER BY seq", write)
	all := "SELECT number, " + entryColumns + " FROM journal WHERE "
	s.Rows = each(ctx, conn, scanRow, all+"is_write = ? ORDER BY number", write)
	s.Row = func(n int64) (row state.Row, found bool, err error) {
		for row, err := range each(ctx, conn, scanRow, all+"number = ?", n) {
			return row, err == nil, err
		}
		return row, false, nil
	}
	return s, nil
}

// scanRow reads an entry as it is held against its links. One that cannot be
// read is like none that was ever written.
func scanRow(rows *sql.Rows) (state.Row, error) {
	e, params, err := scanColumns(rows)
	return state.NewRow(e, params), err
}

// each yields the rows of a query as they are read.
func each[T any](
	ctx context.Context, conn *sql.Conn, scan func(*sql.Rows) (T, error), query string, args ...any,
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		rows, err := conn.QueryContext(ctx, query, args...)
		if err != nil {
			yield(none, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			v, err := scan(rows)
			if !yield(v, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(none, err)
		}
	}
}
