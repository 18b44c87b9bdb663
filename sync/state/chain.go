package state

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"
)

// The journal is two chains: calls that write and calls that read are pruned
// apart, and what is pruned may not tear the other's chain. Every word about a
// call is a link: its intent when it is opened, its outcome when it is closed,
// and again when it is closed anew. A link's hash is over the link before it,
// so that nothing in the chain can be changed, put in, taken out or moved
// without every later hash becoming another.
//
// What a chain cannot show is that its end was cut off, or that all of it was
// written anew. A head noted elsewhere, as in the log, shows both.

// Hash is a SHA-256.
type Hash [sha256.Size]byte

// String returns h in hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes hexadecimal digits.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads hexadecimal digits.
func (h *Hash) UnmarshalText(b []byte) error {
	parsed, err := ParseHash(string(b))
	if err == nil {
		*h = parsed
	}
	return err
}

// ParseHash reads what String writes, in small or capital letters.
func ParseHash(s string) (h Hash, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) {
		return h, fmt.Errorf("hash %q: want %d hexadecimal digits", s, 2*len(h))
	}
	return Hash(b), nil
}

// Chain names one of the journal's two.
type Chain string

// The chains.
const (
	Writes Chain = "writes"
	Reads  Chain = "reads"
)

// ChainOf returns the chain of calls that write, or that read.
func ChainOf(write bool) Chain {
	if write {
		return Writes
	}
	return Reads
}

// Part says what of an entry a link is about.
type Part string

// The parts.
const (
	Intent Part = "intent"  // everything but the outcome
	Ending Part = "outcome" // the outcome
)

// Link is one word about an entry, in its chain.
type Link struct {
	Chain  Chain `json:"chain"`
	Seq    int64 `json:"seq"` // its place, from 1, without a gap
	Number int64 `json:"-"`   // of the entry
	Part   Part  `json:"part"`
	Digest Hash  `json:"-"`    // of the part's content: IntentDigest or OutcomeDigest
	Prev   Hash  `json:"prev"` // hash of the link before
	Hash   Hash  `json:"hash"`
}

// Sum returns the hash that l has where its other fields are true: SHA-256 over
// the hash before, then the chain, place, number and part as text with its
// length, as content writes them, then the digest.
func (l Link) Sum() Hash {
	c := content{}.bytes(l.Prev[:]).texts(string(l.Chain)).numbers(l.Seq, l.Number).texts(string(l.Part))
	return sha256.Sum256(c.bytes(l.Digest[:]))
}

// Tip is the end of a chain.
type Tip struct {
	Seq  int64 `json:"links"` // how many links it has had
	Hash Hash  `json:"hash"`
}

// Next returns the link that follows t.
func (t Tip) Next(chain Chain, number int64, part Part, digest Hash) Link {
	l := Link{Chain: chain, Seq: t.Seq + 1, Number: number, Part: part, Digest: digest, Prev: t.Hash}
	l.Hash = l.Sum()
	return l
}

// Heads are the ends of both chains. Noted outside the store, they show later
// that nothing written until then was cut off or written anew.
type Heads struct {
	Writes Tip `json:"writes"`
	Reads  Tip `json:"reads"`
}

// Anchor is where a chain begins now: what was before it was pruned.
type Anchor struct {
	Tip
	Pruned int64 // entries up to this number may be gone
	Began  int64 // entries up to this number are older than the chain
}

// IntentDigest returns the digest of everything but the outcome of e, whose
// parameters are given as the text that EncodeParams wrote.
func IntentDigest(e Entry, params string) Hash {
	c := content{}.times(e.Opened).texts(e.Account, e.Operation).params(params).flags(e.Write).
		texts(e.Resource, e.Origin.Source, e.Origin.File).numbers(int64(e.Origin.Line)).
		texts(e.Origin.Commit, e.Origin.Author, e.Revision, e.Plan, e.Process)
	if e.Change != nil && e.Change.Action != "" {
		c = c.texts(e.Change.Action, e.Change.Reason, string(e.Change.Before), string(e.Change.After))
	}
	return sha256.Sum256(c)
}

// OutcomeDigest returns the digest of an outcome.
func OutcomeDigest(o Outcome) Hash {
	return sha256.Sum256(content{}.times(o.Closed).
		texts(o.Code, o.CloudCode).numbers(int64(o.Status)).texts(o.RequestID, o.Message))
}

// content is what a digest is over. It must never change for what is written:
// a text is its length (unsigned varint) and its UTF-8 bytes, a number a signed
// varint, a flag the number 0 or 1, a time its nanoseconds since 1970 after a
// flag, and the flag 0 alone where there is none. A value of JSON is a letter
// for its type and then: m an object, the number of its members and each as a
// text and a value, ordered by the texts; l a list, the number of its values
// and each; t a text; n a number, as the text it was written with; b a flag;
// z null. Parameters that there are none of are the letter x.
type content []byte

func (c content) bytes(b []byte) content { return append(c, b...) }

func (c content) texts(values ...string) content {
	for _, v := range values {
		v = asJSON(v)
		c = append(binary.AppendUvarint(c, uint64(len(v))), v...)
	}
	return c
}

func (c content) numbers(values ...int64) content {
	for _, v := range values {
		c = binary.AppendVarint(c, v)
	}
	return c
}

func (c content) flags(values ...bool) content {
	for _, v := range values {
		n := int64(0)
		if v {
			n = 1
		}
		c = c.numbers(n)
	}
	return c
}

func (c content) times(values ...time.Time) content {
	for _, v := range values {
		if c = c.flags(!v.IsZero()); !v.IsZero() {
			c = c.numbers(v.UnixNano())
		}
	}
	return c
}

// params adds the value that a text of JSON has, or, where it is none, the text.
func (c content) params(text string) content {
	tree, err := DecodeParams(text)
	switch {
	case text == "":
		return append(c, 'x')
	case err != nil:
		return append(c, '?').texts(text)
	}
	return c.value(tree)
}

func (c content) value(v any) content {
	switch v := v.(type) {
	case map[string]any:
		c = append(c, 'm').numbers(int64(len(v)))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			c = c.texts(k).value(v[k])
		}
		return c
	case []any:
		c = append(c, 'l').numbers(int64(len(v)))
		for _, each := range v {
			c = c.value(each)
		}
		return c
	case string:
		return append(c, 't').texts(v)
	case json.Number:
		return append(c, 'n').texts(v.String())
	case bool:
		return append(c, 'b').flags(v)
	}
	return append(c, 'z')
}

// asJSON is s as it comes back from JSON, where an exported entry has been: a
// byte that is no UTF-8 becomes U+FFFD.
func asJSON(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}
