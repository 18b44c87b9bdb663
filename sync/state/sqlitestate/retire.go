package sqlitestate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// A store is retired by triggers: SQLite itself then refuses every write, of each
// process that has the file open and of each version of weir, also of those that know
// of no retirement. movedTable says where the content went.
const (
	movedTable   = "moved"
	madeMoved    = `CREATE TABLE moved (place TEXT NOT NULL)`
	insertMoved  = `INSERT INTO moved VALUES (?)`
	dropMoved    = `DROP TABLE moved`
	isMoved      = `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '` + movedTable + `'`
	movedPlace   = `SELECT place FROM moved`
	movedTrigger = `CREATE TRIGGER moved_%[1]s_%[2]s BEFORE %[2]s ON %[1]s BEGIN SELECT RAISE(ABORT, %[3]s); END`
	dropTrigger  = `DROP TRIGGER moved_%s_%s`
)

// retirable are the tables that nothing is written into any more.
func retirable() []string {
	return []string{
		"applied", "acts", "marks", "consents", "claims", "journal", "links", "anchors", "identity", "changes",
	}
}

// Retire says that the store's content was taken elsewhere, or takes that back; see
// state.Porter.
func (s *Store) Retire(ctx context.Context, where string) error {
	if err := s.present(); err != nil {
		return fmt.Errorf("retire: %w", err)
	}
	return s.submit(ctx, "retire", func(t *tx) error {
		if err := t.reopen(); err != nil || where == "" {
			return err
		}
		return t.retire(strings.ReplaceAll(where, "\x00", ""))
	})
}

// reopen lets a store that was retired be written again.
func (t *tx) reopen() error {
	count := 0
	if err := t.row(isMoved, nil, &count); err != nil || count == 0 {
		return err
	}
	for _, table := range retirable() {
		for _, verb := range []string{"INSERT", "UPDATE", "DELETE"} {
			if err := t.once(fmt.Sprintf(dropTrigger, table, verb)); err != nil {
				return err
			}
		}
	}
	return t.once(dropMoved)
}

func (t *tx) retire(where string) error {
	if err := t.once(madeMoved); err != nil {
		return err
	}
	if err := t.once(insertMoved, where); err != nil {
		return err
	}
	text := "'" + strings.ReplaceAll("its content was taken to "+where, "'", "''") + "'"
	for _, table := range retirable() {
		for _, verb := range []string{"INSERT", "UPDATE", "DELETE"} {
			if err := t.once(fmt.Sprintf(movedTrigger, table, verb, text)); err != nil {
				return err
			}
		}
	}
	return nil
}

// once executes what is not worth preparing.
func (t *tx) once(query string, args ...any) error {
	_, err := t.conn.ExecContext(context.Background(), query, args...)
	return err
}

// Retired returns what Retire was told, "" for a store that is in use.
func (s *Store) Retired(ctx context.Context) (string, error) {
	where, err := s.retired(ctx)
	if err != nil {
		return "", fmt.Errorf("read where the content is: %w", s.fault(err))
	}
	return where, nil
}

func (s *Store) retired(ctx context.Context) (where string, err error) {
	err = s.snapshot(ctx, func(conn *sql.Conn) error {
		count := 0
		if err := on(ctx, conn)(isMoved, nil, &count); err != nil || count == 0 {
			return err
		}
		return on(ctx, conn)(movedPlace, nil, &where)
	})
	return where, err
}

// movedAway is the cause of a write into a store that was retired.
func (s *Store) movedAway() error {
	where, err := s.retired(context.Background())
	if err != nil {
		return err
	}
	return errors.New("its content was taken to " + where)
}
