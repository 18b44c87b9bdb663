package sqlitestate

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"modernc.org/sqlite"

	"weir/sync/state"
)

// pageSize is SQLite's own default, written down because MaxBytes counts in it.
const pageSize = 4096

// walLimit is what the write-ahead log is cut to when it is reset, in bytes.
const walLimit = 16 << 20

func (s *Store) writePragmas() []string {
	pragmas := []string{
		fmt.Sprintf("page_size(%d)", pageSize),
		"journal_mode(WAL)",
		"synchronous(FULL)",
		fmt.Sprintf("journal_size_limit(%d)", walLimit),
		"cell_size_check(1)",
	}
	if s.options.MaxBytes > 0 {
		pragmas = append(pragmas, fmt.Sprintf("max_page_count(%d)", max(1, s.options.MaxBytes/pageSize)))
	}
	return pragmas
}

func readPragmas() []string { return []string{"query_only(1)", "cell_size_check(1)"} }

// connector names the file to the driver. The name is a URL, so that no
// character of a path is taken for a parameter.
func (s *Store) connector(pragmas []string) driver.Connector {
	q := url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}
	q.Set("_busy_timeout", fmt.Sprint(s.options.BusyTimeout.Milliseconds()))
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(s.path), RawQuery: q.Encode()}
	return dsn(u.String())
}

// dsn is a driver.Connector that opens the database it names.
type dsn string

// Connect opens a connection.
func (d dsn) Connect(context.Context) (driver.Conn, error) { return d.Driver().Open(string(d)) }

// Driver returns SQLite's.
func (d dsn) Driver() driver.Driver { return &sqlite.Driver{} }

// retryPause is the pause between two attempts to open a store that another
// process is just creating or recovering: SQLite's own waiting does not cover
// the change to write-ahead logging.
const retryPause = 10 * time.Millisecond

// patiently tries f again while another process is in the way.
func patiently(ctx context.Context, limit time.Duration, f func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if classify(err) != state.Busy || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryPause):
		}
	}
}

// fullCheck is the size in bytes up to which a file is checked whole when it is
// opened, which takes 0.1 s. Of a larger one, which is nearly all journal, the
// tables are checked that decide something.
const fullCheck = 64 << 20

// check refuses a damaged file.
func check(ctx context.Context, db *sql.DB) error {
	var size int64
	err := db.QueryRowContext(ctx, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&size)
	if err != nil {
		return fmt.Errorf("measure the file: %w", err)
	}
	if size <= fullCheck {
		return integrity(ctx, db, "quick_check(1)")
	}
	return errors.Join(integrity(ctx, db, "quick_check(applied)"), integrity(ctx, db, "quick_check(acts)"))
}

// integrity runs one of SQLite's checks and returns what it finds first.
func integrity(ctx context.Context, db *sql.DB, pragma string) error {
	var finding string
	if err := db.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&finding); err != nil {
		return fmt.Errorf("check the file: %w", err)
	}
	if finding != "ok" {
		return damaged(fmt.Errorf("check the file: %s", finding))
	}
	return nil
}
