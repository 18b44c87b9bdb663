package state

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// audit walks along one chain and the entries beside it. It keeps only what is
// still open, however long the chain is.
type audit struct {
	Strand
	proof *Proof
	tip   Tip
	last  int64 // the greatest number seen in a link
	next  func() (Row, error, bool)
	row   Row  // the next entry that no link has named
	more  bool // there is one
	open  map[int64]pending
}

// pending is an entry whose intent was found and whose outcome was not.
type pending struct {
	row   Row
	other bool // a link has another outcome; a later one may have this
}

func newAudit(p *Proof, s Strand) *audit {
	return &audit{Strand: s, proof: p, tip: s.Anchor.Tip, open: map[int64]pending{}}
}

func (a *audit) run() error {
	next, stop := iter.Pull2(a.Rows)
	defer stop()
	a.next = next
	if err := a.step(); err != nil {
		return err
	}
	a.proof.note(a.Chain, a.tip)
	for l, err := range a.Links {
		if err == nil {
			err = a.link(l)
		}
		if err != nil {
			return err
		}
	}
	for a.more {
		if err := a.skip(); err != nil {
			return err
		}
	}
	a.leftOpen()
	if a.Chain == Writes {
		a.proof.Heads.Writes = a.tip
	} else {
		a.proof.Heads.Reads = a.tip
	}
	return nil
}

// step goes to the next entry.
func (a *audit) step() (err error) {
	a.row, err, a.more = a.next()
	return err
}

// skip goes past an entry that no link names.
func (a *audit) skip() error {
	if n := a.row.Number; n <= max(a.Anchor.Began, a.Anchor.Pruned) {
		a.proof.Unchained++
	} else {
		a.flaw(n, "it is in no link: it was put in beside weir")
	}
	return a.step()
}

func (a *audit) flaw(number int64, what string) {
	a.proof.flaw(Flaw{Chain: a.Chain, Number: number, What: what})
}

// link holds the next link against the one before and against its entry.
func (a *audit) link(l Link) error {
	l.Chain, l.Prev = a.Chain, a.tip.Hash
	switch {
	case l.Seq != a.tip.Seq+1:
		a.flaw(0, fmt.Sprintf("links %d to %d are missing", a.tip.Seq+1, l.Seq-1))
	case l.Sum() != l.Hash:
		a.flaw(l.Number, fmt.Sprintf("link %d (%s) does not follow from the one before", l.Seq, l.Part))
	}
	a.tip = Tip{Seq: l.Seq, Hash: l.Hash}
	a.proof.note(a.Chain, a.tip)
	if l.Part == Intent {
		return a.intent(l)
	}
	return a.outcome(l)
}

func (a *audit) intent(l Link) error {
	for a.more && a.row.Number < l.Number {
		if err := a.skip(); err != nil {
			return err
		}
	}
	a.last = max(a.last, l.Number)
	if !a.more || a.row.Number != l.Number {
		a.gone(l.Number)
		return nil
	}
	if a.row.Intent != l.Digest {
		a.flaw(l.Number, "it is not as it was written")
	}
	a.count(a.row)
	a.open[l.Number] = pending{row: a.row}
	return a.step()
}

// gone judges an entry that has a link and is not there.
func (a *audit) gone(number int64) {
	if number <= a.Anchor.Pruned {
		a.proof.Pruned++
		return
	}
	a.flaw(number, "it is gone, and was not pruned")
}

func (a *audit) count(r Row) {
	p := a.proof
	p.Entries++
	p.Last = max(p.Last, r.Number)
	if p.First == 0 || r.Number < p.First {
		p.First, p.Since = r.Number, r.Opened
	}
}

// outcome holds the link of an outcome against its entry. One that was
// confirmed before is looked up again: it was closed anew.
func (a *audit) outcome(l Link) error {
	wait, found := a.open[l.Number]
	if !found {
		row, exists, err := a.Row(l.Number)
		if err != nil || !exists {
			return err // its intent's link has told that it is gone
		}
		wait = pending{row: row}
	}
	if wait.row.Closed && wait.row.Outcome == l.Digest {
		delete(a.open, l.Number)
		return nil
	}
	wait.other = true
	a.open[l.Number] = wait
	return nil
}

// leftOpen judges the entries whose last outcome no link has.
func (a *audit) leftOpen() {
	left := slices.SortedFunc(maps.Values(a.open), func(x, y pending) int { return cmp.Compare(x.row.Number, y.row.Number) })
	for _, w := range left {
		switch {
		case w.other:
			a.flaw(w.row.Number, "its outcome is not as it was written")
		case w.row.Closed:
			a.flaw(w.row.Number, "its outcome is in no link: it was put in beside weir")
		}
	}
}
