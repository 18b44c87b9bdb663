package sqlitestate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"weir/sync/state"
)

const consentColumns = `plan, given, expires, giver, used, user, checksum`

const saveConsent = `INSERT OR REPLACE INTO consents (` + consentColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?)`

// Consent writes that a person lets a plan through; see state.Store.
func (s *Store) Consent(ctx context.Context, c state.Consent) error {
	err := state.CheckConsent(c)
	if err == nil {
		err = checkTimes(c.Given, c.Expires)
	}
	if err != nil {
		return fmt.Errorf("write a consent: %w", err)
	}
	c.Used, c.UsedBy = time.Time{}, ""
	return s.onConsent(ctx, c.Plan, func(last state.Consent) (state.Consent, error) {
		if !last.Used.IsZero() {
			return last, state.ErrClaimed
		}
		return c, nil
	})
}

// UseConsent uses the consent for a plan, once.
func (s *Store) UseConsent(ctx context.Context, plan string, at time.Time, by string) error {
	if err := checkTimes(at); err != nil {
		return fmt.Errorf("use a consent: %w", err)
	}
	return s.onConsent(ctx, plan, func(last state.Consent) (state.Consent, error) {
		switch {
		case !last.Used.IsZero():
			return last, state.ErrClaimed
		case !last.Holds(at):
			return last, state.ErrNoConsent
		}
		last.Used, last.UsedBy = at, by
		return last, nil
	})
}

// onConsent puts what change makes of the consent for a plan (zero where there
// is none) into its place.
func (s *Store) onConsent(
	ctx context.Context, plan string, change func(state.Consent) (state.Consent, error),
) error {
	if err := s.present(); err != nil {
		return fmt.Errorf("consent: %w", err)
	}
	var answer error
	err := s.submit(ctx, "write a consent", func(t *tx) (err error) {
		answer, err = t.changeConsent(plan, change)
		return err
	})
	if err == nil && answer != nil {
		err = fmt.Errorf("consent to plan %s: %w", plan, answer)
	}
	return err
}

// changeConsent returns the answer of change, and what went wrong with the file.
func (t *tx) changeConsent(plan string, change func(state.Consent) (state.Consent, error)) (answer, err error) {
	last, err := scanConsent(func(into ...any) error {
		return t.row("SELECT "+consentColumns+" FROM consents WHERE plan = ?", []any{plan}, into...)
	})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	next, answer := change(last)
	if answer == nil {
		_, err = t.exec(saveConsent, consentRow(next)...)
		return nil, err
	}
	return answer, nil
}

// Consents returns every consent, the oldest first.
func (s *Store) Consents(ctx context.Context) ([]state.Consent, error) {
	if err := s.present(); err != nil {
		return nil, fmt.Errorf("read consents: %w", err)
	}
	scan := func(r *sql.Rows) (state.Consent, error) { return scanConsent(r.Scan) }
	consents, err := collect(ctx, s.read, scan, "SELECT "+consentColumns+" FROM consents ORDER BY given, plan")
	if err != nil {
		return nil, fmt.Errorf("read consents: %w", s.fault(err))
	}
	return consents, nil
}

func consentRow(c state.Consent) []any {
	return []any{c.Plan, nanos(c.Given), nanos(c.Expires), c.By, nanos(c.Used), c.UsedBy, consentSum(c)}
}

func consentSum(c state.Consent) int64 {
	return digest{}.texts(c.Plan, c.By, c.UsedBy).times(c.Given, c.Expires, c.Used).sum()
}

func scanConsent(scan func(...any) error) (state.Consent, error) {
	var (
		c                    state.Consent
		given, expires, used sql.NullInt64
		sum                  int64
	)
	if err := scan(&c.Plan, &given, &expires, &c.By, &used, &c.UsedBy, &sum); err != nil {
		return c, scanned(err)
	}
	c.Given, c.Expires, c.Used = moment(given), moment(expires), moment(used)
	return c, verify(c.Plan, consentSum(c), sum)
}
