package sqlitestate

import (
	"context"
	"database/sql"
	"fmt"

	"weir/sync/state"
)

const markColumns = `source, role, revision, at, checksum`

const saveMark = `INSERT OR REPLACE INTO marks (` + markColumns + `) VALUES (?, ?, ?, ?, ?)`

// Marks returns every mark, ordered by source and role.
func (s *Store) Marks(ctx context.Context) ([]state.Mark, error) {
	if err := s.present(); err != nil {
		return nil, fmt.Errorf("read marks: %w", err)
	}
	marks, err := collect(ctx, s.read, scanMark, "SELECT "+markColumns+" FROM marks ORDER BY source, role")
	if err != nil {
		return nil, fmt.Errorf("read marks: %w", s.fault(err))
	}
	return marks, nil
}

// SetMark writes a mark in place of the one of that source and role, or removes
// it.
func (s *Store) SetMark(ctx context.Context, m state.Mark) error {
	err := state.CheckMark(m)
	if err == nil {
		err = checkTimes(m.At)
	}
	if err != nil {
		return fmt.Errorf("set mark: %w", err)
	}
	return s.submit(ctx, "set mark", func(t *tx) error {
		if m.Revision == "" {
			_, err := t.exec("DELETE FROM marks WHERE source = ? AND role = ?", m.Source, string(m.Role))
			return err
		}
		_, err := t.exec(saveMark, m.Source, string(m.Role), m.Revision, nanos(m.At), markSum(m))
		return err
	})
}

func markSum(m state.Mark) int64 {
	return digest{}.texts(m.Source, string(m.Role), m.Revision).times(m.At).sum()
}

func scanMark(rows *sql.Rows) (state.Mark, error) {
	var m state.Mark
	var at sql.NullInt64
	var sum int64
	if err := rows.Scan(&m.Source, (*string)(&m.Role), &m.Revision, &at, &sum); err != nil {
		return m, scanned(err)
	}
	m.At = moment(at)
	return m, verify(m.Source, markSum(m), sum)
}
