package sqlitestate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"

	"weir/sync/state"
)

// held counts what a store holds; the journal's last number says that there was
// something.
const held = `SELECT (SELECT count(*) FROM applied) + (SELECT count(*) FROM acts) + (SELECT count(*) FROM marks) +
	(SELECT count(*) FROM consents) + (SELECT count(*) FROM claims) + (SELECT count(*) FROM journal) +
	(SELECT count(*) FROM links) + (SELECT count(*) FROM sqlite_sequence WHERE name = 'journal')`

const (
	restoreEntry = `INSERT INTO journal (number, ` + entryColumns + `, intent_link, outcome_link)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	restoreAnchor   = `UPDATE anchors SET seq = ?, hash = ?, pruned = ?, began = ? WHERE is_write = ?`
	restoreIdentity = `INSERT OR REPLACE INTO identity (one, id, checksum) VALUES (1, ?, ?)`
	forgetNumber    = `DELETE FROM sqlite_sequence WHERE name = 'journal'`
	restoreNumber   = `INSERT INTO sqlite_sequence (name, seq) VALUES ('journal', ?)`
)

// Restore writes all of a dump into a store that holds nothing, in one transaction; see
// state.Porter.
func (s *Store) Restore(ctx context.Context, all iter.Seq2[state.Dump, error]) error {
	if err := s.present(); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	identity := ""
	err := s.submit(ctx, "restore", func(t *tx) (err error) {
		identity, err = t.restore(ctx, all)
		return err
	})
	if err != nil {
		return err
	}
	if err := writeIdentity(s.path+identityFile, identity); err != nil {
		return fmt.Errorf("restore: %w", s.fault(err))
	}
	s.moved = false
	return nil
}

// restore writes a dump and returns the identity in it.
func (t *tx) restore(ctx context.Context, all iter.Seq2[state.Dump, error]) (identity string, err error) {
	count := 0
	if err := t.row(held, nil, &count); err != nil {
		return "", err
	}
	if count > 0 {
		return "", state.ErrNotEmpty
	}
	defer clear(t.tips) // the chains have others now
	var head *state.DumpHead
	for d, err := range all {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && (d.Head == nil) == (head == nil) {
			err = errors.New("a dump has one head, at its beginning")
		}
		if err != nil {
			return "", err
		}
		if d.Head != nil {
			head = d.Head
			continue
		}
		if err := t.restoreOne(d); err != nil {
			return "", err
		}
	}
	if head == nil {
		return "", errors.New("a dump has one head, at its beginning")
	}
	return head.Identity, t.restoreHead(*head)
}

// restoreHead writes what comes after everything else, since SQLite counts along.
func (t *tx) restoreHead(head state.DumpHead) error {
	if _, err := t.exec(restoreIdentity, head.Identity, identitySum(head.Identity)); err != nil {
		return err
	}
	if _, err := t.exec(forgetNumber); err != nil || head.Number == 0 {
		return err
	}
	_, err := t.exec(restoreNumber, head.Number)
	return err
}

// restoreOne writes one thing of a dump that is no head.
func (t *tx) restoreOne(d state.Dump) error {
	switch {
	case d.Applied != nil:
		if err := checkApplied(*d.Applied); err != nil {
			return err
		}
		if _, err := t.exec(saveApplied, appliedRow(*d.Applied)...); err != nil {
			return err
		}
		return t.changed(d.Applied.ID)
	case d.Act != nil:
		if err := actProblem(*d.Act, state.CheckAct); err != nil {
			return err
		}
		return t.changeAct(d.Act.ID, saveAct, actRow(*d.Act))
	case d.Mark != nil:
		m := *d.Mark
		return t.put(errors.Join(state.CheckMark(m), checkTimes(m.At)),
			saveMark, m.Source, string(m.Role), m.Revision, nanos(m.At), markSum(m))
	case d.Consent != nil:
		c := *d.Consent
		return t.put(errors.Join(state.CheckConsent(c), checkTimes(c.Given, c.Expires, c.Used)), saveConsent, consentRow(c)...)
	case d.Claim != nil:
		return t.restoreClaim(*d.Claim)
	}
	return t.restoreJournal(d)
}

// restoreJournal writes one thing of the journal.
func (t *tx) restoreJournal(d state.Dump) error {
	switch {
	case d.Anchor != nil:
		a := *d.Anchor
		return t.put(nil, restoreAnchor, a.Seq, a.Hash[:], a.Pruned, a.Began, number(a.Chain == state.Writes))
	case d.Entry != nil:
		return t.restoreEntry(*d.Entry)
	case d.Orphan != nil:
		l := d.Orphan.Link
		l.Number, l.Digest = d.Orphan.Number, d.Orphan.Digest
		return t.put(nil, addLink, linkRow(l)...)
	}
	return errors.New("a dump holds something this weir does not know")
}

// put writes a row, unless there is a problem with it.
func (t *tx) put(problem error, query string, args ...any) error {
	if problem != nil {
		return problem
	}
	_, err := t.exec(query, args...)
	return err
}

func (t *tx) restoreClaim(c state.Claimed) error {
	at, err := c.Time()
	problem := errors.Join(err, state.CheckClaim(c.Name), checkTimes(at))
	return t.put(problem, saveClaim, c.Name, nanos(at), c.By, claimSum(c.Name, at, c.By))
}

func (t *tx) restoreEntry(e state.Entry) error {
	row, _, err := entryRow(e)
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.Number, err)
	}
	places := map[state.Part]int64{}
	for _, l := range e.Links {
		places[l.Part] = l.Seq
		if err := t.put(nil, addLink, linkRow(l)...); err != nil {
			return err
		}
	}
	return t.put(nil, restoreEntry, slices.Concat([]any{e.Number}, row, []any{places[state.Intent], places[state.Ending]})...)
}

// scanClaim reads a claim as a dump has it.
func scanClaim(rows *sql.Rows) (c state.Claimed, err error) {
	var name, by string
	var at sql.NullInt64
	var sum int64
	if err := rows.Scan(&name, &at, &by, &sum); err != nil {
		return c, scanned(err)
	}
	return state.NewClaimed(name, moment(at), by), verify(name, claimSum(name, moment(at), by), sum)
}
