package gitsource

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/hash"

	"weir/sync/source"
)

// inflation is how many times the limit of a fetch its objects may take once
// they are inflated, all together.
const inflation = 16

// checkPack refuses a pack that would cost more to index than the limits
// allow: a few bytes of it may stand for gigabytes. Nothing is kept of what it
// inflates. The pack's own checksum is compared too.
func checkPack(pack io.ReadSeeker, limits Limits) error {
	if err := checksum(pack); err != nil {
		return err
	}
	if _, err := pack.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sc := packfile.NewScanner(pack)
	_, count, err := sc.Header()
	if err != nil {
		return unsound(err)
	}
	left := inflation * limits.FetchBytes
	for range count {
		head, err := sc.NextObjectHeader()
		if err != nil {
			return unsound(err)
		}
		m := &meter{left: min(limits.ObjectBytes, left), delta: head.Type.IsDelta()}
		if _, _, err := sc.NextObject(m); err != nil && !m.over {
			return unsound(err)
		}
		result := m.result()
		if left -= m.seen; m.over || max(head.Length, result) > limits.ObjectBytes || left-result < 0 {
			err := fmt.Errorf("an object of more than %d bytes, or too many", limits.ObjectBytes)
			return &source.Error{Code: source.CodeFetchSize, Err: err}
		}
		left -= result
	}
	return nil
}

func unsound(err error) error {
	return &source.Error{Code: source.CodeProtocol, Err: fmt.Errorf("the pack is damaged: %w", err)}
}

// checksum compares a pack with the hash that ends it.
func checksum(pack io.ReadSeeker) error {
	size, err := pack.Seek(-hash.Size, io.SeekEnd)
	if err != nil || size < 0 { // in memory a seek before the start is no error
		return unsound(errors.New("it is too short"))
	}
	var want plumbing.Hash
	if _, err := io.ReadFull(pack, want[:]); err != nil {
		return err
	}
	if _, err := pack.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := hash.New(hash.CryptoType)
	if _, err := io.CopyN(h, pack, size); err != nil {
		return err
	}
	if plumbing.Hash(h.Sum(nil)) != want {
		return unsound(errors.New("its checksum is wrong"))
	}
	return nil
}

// meter measures an object and keeps the beginning of a delta, which says how
// large the result will be.
type meter struct {
	left, seen int64
	over       bool
	delta      bool
	head       []byte
}

var errOver = errors.New("too large")

// Write counts, and fails beyond the allowance.
func (m *meter) Write(p []byte) (int, error) {
	if m.delta && len(m.head) < 20 {
		m.head = append(m.head, p[:min(len(p), 20-len(m.head))]...)
	}
	m.seen += int64(len(p))
	if m.left -= int64(len(p)); m.left < 0 {
		m.over = true
		return 0, errOver
	}
	return len(p), nil
}

// result returns the size that a delta says its result has, 0 for a whole
// object: two numbers of seven bits a byte begin it, that of the base and that
// of the result.
func (m *meter) result() int64 {
	_, rest := leb128(m.head)
	size, _ := leb128(rest)
	return size
}

// leb128 reads a number and returns what follows it. More than 62 bits are
// read as the largest number.
func leb128(p []byte) (int64, []byte) {
	var n int64
	for i, b := range p {
		if i > 8 {
			return 1 << 62, nil
		}
		n |= int64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return n, p[i+1:]
		}
	}
	return n, nil
}
