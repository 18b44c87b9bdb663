package sqlitestate

import (
	"context"
	"database/sql"
	"fmt"

	"weir/sync/resource"
	"weir/sync/state"
)

// changesKept is how many changes a reader may be behind; one that is further
// behind reads everything. Older ones go with every changesStep-th.
const (
	changesKept = 20_000
	changesStep = 512
)

const (
	addChange   = `INSERT INTO changes (account, kind, key) VALUES (?, ?, ?)`
	dropChanges = `DELETE FROM changes WHERE seq <= ?`

	changesEnds  = `SELECT (SELECT min(seq) FROM changes), (SELECT max(seq) FROM changes)`
	changedSince = `SELECT DISTINCT account, kind, key FROM changes WHERE seq > ? AND account <> ''`

	// CROSS JOIN has SQLite begin with what was changed, which is little.
	changedApplied = `SELECT ` + appliedColumns + ` FROM (` + changedSince + `) CROSS JOIN applied USING (account, kind, key)`
	changedActs    = `SELECT ` + actColumns + ` FROM (` + changedSince + `) CROSS JOIN acts USING (account, kind, key)
		ORDER BY name`
)

// changed notes that a record or an act of id was written.
func (t *tx) changed(id resource.ID) error {
	res, err := t.exec(addChange, id.Account, id.Kind, id.Key)
	if err != nil {
		return err
	}
	seq, err := res.LastInsertId()
	if err != nil || seq%changesStep != 0 || seq <= changesKept {
		return err
	}
	_, err = t.exec(dropChanges, seq-changesKept)
	return err
}

// Changes returns what was written of records and acts after a cursor; see
// state.Store.
func (s *Store) Changes(ctx context.Context, since state.Cursor) (state.Changes, error) {
	c, err := s.changes(ctx, since)
	if err != nil {
		return c, fmt.Errorf("read changes: %w", s.fault(err))
	}
	return c, nil
}

// changes reads where to go on before what was written, so that what is written
// meanwhile comes again.
func (s *Store) changes(ctx context.Context, since state.Cursor) (state.Changes, error) {
	if err := s.present(); err != nil {
		return state.Changes{}, err
	}
	var oldest, newest state.Cursor
	if err := s.read.QueryRowContext(ctx, changesEnds).Scan(&oldest, &newest); err != nil {
		return state.Changes{}, scanned(err)
	}
	switch {
	case since == newest:
		return state.Changes{Next: newest}, nil
	case since < oldest, since > newest:
		return s.all(ctx, newest)
	}
	ids, err := collect(ctx, s.read, scanID, changedSince, since)
	if err != nil {
		return state.Changes{}, err
	}
	records, err := collect(ctx, s.read, appliedScanner(), changedApplied, since)
	if err != nil {
		return state.Changes{}, err
	}
	acts, err := collect(ctx, s.read, func(r *sql.Rows) (resource.Act, error) { return scanAct(r.Scan) }, changedActs, since)
	return state.Changes{Known: state.KnownOf(records, acts, ids...), Next: newest}, err
}

// all returns everything.
func (s *Store) all(ctx context.Context, next state.Cursor) (state.Changes, error) {
	records, err := s.Applied(ctx)
	if err != nil {
		return state.Changes{}, err
	}
	acts, err := s.Acts(ctx)
	return state.Changes{Whole: true, Known: state.KnownOf(records, acts), Next: next}, err
}

func scanID(rows *sql.Rows) (id resource.ID, err error) {
	err = rows.Scan(&id.Account, &id.Kind, &id.Key)
	return id, scanned(err)
}
