package sqlitestate

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

// digest gathers what a row's checksum is over. It is fed from the value and
// not from the columns, so that the checksum also covers the way through them.
type digest []byte

func (d digest) texts(values ...string) digest {
	for _, v := range values {
		d = append(binary.AppendUvarint(d, uint64(len(v))), v...)
	}
	return d
}

func (d digest) numbers(values ...int64) digest {
	for _, v := range values {
		d = binary.AppendVarint(d, v)
	}
	return d
}

func (d digest) times(values ...time.Time) digest {
	for _, v := range values {
		d = append(d, 0)
		if v.IsZero() {
			d[len(d)-1] = 1
		}
		d = binary.AppendVarint(d, v.UnixNano())
	}
	return d
}

func (d digest) sum() int64 { return int64(crc32.Checksum(d, crc32.MakeTable(crc32.Castagnoli))) }

// verify refuses a row that does not have the checksum it was written with.
func verify(what any, got, want int64) error {
	if got != want {
		return damaged(fmt.Errorf("what is kept of %q does not have the checksum it was written with", what))
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
func collect[T any](
	ctx context.Context, db *sql.DB, scan func(*sql.Rows) (T, error), query string, args ...any,
) (out []T, err error) {
	defer func() {
		if err != nil {
			out, err = nil, cmp.Or(ctx.Err(), err) // an interrupted read says so in many ways
		}
	}()
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
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
