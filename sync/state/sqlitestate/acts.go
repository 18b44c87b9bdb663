package sqlitestate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"weir/sync/resource"
	"weir/sync/state"
)

const actColumns = `account, kind, key, name, token, begun, done, ends, repeatable, checksum`

const actKey = ` WHERE account = ? AND kind = ? AND key = ? AND name = ?`

const saveAct = `INSERT OR REPLACE INTO acts (` + actColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Acts returns every act, ordered by ID and name.
func (s *Store) Acts(ctx context.Context) ([]resource.Act, error) {
	acts, err := collect(ctx, s.read, func(r *sql.Rows) (resource.Act, error) { return scanAct(r.Scan) },
		"SELECT "+actColumns+" FROM acts ORDER BY account, kind, key, name")
	if err != nil {
		return nil, fmt.Errorf("read acts: %w", s.fault(err))
	}
	return acts, nil
}

// Begin writes that act a is about to happen; see state.Store.
func (s *Store) Begin(ctx context.Context, a resource.Act) error {
	if err := actProblem(a, state.CheckBegin); err != nil {
		return fmt.Errorf("begin act: %w", err)
	}
	if err := s.present(); err != nil {
		return fmt.Errorf("begin act: %w", err)
	}
	var answer error
	err := s.submit(ctx, "begin act", func(t *tx) (err error) {
		answer, err = begin(t, a)
		return err
	})
	if err != nil {
		return err
	}
	return answered(answer, "begin", a)
}

// Settle writes how an act ended; see state.Store.
func (s *Store) Settle(ctx context.Context, a resource.Act) error {
	if err := actProblem(a, state.CheckAct); err != nil {
		return fmt.Errorf("settle act: %w", err)
	}
	var answer error
	err := s.submit(ctx, "settle act", func(t *tx) (err error) {
		answer, err = settle(t, a)
		return err
	})
	if err != nil {
		return err
	}
	return answered(answer, "settle", a)
}

func actProblem(a resource.Act, check func(resource.Act) error) error {
	if err := check(a); err != nil {
		return err
	}
	return checkTimes(a.Begun, a.Done, a.Ends)
}

func answered(answer error, verb string, a resource.Act) error {
	if answer == nil {
		return nil
	}
	return fmt.Errorf("%s %q of %s: %w", verb, a.Name, a.ID, answer)
}

// begin returns the store's answer to a, and what went wrong with the file. An
// answer is given before anything is written.
func begin(t *tx, a resource.Act) (answer, err error) {
	last, found, err := findAct(t, a)
	switch {
	case err != nil:
		return nil, err
	case found && last.Token == a.Token && !last.Done.IsZero():
		return state.ErrDone, nil
	case found && last.Token == a.Token && !a.Repeatable:
		return state.ErrInDoubt, nil
	}
	return nil, t.changeAct(a.ID, saveAct, actRow(begun(a)))
}

// begun is a as it stands before its call.
func begun(a resource.Act) resource.Act {
	return resource.Act{ID: a.ID, Name: a.Name, Token: a.Token, Begun: a.Begun, Ends: a.Ends, Repeatable: a.Repeatable}
}

func settle(t *tx, a resource.Act) (answer, err error) {
	last, found, err := findAct(t, a)
	switch {
	case err != nil:
		return nil, err
	case !found || last.Token != a.Token:
		return state.ErrNoAct, nil
	case a.Done.IsZero() && !last.Done.IsZero():
		return state.ErrDone, nil
	case a.Done.IsZero():
		return nil, t.changeAct(a.ID, "DELETE FROM acts"+actKey, actID(a))
	}
	last.Done, last.Ends = a.Done, a.Ends
	return nil, t.changeAct(a.ID, saveAct, actRow(last))
}

// changeAct writes an act of id.
func (t *tx) changeAct(id resource.ID, query string, args []any) error {
	if _, err := t.exec(query, args...); err != nil {
		return err
	}
	return t.changed(id)
}

// findAct returns what is kept under the ID and name of a.
func findAct(t *tx, a resource.Act) (last resource.Act, found bool, err error) {
	query := "SELECT " + actColumns + " FROM acts" + actKey
	last, err = scanAct(func(into ...any) error { return t.row(query, actID(a), into...) })
	if errors.Is(err, sql.ErrNoRows) {
		return last, false, nil
	}
	return last, err == nil, err
}

func actID(a resource.Act) []any { return []any{a.ID.Account, a.ID.Kind, a.ID.Key, a.Name} }

func actRow(a resource.Act) []any {
	return append(actID(a), a.Token, nanos(a.Begun), nanos(a.Done), nanos(a.Ends), number(a.Repeatable), actSum(a))
}

func actSum(a resource.Act) int64 {
	return digest{}.
		texts(a.ID.Account, a.ID.Kind, a.ID.Key, a.Name, a.Token).
		numbers(number(a.Repeatable)).
		times(a.Begun, a.Done, a.Ends).
		sum()
}

func scanAct(scan func(...any) error) (resource.Act, error) {
	var (
		a                 resource.Act
		begun, done, ends sql.NullInt64
		sum               int64
	)
	err := scan(&a.ID.Account, &a.ID.Kind, &a.ID.Key, &a.Name, &a.Token, &begun, &done, &ends, &a.Repeatable, &sum)
	if err != nil {
		return a, scanned(err)
	}
	a.Begun, a.Done, a.Ends = moment(begun), moment(done), moment(ends)
	return a, verify(a.ID, actSum(a), sum)
}
