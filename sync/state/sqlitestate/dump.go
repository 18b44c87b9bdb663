package sqlitestate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"weir/sync/resource"
	"weir/sync/state"
)

var _ state.Porter = (*Store)(nil)

// orphanLinks are the links that no entry names, of one chain, each with the hash of
// the link before.
const orphanLinks = `SELECT l.seq, l.number, l.part, l.digest, l.hash,
	coalesce((SELECT hash FROM links p WHERE p.is_write = l.is_write AND p.seq = l.seq - 1),
		(SELECT hash FROM anchors a WHERE a.is_write = l.is_write AND a.seq = l.seq - 1))
	FROM links l LEFT JOIN journal j ON j.number = l.number AND j.is_write = l.is_write
	WHERE l.is_write = ? AND CASE l.part WHEN 1 THEN j.intent_link ELSE j.outcome_link END IS NOT l.seq ORDER BY l.seq`

// lastNumber is the greatest number that was given to an entry.
const lastNumber = `SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'journal'`

// errEnough ends a snapshot whose reader wants no more.
var errEnough = errors.New("enough")

// Dump returns everything, as it is at one moment; see state.Porter.
func (s *Store) Dump(ctx context.Context) iter.Seq2[state.Dump, error] {
	return func(yield func(state.Dump, error) bool) {
		err := s.present()
		if err == nil {
			err = s.snapshot(ctx, func(conn *sql.Conn) error { return dump(ctx, conn, yield) })
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(state.Dump{}, fmt.Errorf("dump: %w", s.fault(err)))
		}
	}
}

// dump yields what a connection sees; its error is errEnough where yield wants no more.
func dump(ctx context.Context, conn *sql.Conn, yield func(state.Dump, error) bool) error {
	first, err := beginning(on(ctx, conn))
	if err != nil {
		return err
	}
	all := append([]iter.Seq2[state.Dump, error]{first}, tables(ctx, conn)...)
	for _, part := range all {
		for d, err := range part {
			if err != nil {
				return err
			}
			if !yield(d, nil) {
				return errEnough
			}
		}
	}
	return nil
}

// beginning returns the head.
func beginning(row query) (iter.Seq2[state.Dump, error], error) {
	var head state.DumpHead
	var err error
	if head.Identity, err = identityOf(row); err != nil {
		return nil, err
	}
	if err := row(lastNumber, nil, &head.Number); err != nil {
		return nil, scanned(err)
	}
	return one(state.Dump{Head: &head}), nil
}

func one(d state.Dump) iter.Seq2[state.Dump, error] {
	return func(yield func(state.Dump, error) bool) { yield(d, nil) }
}

// tables returns what follows the head, in the order of a dump.
func tables(ctx context.Context, conn *sql.Conn) []iter.Seq2[state.Dump, error] {
	out := []iter.Seq2[state.Dump, error]{
		each(ctx, conn, dumped(appliedScanner(), func(v *resource.Applied) state.Dump { return state.Dump{Applied: v} }),
			"SELECT "+appliedColumns+" FROM applied ORDER BY account, kind, key"),
		each(ctx, conn, dumped(func(r *sql.Rows) (resource.Act, error) { return scanAct(r.Scan) },
			func(v *resource.Act) state.Dump { return state.Dump{Act: v} }),
			"SELECT "+actColumns+" FROM acts ORDER BY account, kind, key, name"),
		each(ctx, conn, dumped(scanMark, func(v *state.Mark) state.Dump { return state.Dump{Mark: v} }),
			"SELECT "+markColumns+" FROM marks ORDER BY source, role"),
		each(ctx, conn, dumped(func(r *sql.Rows) (state.Consent, error) { return scanConsent(r.Scan) },
			func(v *state.Consent) state.Dump { return state.Dump{Consent: v} }),
			"SELECT "+consentColumns+" FROM consents ORDER BY given, plan"),
		each(ctx, conn, dumped(scanClaim, func(v *state.Claimed) state.Dump { return state.Dump{Claim: v} }),
			"SELECT "+claimColumns+" FROM claims ORDER BY name"),
	}
	chains := []state.Chain{state.Reads, state.Writes}
	for _, chain := range chains {
		out = append(out, anchorDump(ctx, conn, chain))
	}
	out = append(out, each(ctx, conn, dumped(scanLinked, func(v *state.Entry) state.Dump { return state.Dump{Entry: v} }),
		"SELECT number, "+entryColumns+linkColumns()+" FROM journal ORDER BY number"))
	for _, chain := range chains {
		scan := func(r *sql.Rows) (state.DumpLink, error) { return scanOrphan(r, chain) }
		out = append(out, each(ctx, conn, dumped(scan, func(v *state.DumpLink) state.Dump { return state.Dump{Orphan: v} }),
			orphanLinks, number(chain == state.Writes)))
	}
	return out
}

// dumped makes what scan reads a part of a dump.
func dumped[T any](scan func(*sql.Rows) (T, error), as func(*T) state.Dump) func(*sql.Rows) (state.Dump, error) {
	return func(r *sql.Rows) (state.Dump, error) {
		v, err := scan(r)
		return as(&v), err
	}
}

func anchorDump(ctx context.Context, conn *sql.Conn, chain state.Chain) iter.Seq2[state.Dump, error] {
	return func(yield func(state.Dump, error) bool) {
		anchor, err := anchorOf(on(ctx, conn), chain)
		yield(state.Dump{Anchor: &state.DumpAnchor{Chain: chain, Anchor: anchor}}, err)
	}
}

// scanOrphan reads what orphanLinks gives.
func scanOrphan(rows *sql.Rows, chain state.Chain) (state.DumpLink, error) {
	var raw rawLink
	var number, part int64
	if err := rows.Scan(&raw.seq, &number, &part, &raw.digest, &raw.hash, &raw.prev); err != nil {
		return state.DumpLink{}, scanned(err)
	}
	of := state.Intent
	if part == partOutcome {
		of = state.Ending
	}
	l, err := raw.link(state.Entry{Number: number, Write: chain == state.Writes}, of)
	return state.DumpLink{Link: l, Number: number, Digest: l.Digest}, err
}
