package sqlitestate

import (
	"errors"
	"io/fs"
	"os"
)

// Size returns how much the store takes on disk, in bytes: the file, and what is
// written and not checkpointed yet.
func (s *Store) Size() (int64, error) {
	total := int64(0)
	for _, path := range []string{s.path, s.path + "-wal"} {
		info, err := os.Stat(path)
		switch {
		case err == nil:
			total += info.Size()
		case !errors.Is(err, fs.ErrNotExist) || path == s.path:
			return 0, err
		}
	}
	return total, nil
}
