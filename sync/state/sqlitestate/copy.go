package sqlitestate

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// keptCopies is how many copies from before migrations are kept.
const keptCopies = 3

// CopyPath returns where the copy of a store of an older format is kept.
func CopyPath(path string, version int64) string { return fmt.Sprintf("%s.format%d", path, version) }

// keepCopy writes a copy of the store of the given format beside it, and
// removes the oldest beyond keptCopies.
func keepCopy(ctx context.Context, db *sql.DB, path string, version int64) error {
	// It gets its name when it is whole; until then it has one of its own,
	// because another process may be doing the same.
	spare, err := emptyFile(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("copy before migrating: %w", err)
	}
	if err := fillCopy(ctx, db, spare); err != nil {
		return fmt.Errorf("copy before migrating: %w", errors.Join(err, os.Remove(spare)))
	}
	if format, err := formatInFile(spare); err != nil || format != version {
		return errors.Join(err, os.Remove(spare)) // another process migrated it meanwhile
	}
	if err := os.Rename(spare, CopyPath(path, version)); err != nil {
		return fmt.Errorf("copy before migrating: %w", err)
	}
	return dropCopy(CopyPath(path, version-keptCopies))
}

// emptyFile makes a file of mode 0600 for SQLite to fill.
func emptyFile(dir string) (string, error) {
	f, err := os.CreateTemp(dir, "weir-copy-*")
	if err != nil {
		return "", err
	}
	return f.Name(), errors.Join(f.Chmod(0o600), f.Close())
}

// fillCopy writes the store to path and waits until it is on the disk.
func fillCopy(ctx context.Context, db *sql.DB, path string) error {
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// formatInFile reads the format from the header of a file that nobody writes.
func formatInFile(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var header [headerSize]byte
	if _, err := io.ReadFull(f, header[:]); err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint32(header[formatAt:])), nil
}

func dropCopy(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the oldest copy: %w", err)
	}
	return nil
}
