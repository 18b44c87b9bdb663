package state

import (
	"fmt"
	"iter"
	"slices"
	"time"
)

// maxFlaws bounds how many flaws a Proof names; the rest is counted.
const maxFlaws = 100

// Proof is what holding the journal against its chains has shown.
type Proof struct {
	Entries   int64     `json:"entries"`   // that are as their links say
	Unchained int64     `json:"unchained"` // without a link by right: from before the chain, or left of what was pruned
	Pruned    int64     `json:"pruned"`    // links of entries that were pruned
	Gaps      int64     `json:"gaps"`      // links between those of an exported file that are not in it
	First     int64     `json:"first"`     // number of the first entry that was compared, 0 for none
	Last      int64     `json:"last"`
	Since     time.Time `json:"since,omitzero"` // when the first was opened
	Heads     Heads     `json:"heads"`
	Noted     []Noted   `json:"noted,omitempty"` // the hashes that were asked for
	Flaws     []Flaw    `json:"problems"`
	More      int64     `json:"more,omitempty"` // flaws beyond those named
}

// Noted says whether a hash that was noted elsewhere is in a chain.
type Noted struct {
	Hash  Hash  `json:"hash"`
	Chain Chain `json:"chain,omitempty"` // "" where it is in none
	Seq   int64 `json:"seq,omitempty"`   // its place there
}

// Flaw is one thing that is not as the chain says.
type Flaw struct {
	Chain  Chain  `json:"chain"`
	Number int64  `json:"number,omitempty"` // of the entry, 0 where it is about the chain alone
	What   string `json:"what"`
}

// String returns "entry 17: what", "chain of writes: what", or what alone.
func (f Flaw) String() string {
	switch {
	case f.Number > 0:
		return fmt.Sprintf("entry %d: %s", f.Number, f.What)
	case f.Chain == "":
		return f.What // of a line that is no entry
	}
	return fmt.Sprintf("chain of %s: %s", f.Chain, f.What)
}

// Sound reports whether everything was as the chains say, and every noted hash
// is in one.
func (p Proof) Sound() bool {
	return len(p.Flaws) == 0 && !slices.ContainsFunc(p.Noted, func(n Noted) bool { return n.Chain == "" })
}

func (p *Proof) flaw(f Flaw) {
	if len(p.Flaws) == maxFlaws {
		p.More++
		return
	}
	p.Flaws = append(p.Flaws, f)
}

// note looks for a hash among the noted.
func (p *Proof) note(chain Chain, t Tip) {
	for i := range p.Noted {
		if p.Noted[i].Hash == t.Hash {
			p.Noted[i].Chain, p.Noted[i].Seq = chain, t.Seq
		}
	}
}

// Row is an entry as it is held against its links.
type Row struct {
	Number  int64
	Opened  time.Time
	Closed  bool
	Intent  Hash
	Outcome Hash
}

// NewRow returns the row of an entry whose parameters have this text.
func NewRow(e Entry, params string) Row {
	return Row{
		Number: e.Number, Opened: e.Opened, Closed: !e.Outcome.Closed.IsZero(),
		Intent: IntentDigest(e, params), Outcome: OutcomeDigest(e.Outcome),
	}
}

// Strand is one chain of a store, and the entries it is about.
type Strand struct {
	Chain  Chain
	Anchor Anchor
	Links  iter.Seq2[Link, error] // in the order of places; Prev is not looked at
	Rows   iter.Seq2[Row, error]  // in the order of numbers
	// Row looks one up again, false where there is none.
	Row func(number int64) (Row, bool, error)
	// Counted is the greatest number that was ever given, 0 where unknown.
	Counted int64
}

// Prove holds strands against their entries. It fails only where they cannot
// be read; what is wrong with them is in the proof. noted are hashes that must
// be in one of the chains.
func Prove(noted []Hash, strands ...Strand) (Proof, error) {
	p := &Proof{Flaws: []Flaw{}}
	for _, h := range noted {
		p.Noted = append(p.Noted, Noted{Hash: h})
	}
	last := int64(0)
	for _, s := range strands {
		a := newAudit(p, s)
		if err := a.run(); err != nil {
			return Proof{}, err
		}
		last = max(last, a.last, s.Anchor.Pruned, s.Anchor.Began)
	}
	for _, s := range strands {
		if s.Counted > last {
			what := fmt.Sprintf("it ends with entry %d, but entries up to %d were written: its end was cut off", last, s.Counted)
			p.flaw(Flaw{Chain: s.Chain, What: what})
			break
		}
	}
	return *p, nil
}
