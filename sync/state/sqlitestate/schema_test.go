package sqlitestate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"weir/sync/resource"
	"weir/sync/state"
)

// base is the newest format.
func base() int { return len(schema()) }

// later are the steps of a weir that is n formats ahead; each leaves a trace.
func later(n int) []string {
	steps := schema()
	for i := range n {
		step := "CREATE TABLE step%d (x INTEGER) STRICT; UPDATE applied SET epoch = epoch || '%d'"
		steps = append(steps, fmt.Sprintf(step, i, i))
	}
	return steps
}

// raw opens the file beside the store's own connections.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	s := &Store{path: path, options: Options{BusyTimeout: DefaultBusyTimeout}}
	db := sql.OpenDB(s.connector(s.writePragmas()))
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

func count(t *testing.T, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	must(t, db.QueryRowContext(t.Context(), query, args...).Scan(&n))
	return n
}

func format(t *testing.T, db *sql.DB) int {
	return count(t, db, "SELECT user_version FROM pragma_user_version")
}

func TestFailure_P16_MigratesACopyIsKept(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	must(t, s.Save(t.Context(), benchRecord(1), benchRecord(2)))
	shut(t, s)
	db := raw(t, s.Path())
	must(t, migrate(t.Context(), db, s.Path(), later(2)))
	if format(t, db) != base()+2 || count(t, db, "SELECT count(*) FROM applied WHERE epoch = '01'") != 2 {
		t.Error("the steps were not carried out once each")
	}
	copied := CopyPath(s.Path(), int64(base()))
	if info, err := os.Stat(copied); err != nil || info.Mode() != 0o600 {
		t.Fatalf("copy: %v, %v", info, err)
	}
	// The copy is a store that the older weir opens.
	want := []resource.Applied{benchRecord(1), benchRecord(2)}
	if got := records(t, openAt(t, copied, Options{})); !reflect.DeepEqual(got, want) {
		t.Errorf("the copy holds %v", got)
	}
	if spares, _ := filepath.Glob(filepath.Join(filepath.Dir(s.Path()), "weir-copy-*")); len(spares) != 0 {
		t.Errorf("left behind: %v", spares)
	}
}

func TestFailure_P16_KeepsThreeCopies(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	shut(t, s)
	db := raw(t, s.Path())
	for n := 1; n <= 5; n++ {
		must(t, migrate(t.Context(), db, s.Path(), later(n)))
	}
	copies, err := filepath.Glob(s.Path() + ".format*")
	must(t, err)
	want := []string{CopyPath(s.Path(), int64(base()+2)), CopyPath(s.Path(), int64(base()+3)), CopyPath(s.Path(), int64(base()+4))}
	if !reflect.DeepEqual(copies, want) {
		t.Errorf("got  %v\nwant %v", copies, want)
	}
}

func TestFailure_P16_FailedStepChangesNothing(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	must(t, s.Save(t.Context(), benchRecord(1)))
	shut(t, s)
	db := raw(t, s.Path())
	steps := append(later(1), "INSERT INTO no_such_table VALUES (1)")
	says(t, migrate(t.Context(), db, s.Path(), steps), fmt.Sprintf("migrate to format %d", base()+2))
	if format(t, db) != base() || count(t, db, "SELECT count(*) FROM applied WHERE epoch = ''") != 1 {
		t.Error("the file was changed")
	}
}

func TestFailure_P16_CopyThatCannotBeMadeStopsTheMigration(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	shut(t, s)
	db := raw(t, s.Path())
	must(t, os.Mkdir(CopyPath(s.Path(), int64(base())), 0o700)) // in the way of the copy's name
	says(t, migrate(t.Context(), db, s.Path(), later(1)), "copy before migrating")
	if format(t, db) != base() {
		t.Error("the file was migrated without a copy")
	}
}

// TestFailure_P16_ProcessesMigrateOnce has several connections migrate one
// file at the same time.
func TestFailure_P16_ProcessesMigrateOnce(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	must(t, s.Save(t.Context(), benchRecord(1)))
	shut(t, s)
	const n = 4
	dbs, errs := make([]*sql.DB, n), make(chan error, n)
	for i := range dbs {
		dbs[i] = raw(t, s.Path())
	}
	for _, db := range dbs {
		go func() { errs <- migrate(t.Context(), db, s.Path(), later(1)) }()
	}
	for range dbs {
		must(t, <-errs)
	}
	if format(t, dbs[0]) != base()+1 || count(t, dbs[0], "SELECT count(*) FROM applied WHERE epoch = '0'") != 1 {
		t.Error("the step was not carried out exactly once")
	}
	if version, err := formatInFile(CopyPath(s.Path(), int64(base()))); version != int64(base()) || err != nil {
		t.Errorf("the copy has format %d, %v", version, err)
	}
}

func TestFailure_P18_TablesWithoutFormat(t *testing.T) {
	db := raw(t, newPath(t))
	_, err := db.ExecContext(t.Context(), "CREATE TABLE applied (x)")
	must(t, err)
	if err := migrate(t.Context(), db, "", schema()); state.FaultOf(err) != state.Foreign {
		t.Errorf("got %v", err)
	}
}

// TestFormat1 pins the released format: a file written by any weir has it.
func TestFormat1(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	if n := format(t, s.read); n != len(schema()) {
		t.Errorf("format %d, want %d", n, len(schema()))
	}
	if n := count(t, s.read, "SELECT application_id FROM pragma_application_id"); n != 0x77656972 {
		t.Errorf("mark %#x", n)
	}
	settings := map[string]string{"journal_mode": "wal", "synchronous": "2", "page_size": "4096"}
	for pragma, want := range settings {
		var got string
		must(t, s.write.submit(context.Background(), func(t *tx) error { return t.row("PRAGMA "+pragma, nil, &got) }))
		if got != want {
			t.Errorf("%s is %s, want %s", pragma, got, want)
		}
	}
}

// TestQueriesUseIndexes makes sure that the questions of history and blame do
// not read the whole journal.
func TestQueriesUseIndexes(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	where, args := conditions(state.Query{Resource: "r"})
	from := "SELECT * FROM journal"
	cases := map[string]struct {
		query string
		args  []any
		want  string
	}{
		"Journal of a resource": {from + where + " ORDER BY number DESC LIMIT ?", append(args, 10), "journal_resource"},
		"newest of a commit":    {from + " WHERE commit_hash = ? ORDER BY number DESC", []any{"c"}, "journal_commit"},
		"span of time":          {from + " WHERE opened BETWEEN ? AND ?", []any{1, 2}, "journal_opened"},
		"outcome":               {from + " WHERE code = ? ORDER BY number DESC", []any{"denied"}, "journal_code"},
		"pruning":               {pruneEntries, []any{1, 2, 3}, "journal_write"},
		"pruning by age":        {oldestEntries, []any{1, 2}, "journal_write"},
		"pruning up to":         {pruneUpTo, []any{1, 2}, "journal_write"},
		"links before the rest": {lastPruned, []any{1, 2}, "PRIMARY KEY"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			plan := explain(t, s.read, c.query, c.args...)
			slow := strings.Contains(plan, "SCAN") || strings.Contains(plan, "TEMP B-TREE")
			if !strings.Contains(plan, c.want) || slow {
				t.Errorf("plan:\n%s", plan)
			}
		})
	}
}

func explain(t *testing.T, db *sql.DB, query string, args ...any) string {
	t.Helper()
	steps, err := collect(t.Context(), db, func(r *sql.Rows) (string, error) {
		var id, parent, unused int
		var detail string
		err := r.Scan(&id, &parent, &unused, &detail)
		return detail, err
	}, "EXPLAIN QUERY PLAN "+query, args...)
	must(t, err)
	return strings.Join(steps, "\n")
}

func TestIntegrity_EndedContext(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("check: %v", err)
	}
	if _, err := Open(ctx, s.Path(), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
}
