package sqlitestate

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"weir/sync/state"
)

const claimColumns = `name, at, claimant, checksum`

const saveClaim = `INSERT INTO claims (` + claimColumns + `) VALUES (?, ?, ?, ?)`

// Claim writes that something begins that may happen once only. It looks at
// every claim there is, since one whose name was damaged would not be found.
func (s *Store) Claim(ctx context.Context, name string, at time.Time, by string) error {
	err := state.CheckClaim(name)
	if err == nil {
		err = checkTimes(at)
	}
	if err == nil {
		err = s.present()
	}
	if err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	claimed := false
	err = s.submit(ctx, "claim", func(t *tx) (err error) {
		if claimed, err = t.claimed(name); err != nil || claimed {
			return err
		}
		_, err = t.exec(saveClaim, name, nanos(at), by, claimSum(name, at, by))
		return err
	})
	if err == nil && claimed {
		err = fmt.Errorf("claim %s: %w", name, state.ErrClaimed)
	}
	return err
}

func (t *tx) claimed(name string) (found bool, err error) {
	err = t.each("SELECT "+claimColumns+" FROM claims", nil, func(rows *sql.Rows) (bool, error) {
		var claim, by string
		var at sql.NullInt64
		var sum int64
		if err := rows.Scan(&claim, &at, &by, &sum); err != nil {
			return false, scanned(err)
		}
		found = found || claim == name
		return true, verify(claim, claimSum(claim, moment(at), by), sum)
	})
	return found, err
}

func claimSum(name string, at time.Time, by string) int64 {
	return digest{}.texts(name, by).times(at).sum()
}
