package sqlitestate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"weir/sync/state"
)

// schema returns the steps from an empty file to the newest format; step i
// leads to format i+1. A step that was ever released is never changed.
func schema() []string { return []string{format1, format2, format3, format4, format5} }

// format1: records and acts are keyed by the parts of their ID, so that SQLite
// orders them as resource.Compare does. Times are Unix nanoseconds, NULL for
// none. Every column that answers "who asked for this call, and what came of
// it" is plain, and the questions asked most have an index.
const format1 = `
CREATE TABLE applied (
	account TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
	spec TEXT NOT NULL,
	source TEXT NOT NULL, file TEXT NOT NULL, line INTEGER NOT NULL, commit_hash TEXT NOT NULL, author TEXT NOT NULL,
	revision TEXT NOT NULL, at INTEGER, epoch TEXT NOT NULL, confirmed INTEGER NOT NULL,
	checksum INTEGER NOT NULL,
	PRIMARY KEY (account, kind, key)
) WITHOUT ROWID;

CREATE TABLE acts (
	account TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
	token TEXT NOT NULL, begun INTEGER, done INTEGER, ends INTEGER, repeatable INTEGER NOT NULL,
	checksum INTEGER NOT NULL,
	PRIMARY KEY (account, kind, key, name)
) WITHOUT ROWID;

CREATE TABLE journal (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	opened INTEGER, account TEXT NOT NULL, operation TEXT NOT NULL, params TEXT NOT NULL, is_write INTEGER NOT NULL,
	resource TEXT NOT NULL,
	source TEXT NOT NULL, file TEXT NOT NULL, line INTEGER NOT NULL, commit_hash TEXT NOT NULL, author TEXT NOT NULL,
	revision TEXT NOT NULL, plan TEXT NOT NULL, process TEXT NOT NULL,
	closed INTEGER, code TEXT NOT NULL, cloud_code TEXT NOT NULL, status INTEGER NOT NULL,
	request_id TEXT NOT NULL, message TEXT NOT NULL
);
CREATE INDEX journal_write ON journal (is_write, number);
CREATE INDEX journal_resource ON journal (resource);
CREATE INDEX journal_opened ON journal (opened);
CREATE INDEX journal_commit ON journal (commit_hash);
CREATE INDEX journal_code ON journal (code);
`

// format2: what each source's revisions mean must outlive the process.
const format2 = `
CREATE TABLE marks (
	source TEXT NOT NULL, role TEXT NOT NULL, revision TEXT NOT NULL, at INTEGER, checksum INTEGER NOT NULL,
	PRIMARY KEY (source, role)
) WITHOUT ROWID;
`

// format3: what each call was made for, what was put back how often, whose
// word let which plan through, and what may happen once only.
const format3 = `
ALTER TABLE applied ADD COLUMN heals TEXT NOT NULL DEFAULT '';
ALTER TABLE journal ADD COLUMN action TEXT NOT NULL DEFAULT '';
ALTER TABLE journal ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE journal ADD COLUMN before_spec TEXT NOT NULL DEFAULT '';
ALTER TABLE journal ADD COLUMN after_spec TEXT NOT NULL DEFAULT '';
CREATE INDEX journal_plan ON journal (plan);
CREATE TABLE consents (
	plan TEXT NOT NULL PRIMARY KEY, given INTEGER, expires INTEGER, giver TEXT NOT NULL,
	used INTEGER, user TEXT NOT NULL, checksum INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE claims (
	name TEXT NOT NULL PRIMARY KEY, at INTEGER, claimant TEXT NOT NULL, checksum INTEGER NOT NULL
) WITHOUT ROWID;
`

// format4: the journal's two chains. A link names its entry, and an entry the
// links of its intent and of its latest outcome, 0 for none: so neither needs
// an index. The anchors are what the chains begin with now; what they begin
// with at first is random, so that no two stores have a link in common. The
// identity is set when the store is opened.
const format4 = `
CREATE TABLE links (
	is_write INTEGER NOT NULL, seq INTEGER NOT NULL, number INTEGER NOT NULL, part INTEGER NOT NULL,
	digest BLOB NOT NULL, hash BLOB NOT NULL,
	PRIMARY KEY (is_write, seq)
) WITHOUT ROWID;
CREATE TABLE anchors (
	is_write INTEGER NOT NULL PRIMARY KEY, seq INTEGER NOT NULL, hash BLOB NOT NULL,
	pruned INTEGER NOT NULL, began INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE identity (
	one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, checksum INTEGER NOT NULL
);
INSERT INTO anchors SELECT 0, 0, randomblob(32), 0, coalesce(max(number), 0) FROM journal;
INSERT INTO anchors SELECT 1, 0, randomblob(32), 0, coalesce(max(number), 0) FROM journal;
ALTER TABLE journal ADD COLUMN intent_link INTEGER NOT NULL DEFAULT 0;
ALTER TABLE journal ADD COLUMN outcome_link INTEGER NOT NULL DEFAULT 0;
`

// format5: of which resources records or acts were written, in that order. The
// first row stands for everything before it.
const format5 = `
CREATE TABLE changes (seq INTEGER PRIMARY KEY, account TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL);
INSERT INTO changes VALUES (1, '', '', '');
`

// migrate brings the file to the newest format, one transaction for all steps,
// after a copy was made of what was there. Processes that open one file at the
// same time do it once.
func migrate(ctx context.Context, db *sql.DB, path string, steps []string) error {
	version, err := formatOf(ctx, db)
	if err != nil || version == int64(len(steps)) {
		return err
	}
	if err := judgeVersion(version, len(steps)); err != nil {
		return err
	}
	if version == 0 {
		err = refuseForeign(ctx, db)
	} else {
		err = keepCopy(ctx, db, path, version)
	}
	if err != nil {
		return err
	}
	return advance(ctx, db, version, steps)
}

func formatOf(ctx context.Context, db *sql.DB) (version int64, err error) {
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return 0, fmt.Errorf("read the format: %w", err)
	}
	return version, nil
}

// refuseForeign refuses to add tables to a database that holds others but has
// no format of ours. The header has shown this before, unless the tables are
// still in a write-ahead log.
func refuseForeign(ctx context.Context, db *sql.DB) error {
	var version, tables int
	query := "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version"
	err := db.QueryRowContext(ctx, query).Scan(&version, &tables)
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	if version == 0 && tables > 0 {
		return faulty(state.Foreign, errors.New("the file is a database of another program"))
	}
	return nil // new, or another process has just created it
}

// advance carries out the steps after version, unless another process did.
func advance(ctx context.Context, db *sql.DB, version int64, steps []string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	var now int64
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&now); err != nil || now != version {
		return err
	}
	for i, step := range steps[version:] {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("migrate to format %d: %w", version+int64(i)+1, err)
		}
	}
	marks := fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d", applicationID, len(steps))
	if _, err := tx.ExecContext(ctx, marks); err != nil {
		return fmt.Errorf("mark format %d: %w", len(steps), err)
	}
	return tx.Commit()
}
