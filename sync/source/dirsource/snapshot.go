package dirsource

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"weir/sync/source"
)

// revise sets the revision: a hash over all paths and contents, so equal
// content has an equal revision wherever and whenever it was read. A path
// cannot hold the zero byte that ends it, and a hash has one length.
func (l *listing) revise() {
	h := sha256.New()
	for i := range l.records {
		_, _ = io.WriteString(h, l.records[i].Path+"\x00"+l.records[i].Hash)
	}
	l.revision = "dir:" + hex.EncodeToString(h.Sum(nil))
}

// snapshot makes what Next returns of a listing.
func (l *listing) snapshot(name string) *source.Snapshot {
	snap := &source.Snapshot{Source: name, Revision: l.revision, Files: make([]source.File, len(l.records))}
	for i := range l.records {
		snap.Files[i] = l.records[i].File
	}
	return snap
}

var (
	errEmptied  = errors.New("declared something and is now empty: delete the file to remove what it declared")
	errReplaced = errors.New("the folder was replaced by an empty one")
)

// doubt returns why next must not follow prev although it was read well: a
// file that lost its content, or a whole tree gone with the folder it was in,
// is more likely an accident than a wish (a full disk, a lost mount).
func doubt(prev *source.Snapshot, was, is *listing) *source.Error {
	if prev == nil {
		return nil
	}
	if len(is.records) == 0 && len(prev.Files) > 0 && was != nil && was.root != is.root {
		return &source.Error{Code: source.CodeMissing, Err: errReplaced}
	}
	for i := range prev.Files {
		old := &prev.Files[i]
		now := is.find(old.Path)
		if now != nil && now.Hash != old.Hash && !declares(now.Data) && declares(old.Data) {
			return &source.Error{Code: source.CodeEmptied, Path: old.Path, Err: errEmptied}
		}
	}
	return nil
}

// declares reports whether data has a line that is more than white space, a
// comment or a document's mark.
func declares(data []byte) bool {
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")))
		if len(line) > 0 && line[0] != '#' && string(line) != "---" && string(line) != "..." {
			return true
		}
	}
	return false
}
