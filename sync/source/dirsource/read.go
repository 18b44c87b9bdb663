package dirsource

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"weir/sync/source"
)

// found is a manifest that a scan came upon.
type found struct {
	name   string // below the os.Root that reaches it
	shown  string // below the source's root
	target string // of the link it was reached by, "" for none
	info   fs.FileInfo
}

var errNotRegular = errors.New("is not a regular file")

// file takes in the file name of r.
func (sc *scanner) file(r *os.Root, name, shown string) error {
	fi, err := r.Lstat(name)
	if vanished(err) {
		sc.moved(shown)
		return nil
	}
	if err != nil {
		return unreadable(shown, err)
	}
	if fi.IsDir() || fi.Mode().Type() == fs.ModeSymlink {
		sc.moved(shown)
		return nil
	}
	return sc.take(r, found{name: name, shown: shown, info: fi})
}

// take records a file: as in the listing before where its identity is the
// same, else read.
func (sc *scanner) take(r *os.Root, f found) error {
	if !f.info.Mode().IsRegular() {
		return &source.Error{Code: source.CodeNotRegular, Path: f.shown, Err: errNotRegular}
	}
	id := identify(f.info)
	if err := sc.heavy(f.shown, id.size); err != nil {
		return err
	}
	old := sc.old.find(f.shown)
	if old != nil && !sc.reread && !old.racy && old.id == id && old.target == f.target {
		sc.list.records = append(sc.list.records, *old)
		return nil
	}
	rec, err := sc.read(r, f, id)
	if err != nil || rec == nil {
		return err
	}
	if old != nil && old.Hash == rec.Hash {
		rec.File = old.File // one copy in memory, and what is there must not be changed
	}
	sc.list.records = append(sc.list.records, *rec)
	return nil
}

// heavy returns the fault of a file beyond the limits of size, before it is
// read.
func (sc *scanner) heavy(shown string, size int64) error {
	if limit := sc.limits.FileBytes; size > limit {
		err := fmt.Errorf("%d bytes, the limit is %d", size, limit)
		return &source.Error{Code: source.CodeFileSize, Path: shown, Err: err}
	}
	sc.bytes += size
	if limit := sc.limits.TotalBytes; sc.bytes > limit {
		return &source.Error{Code: source.CodeTotalSize, Err: fmt.Errorf("more than %d bytes in all", limit)}
	}
	return nil
}

// read reads a file of the identity given; nil where it is another by now. It
// is opened without blocking, as a pipe put in its place would wait for ever.
func (sc *scanner) read(r *os.Root, f found, id identity) (*record, error) {
	if sc.ctx.Err() != nil {
		return nil, sc.ctx.Err()
	}
	begun := time.Now()
	file, err := r.OpenFile(f.name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if vanished(err) {
		sc.moved(f.shown)
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(f.shown, err)
	}
	defer file.Close()
	data, err := contents(file, id)
	if err != nil {
		return nil, unreadable(f.shown, err)
	}
	if data == nil {
		sc.moved(f.shown)
		return nil, nil
	}
	sum := sha256.Sum256(data)
	return &record{
		File: source.File{Path: f.shown, Hash: hex.EncodeToString(sum[:]), Data: data},
		id:   id, target: f.target, racy: id.racy(begun),
	}, nil
}

// contents reads all of file, or returns nil where it is not what was seen
// before. That it did not change while it was read is for the next scan to say.
func contents(file *os.File, id identity) ([]byte, error) {
	fi, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || identify(fi) != id {
		return nil, nil
	}
	data := make([]byte, id.size+1)
	n, err := io.ReadFull(file, data)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	if int64(n) != id.size {
		return nil, nil
	}
	return data[:n:n], nil
}
