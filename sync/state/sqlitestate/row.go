package sqlitestate

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"weir/sync/resource"
)

// checksum is over the columns of a row: strings, int64s and nils.
func checksum(row []any) int64 {
	var b []byte
	for _, v := range row {
		switch v := v.(type) {
		case string:
			b = binary.AppendUvarint(append(b, 's'), uint64(len(v)))
			b = append(b, v...)
		case int64:
			b = binary.AppendVarint(append(b, 'i'), v)
		default:
			b = append(b, 'n')
		}
	}
	return int64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// sealed is row with its checksum.
func sealed(row []any) []any { return append(row, checksum(row)) }

// unsealed refuses a row that does not have the checksum it was written with.
func unsealed(id resource.ID, row []any, sum int64) error {
	if checksum(row) != sum {
		return damaged(fmt.Errorf("what is kept of %q does not have the checksum it was written with", id))
	}
	return nil
}

// nanos is a time as it is stored, nil for none; checkTimes has seen it.
func nanos(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}

// moment is what nanos stored.
func moment(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.Unix(0, n.Int64).UTC()
}

// checkTimes refuses times that Unix nanoseconds cannot express (before 1678,
// after 2262), which would come back as others.
func checkTimes(times ...time.Time) error {
	for _, t := range times {
		if !t.IsZero() && (t.Before(time.Unix(0, math.MinInt64)) || t.After(time.Unix(0, math.MaxInt64))) {
			return fmt.Errorf("time %s cannot be stored: want the years 1678 to 2262", t.Format(time.RFC3339))
		}
	}
	return nil
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// collect reads all rows of a query with scan.
func collect[T any](ctx context.Context, db *sql.DB, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// scanned makes damage of a value that is not of its column's type.
func scanned(err error) error {
	if err != nil && classify(err) == "" && !errors.Is(err, sql.ErrNoRows) {
		return damaged(err)
	}
	return err
}
