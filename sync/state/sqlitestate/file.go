package sqlitestate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"weir/sync/state"
)

// magic begins every SQLite file.
const magic = "SQLite format 3\x00"

// applicationID marks a SQLite file as weir's: "weir" in ASCII.
const applicationID = 0x77656972

// The part of the file that holds the marks looked at here, and where they
// are: four bytes each, the highest first.
const (
	headerSize    = 100
	schemaAt      = 40 // how often tables were made or changed
	formatAt      = 60 // PRAGMA user_version
	applicationAt = 68 // PRAGMA application_id
)

// secure creates the folder and the file where they are missing, and refuses
// a file that somebody else could have put there or that is not ours. It reads
// the header itself: SQLite would change a file by looking at it.
func secure(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return faulty(state.Unusable, err)
	}
	// What SQLite would replay or trust is looked at as closely as the file.
	for _, side := range []string{"-wal", "-shm", "-journal"} {
		if err := private(path + side); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	err := private(path)
	if errors.Is(err, fs.ErrNotExist) {
		return create(path)
	}
	if err != nil {
		return err
	}
	return ours(path)
}

// create makes an empty file of mode 0600 whatever the umask. Losing the race
// for it to another process is as good as winning.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return private(path)
	}
	if err != nil {
		return faulty(state.Unusable, err)
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return faulty(state.Unusable, err)
	}
	return nil
}

// private refuses a path that is no plain file, is another user's, or can be
// written by others; one that others can only read is closed to them.
func private(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		return faulty(state.Unusable, err)
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return planted(path, "it is no plain file but "+describe(mode))
	case mode.Perm()&0o022 != 0:
		why := fmt.Sprintf("others may write it (mode %04o): chmod 600 it if you trust its content", mode.Perm())
		return planted(path, why)
	case !owned(info):
		return planted(path, "it belongs to another user: run weir as that user")
	case mode.Perm()&0o044 != 0:
		if err := os.Chmod(path, 0o600); err != nil {
			return faulty(state.Unusable, err)
		}
	}
	return nil
}

func describe(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode.IsDir():
		return "a folder"
	}
	return "a special file"
}

func planted(path, why string) error {
	return faulty(state.Unsafe, fmt.Errorf("%s: %s", filepath.Base(path), why))
}

// ours refuses a file whose header is not that of a store weir can use.
func ours(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return faulty(state.Unusable, err)
	}
	defer f.Close()
	header := make([]byte, headerSize)
	n, err := io.ReadFull(f, header)
	if errors.Is(err, io.EOF) {
		return nil // empty: created and never written
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return faulty(state.Unusable, err)
	}
	if err := judgeHeader(header[:n]); err != nil {
		return err
	}
	return wholePages(f)
}

// wholePages refuses a file that was cut within a page, which SQLite would fill
// up with zeros. Beside a write-ahead log the size has no meaning.
func wholePages(f *os.File) error {
	if _, err := os.Lstat(f.Name() + "-wal"); err == nil {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return faulty(state.Unusable, err)
	}
	if info.Size()%pageSize != 0 {
		return damaged(fmt.Errorf("the file ends within a page, after %d bytes", info.Size()))
	}
	return nil
}

// judgeHeader looks at the marks in the first bytes of a file that is not empty.
func judgeHeader(header []byte) error {
	if len(header) < headerSize {
		return damaged(fmt.Errorf("the file ends after %d bytes", len(header)))
	}
	if allZero(header) {
		return damaged(errors.New("the file begins with zeros"))
	}
	if string(header[:len(magic)]) != magic {
		return faulty(state.Foreign, errors.New("the file is no SQLite database, or its first bytes are damaged"))
	}
	version := binary.BigEndian.Uint32(header[formatAt:])
	application := binary.BigEndian.Uint32(header[applicationAt:])
	tables := binary.BigEndian.Uint32(header[schemaAt:])
	switch {
	case application == 0 && version == 0 && tables == 0: // created, and holds nothing
		return nil
	case application != applicationID:
		return faulty(state.Foreign, fmt.Errorf("the file is the database of another program (mark %#x)", application))
	case version == 0:
		return damaged(errors.New("the file is marked as weir's, but has no format"))
	}
	return judgeVersion(int64(version), len(schema()))
}

// judgeVersion refuses what a newer weir wrote.
func judgeVersion(version int64, known int) error {
	if version > int64(known) {
		return faulty(state.Newer, fmt.Errorf("the file has format %d, this weir knows up to %d", version, known))
	}
	return nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
