package filequota

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"weir/sync/boottime"
	"weir/sync/call"
	"weir/sync/quota"
)

// sizeMost bounds a book, in bytes: some 25,000 calls in its longest window.
const sizeMost = 1 << 20

// The beginning of a file: what it is, the start of the machine that it belongs
// to, the size of what follows in bytes, and its checksum.
type header struct {
	Magic [8]byte
	Boot  [16]byte
	Size  uint32
	Sum   uint32
}

const (
	headerSize = 8 + 16 + 4 + 4
	sizeAt     = 8 + 16
)

// magic begins every book; another layout needs another one.
func magic() [8]byte { return [8]byte([]byte("weirqta1")) }

// The numbers a book has: in its head, for each slot, and for each seat. All are
// kept as 64 bits, which encoding/binary reads and writes without reflection.
//
// What a seat has more stands behind all these, with a checksum of everything: a weir
// of before there were priorities reads what it knows, and when it has written its
// book the rest does not belong to it any more. So the two share a book, and only
// those that know of priorities keep to them.
const (
	headWords = 8
	slotWords = 6
	seatWords = 3
	moreWords = 4
	sumSize   = 4
)

// words returns a book as numbers, but for what a seat has more.
func words(b *quota.Book) []int64 {
	w := make([]int64, 0, headWords+slotWords*len(b.Slots)+seatWords*len(b.Seats))
	w = append(w, int64(b.Quiet), int64(b.Longest), b.Number, b.Cuts, int64(b.Given),
		int64(math.Float64bits(b.Lost)), int64(len(b.Slots)), int64(len(b.Seats))) //nolint:gosec // the bits are meant
	for _, s := range b.Slots {
		w = append(w, s.Number, s.Process, int64(s.Taken), int64(s.Done), int64(s.Extra), s.Cuts)
	}
	for _, s := range b.Seats {
		w = append(w, s.Process, int64(s.Served), int64(s.Wake))
	}
	return w
}

// book returns the book of words, nil where they are none. Its seats do not wait: a
// process of before priorities asks again at once.
func book(w []int64) *quota.Book {
	if len(w) < headWords {
		return nil
	}
	head, rest := w[:headWords], w[headWords:]
	slots, seats := head[6], head[7]
	most := int64(len(rest))
	if slots < 0 || seats < 0 || slots > most || seats > most || slots*slotWords+seats*seatWords != most {
		return nil
	}
	b := &quota.Book{
		Quiet: quota.Instant(head[0]), Longest: time.Duration(head[1]), Number: head[2], Cuts: head[3],
		Given: quota.Instant(head[4]), Lost: math.Float64frombits(uint64(head[5])), //nolint:gosec // the bits are meant
		Slots: make([]quota.Slot, 0, slots+1), Seats: make([]quota.Seat, 0, seats+1),
	}
	for s := range slices.Chunk(rest[:slots*slotWords], slotWords) {
		b.Slots = append(b.Slots, quota.Slot{
			Number: s[0], Process: s[1], Taken: quota.Instant(s[2]), Done: quota.Instant(s[3]),
			Extra: time.Duration(s[4]), Cuts: s[5],
		})
	}
	for s := range slices.Chunk(rest[slots*slotWords:], seatWords) {
		b.Seats = append(b.Seats, quota.Seat{Process: s[0], Served: quota.Instant(s[1]), Wake: quota.Instant(s[2])})
	}
	return b
}

// more returns what the seats have more.
func more(seats []quota.Seat) []int64 {
	w := make([]int64, 0, moreWords*len(seats))
	for _, s := range seats {
		w = append(w, s.Waiting, int64(s.Priority), int64(s.Since), s.Ahead)
	}
	return w
}

// addMore completes the seats with the words of more.
func addMore(seats []quota.Seat, w []int64) {
	for i := range seats {
		s, w := &seats[i], w[i*moreWords:]
		s.Waiting, s.Since, s.Ahead = max(0, w[0]), quota.Instant(w[2]), max(0, w[3])
		s.Priority = call.Priority(max(int64(call.Scrub), min(w[1], int64(call.Urgent))))
	}
}

// encode writes a book as it is kept.
func encode(b *quota.Book, boot [16]byte) []byte {
	w, rest := words(b), more(b.Seats)
	out := make([]byte, headerSize, headerSize+8*len(w)+8*len(rest)+sumSize)
	out, _ = binary.Append(out, binary.LittleEndian, w) // a slice of numbers has a size
	body := out[headerSize:]
	h := header{magic(), boot, uint32(len(body)), crc32.ChecksumIEEE(body)} //nolint:gosec // bounded by sizeMost
	_, _ = binary.Encode(out, binary.LittleEndian, h)
	out, _ = binary.Append(out, binary.LittleEndian, rest)
	return binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(out[headerSize:]))
}

// errDamaged is the error of bytes that are no book.
var errDamaged = errors.New("damaged")

// decode reads what encode wrote. A book of another start of the machine is
// empty.
func decode(data []byte, boot [16]byte) (*quota.Book, error) {
	var h header
	if len(data) == 0 {
		return &quota.Book{}, nil
	}
	if _, err := binary.Decode(data, binary.LittleEndian, &h); err != nil || h.Magic != magic() {
		return nil, errDamaged
	}
	if h.Boot != boot {
		return &quota.Book{}, nil
	}
	rest := data[headerSize:]
	if int64(h.Size) > int64(len(rest)) || crc32.ChecksumIEEE(rest[:h.Size]) != h.Sum {
		return nil, errDamaged
	}
	return decodeBody(rest, int(h.Size))
}

// decodeBody reads what stands behind the header: a book of a size and what its seats
// have more, where that was written with it.
func decodeBody(rest []byte, size int) (*quota.Book, error) {
	b := book(numbers(rest[:size]))
	if b == nil || !(b.Lost >= 0 && b.Lost < 1) {
		return nil, errDamaged
	}
	end := size + 8*moreWords*len(b.Seats)
	if len(rest) >= end+sumSize && binary.LittleEndian.Uint32(rest[end:]) == crc32.ChecksumIEEE(rest[:end]) {
		addMore(b.Seats, numbers(rest[size:end]))
	}
	return b, nil
}

// numbers returns the numbers that bytes are.
func numbers(data []byte) []int64 {
	w := make([]int64, len(data)/8)
	_, _ = binary.Decode(data, binary.LittleEndian, w) // as many as there are
	return w
}

// read reads the book. A damaged one begins anew, in silence.
func (b *file) read() (*quota.Book, error) {
	data, err := b.bytes()
	if err != nil {
		return nil, err
	}
	kept, err := decode(data, b.boot)
	if err != nil {
		b.log.Warn("a book of calls was damaged and begins anew: nothing is called until it is sure again", "path", b.path)
		kept = &quota.Book{}
		kept.Silence(boottime.Now())
	}
	return kept, nil
}

// write keeps a book.
func (b *file) write(kept *quota.Book) error {
	data := encode(kept, b.boot)
	if len(data) > sizeMost {
		return fmt.Errorf("%d calls count at once, which is too many", len(kept.Slots))
	}
	_, err := b.f.WriteAt(data, 0)
	return err
}

// bytes returns the content of the file, less most of what an earlier and longer book
// left behind it.
func (b *file) bytes() ([]byte, error) {
	b.buffer = slices.Grow(b.buffer[:0], headerSize)[:headerSize]
	n, err := b.f.ReadAt(b.buffer, 0)
	if n < headerSize {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return b.buffer[:n], err
	}
	size := int(min(sizeMost, binary.LittleEndian.Uint32(b.buffer[sizeAt:])))
	size = min(sizeMost-headerSize, size+size*moreWords/seatWords+sumSize)
	b.buffer = slices.Grow(b.buffer, size)[:headerSize+size]
	n, err = b.f.ReadAt(b.buffer[headerSize:], headerSize)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b.buffer[:headerSize+n], err
}

// open opens the file, and makes it and its folder where they are missing.
func (b *file) open() error {
	if b.f != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(b.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(b.path, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return err
	}
	b.f, b.fresh = f, true
	return nil
}

// there reports whether the file that is open is the one at its path.
func (b *file) there() bool {
	at, err := os.Stat(b.path)
	if err != nil {
		return false
	}
	own, err := b.f.Stat()
	return err == nil && os.SameFile(at, own)
}

// opened reports whether another file is open than at the time before.
func (b *file) opened() bool {
	another := b.fresh && b.seen
	b.fresh, b.seen = false, true
	return another
}

// shut closes the file, which is opened anew when it is next needed.
func (b *file) shut() error {
	if b.f == nil {
		return nil
	}
	err := b.f.Close()
	b.f = nil
	return err
}

func (b *file) close() error {
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	return b.shut()
}
