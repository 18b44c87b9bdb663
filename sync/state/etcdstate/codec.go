package etcdstate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"weir/sync/state"
)

// layout is the way in which values are written. One with a greater number is of a
// newer weir.
const layout = 1

// headBytes is what comes before a value's fields: layout and checksum.
const headBytes = 1 + 4

// fields are a value's: texts as their length (unsigned varint) and bytes, numbers as
// signed varints, a flag as 0 or 1, a time as a flag and its nanoseconds since 1970.
type fields []byte

func (f fields) texts(values ...string) fields {
	for _, v := range values {
		f = append(binary.AppendUvarint(f, uint64(len(v))), v...)
	}
	return f
}

func (f fields) numbers(values ...int64) fields {
	for _, v := range values {
		f = binary.AppendVarint(f, v)
	}
	return f
}

func (f fields) flags(values ...bool) fields {
	for _, v := range values {
		b := byte(0)
		if v {
			b = 1
		}
		f = append(f, b)
	}
	return f
}

func (f fields) times(values ...time.Time) fields {
	for _, v := range values {
		if f = f.flags(!v.IsZero()); !v.IsZero() {
			f = f.numbers(v.UnixNano())
		}
	}
	return f
}

// value is what is kept under a key, which is given as it is beneath the prefix.
func value(key string, f fields) string {
	b := make([]byte, headBytes, headBytes+len(f))
	b[0] = layout
	b = append(b, f...)
	binary.BigEndian.PutUint32(b[1:], sum(key, b))
	return string(b)
}

func sum(key string, value []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	crc := crc32.Update(crc32.Checksum([]byte(key), table), table, value[:1])
	return crc32.Update(crc, table, value[headBytes:])
}

// parser reads fields one after the other. What it gives after a mistake is zero; end
// tells.
type parser struct {
	key   string
	rest  []byte
	words words
	err   error
}

// parse opens a value.
func parse(key string, value []byte, w words) *parser {
	p := &parser{key: key, words: w}
	switch {
	case len(value) < headBytes:
		p.err = errors.New("it is cut off")
	case value[0] > layout:
		p.err = faulty(state.Newer, fmt.Errorf("%s is written in layout %d, and this weir knows %d", key, value[0], layout))
	case binary.BigEndian.Uint32(value[1:]) != sum(key, value):
		p.err = errors.New("it does not have the checksum it was written with")
	default:
		p.rest = value[headBytes:]
	}
	return p
}

func (p *parser) fail(what string) {
	if p.err == nil {
		p.err = errors.New(what)
	}
	p.rest = nil
}

// end returns what was wrong with the value.
func (p *parser) end() error {
	if p.err == nil && len(p.rest) > 0 {
		p.err = fmt.Errorf("%d bytes are too many", len(p.rest))
	}
	if p.err == nil || state.FaultOf(p.err) != "" {
		return p.err
	}
	return damaged(p.key, p.err)
}

// bytes gives the next n bytes of the value itself.
func (p *parser) bytes(n uint64) []byte {
	if n > uint64(len(p.rest)) {
		p.fail("a field is cut off")
		return nil
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

func (p *parser) raw() []byte {
	n, size := binary.Uvarint(p.rest)
	if size <= 0 {
		p.fail("a length is cut off")
		return nil
	}
	p.rest = p.rest[size:]
	return p.bytes(n)
}

func (p *parser) text() string { return string(p.raw()) }

// word is a text that many values share.
func (p *parser) word() string { return p.words.of(p.raw()) }

func (p *parser) number() int64 {
	n, size := binary.Varint(p.rest)
	if size <= 0 {
		p.fail("a number is cut off")
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

func (p *parser) flag() bool {
	b := p.bytes(1)
	if len(b) == 1 && b[0] > 1 {
		p.fail("a flag is neither 0 nor 1")
	}
	return len(b) == 1 && b[0] == 1
}

func (p *parser) time() time.Time {
	if !p.flag() {
		return time.Time{}
	}
	return time.Unix(0, p.number()).UTC()
}

func (p *parser) hash() (h state.Hash) {
	copy(h[:], p.bytes(uint64(len(h))))
	return h
}

// words keeps what many values have in common once. nil keeps nothing.
type words map[string]string

func (w words) of(b []byte) string {
	if w == nil {
		return string(b)
	}
	if s, ok := w[string(b)]; ok {
		return s
	}
	s := string(b)
	w[s] = s
	return s
}

// checkTimes refuses times that nanoseconds since 1970 cannot express.
func checkTimes(times ...time.Time) error {
	for _, t := range times {
		if !t.IsZero() && (t.Before(time.Unix(0, math.MinInt64)) || t.After(time.Unix(0, math.MaxInt64))) {
			return fmt.Errorf("time %s cannot be stored: want the years 1678 to 2262", t.Format(time.RFC3339))
		}
	}
	return nil
}
