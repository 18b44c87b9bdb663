package state

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"weir/sync/resource"
)

// maxLine bounds a line of an exported journal, in bytes.
const maxLine = 64 << 20

// exported is a line of an exported journal: an entry, and what its change is
// about.
type exported struct {
	Entry
	Fields []resource.Field `json:"fields,omitempty"`
}

// WriteLine writes e as one line of JSON, complete: with its links, of a Query
// that asked for them, it can be verified without the store.
func WriteLine(w io.Writer, e Entry) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	fields := e.Change.Fields()
	e.Change = asText(e.Change)
	if err := enc.Encode(exported{e, fields}); err != nil {
		return fmt.Errorf("entry %d cannot be written as JSON: %w", e.Number, err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// asText is c with specs that can be written: one that is no JSON, which weir
// never writes, as a text of JSON.
func asText(c *Change) *Change {
	if c == nil || (c.Before == "" || json.Valid([]byte(c.Before))) && (c.After == "" || json.Valid([]byte(c.After))) {
		return c
	}
	other := *c
	for _, spec := range []*resource.Spec{&other.Before, &other.After} {
		if text, err := resource.NewSpec(string(*spec)); err == nil && !json.Valid([]byte(*spec)) {
			*spec = text
		}
	}
	return &other
}

// ReadLine reads what WriteLine wrote. Numbers in Params come back as
// json.Number.
func ReadLine(line []byte) (Entry, error) {
	e, err := readLine(line)
	return e.Entry, err
}

func readLine(line []byte) (e exported, err error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return e, fmt.Errorf("it is no entry of a journal: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return e, errors.New("something follows the entry on its line")
	}
	if e.Number < 1 {
		return e, errors.New("it is no entry of a journal: it has no number")
	}
	for _, t := range []*time.Time{&e.Opened, &e.Outcome.Closed} {
		*t = t.UTC()
	}
	return e, nil
}

// VerifyLines holds an exported journal against itself: every link against its
// entry, and against the links beside it that are in the file. Entries that a
// filter left out are gaps. It fails only where the file cannot be read.
func VerifyLines(r io.Reader, noted ...Hash) (Proof, error) {
	f := newFileAudit(noted)
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for n := 1; lines.Scan(); n++ {
		e, err := readLine(lines.Bytes())
		if err != nil {
			f.proof.flaw(Flaw{What: fmt.Sprintf("line %d: %v", n, err)})
			continue
		}
		f.entry(e)
	}
	f.finish()
	return f.proof, lines.Err()
}

// fileAudit holds the lines of a file against each other.
type fileAudit struct {
	proof   Proof
	last    int64
	strands map[Chain]*fileStrand
}

// fileStrand is what is in a file of one chain. It keeps the ends that nothing
// of the file continues.
type fileStrand struct {
	ends   map[int64]Hash // hash of a link, by its place
	begins map[int64]Hash // hash before a link, by its place
	first  int64
	count  int64
	tip    Tip
	linked bool // an entry had the link of its intent
}

func newFileAudit(noted []Hash) *fileAudit {
	f := &fileAudit{proof: Proof{Flaws: []Flaw{}}, strands: map[Chain]*fileStrand{}}
	for _, c := range []Chain{Writes, Reads} {
		f.strands[c] = &fileStrand{ends: map[int64]Hash{}, begins: map[int64]Hash{}}
	}
	for _, h := range noted {
		f.proof.Noted = append(f.proof.Noted, Noted{Hash: h})
	}
	return f
}

func (f *fileAudit) flaw(e exported, what string) {
	f.proof.flaw(Flaw{Chain: ChainOf(e.Write), Number: e.Number, What: what})
}

func (f *fileAudit) entry(e exported) {
	if e.Number <= f.last {
		f.flaw(e, fmt.Sprintf("it stands behind entry %d", f.last))
	}
	f.last = max(f.last, e.Number)
	if !sameFields(e) {
		f.flaw(e, "its fields are not those of its change")
	}
	params, err := EncodeParams(e.Params)
	if err != nil {
		f.flaw(e, err.Error())
	}
	digests := map[Part]Hash{Intent: IntentDigest(e.Entry, params), Ending: OutcomeDigest(e.Outcome)}
	parts := map[Part]bool{}
	for _, l := range e.Links {
		parts[l.Part] = true
		l.Number, l.Digest = e.Number, digests[l.Part]
		f.link(e, l)
	}
	f.judge(e, parts)
}

// sameFields reports whether the fields of a line are those of its change.
func sameFields(e exported) bool {
	want, err := json.Marshal(e.Change.Fields())
	got, err2 := json.Marshal(e.Fields)
	none := len(e.Fields) == 0 && len(e.Change.Fields()) == 0
	return none || err == nil && err2 == nil && bytes.Equal(want, got)
}

func (f *fileAudit) link(e exported, l Link) {
	s := f.strands[ChainOf(e.Write)]
	if l.Chain != ChainOf(e.Write) || (l.Part != Intent && l.Part != Ending) || l.Seq < 1 {
		f.flaw(e, fmt.Sprintf("it has no link of the %s called %q", l.Chain, l.Part))
		return
	}
	if l.Sum() != l.Hash {
		f.flaw(e, fmt.Sprintf("it is not as link %d (%s) was written", l.Seq, l.Part))
	}
	if s.add(l) {
		f.flaw(e, fmt.Sprintf("link %d (%s) does not fit those beside it", l.Seq, l.Part))
	}
	f.proof.note(l.Chain, Tip{Seq: l.Seq, Hash: l.Hash})
	f.proof.note(l.Chain, Tip{Seq: l.Seq - 1, Hash: l.Prev})
}

// add takes a link and reports whether it contradicts a neighbour.
func (s *fileStrand) add(l Link) (contradicts bool) {
	if before, found := s.ends[l.Seq-1]; found {
		contradicts = before != l.Prev
		delete(s.ends, l.Seq-1)
	} else {
		s.begins[l.Seq] = l.Prev
	}
	if prev, found := s.begins[l.Seq+1]; found {
		contradicts = contradicts || prev != l.Hash
		delete(s.begins, l.Seq+1)
	} else {
		s.ends[l.Seq] = l.Hash
	}
	s.count++
	if s.first == 0 || l.Seq < s.first {
		s.first = l.Seq
	}
	if l.Seq > s.tip.Seq {
		s.tip = Tip{Seq: l.Seq, Hash: l.Hash}
	}
	return contradicts
}

// judge says what is missing of an entry's links. Those without an intent's
// come first: they are older than the chain, or left of what was pruned.
func (f *fileAudit) judge(e exported, parts map[Part]bool) {
	s := f.strands[ChainOf(e.Write)]
	switch {
	case !parts[Intent] && s.linked:
		f.flaw(e, "it has no link, but entries before it have")
		return
	case !parts[Intent]:
		f.proof.Unchained++
		return
	case !e.Outcome.Closed.IsZero() && !parts[Ending]:
		f.flaw(e, "its outcome has no link")
	}
	s.linked = true
	f.proof.Entries++
	f.proof.Last = max(f.proof.Last, e.Number)
	if f.proof.First == 0 {
		f.proof.First, f.proof.Since = e.Number, e.Opened
	}
}

func (f *fileAudit) finish() {
	for _, s := range f.strands {
		if s.count > 0 {
			f.proof.Gaps += max(0, s.tip.Seq-s.first+1-s.count)
		}
	}
	f.proof.Heads = Heads{Writes: f.strands[Writes].tip, Reads: f.strands[Reads].tip}
}
