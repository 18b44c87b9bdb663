package etcdstate

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"weir/sync/resource"
	"weir/sync/state"
)

// The keys of the journal.
const (
	journalAt = "journal/"
	headKey   = "journal/head"
	anchorsAt = "journal/anchor/"
	orphansAt = "journal/orphan/"
)

// entriesAt is what the keys of a chain's entries begin with.
func entriesAt(chain state.Chain) string { return "journal/" + string(chain) + "/" }

// entryKey is an entry's; its keys are in the order of numbers.
func entryKey(chain state.Chain, n int64) string { return entriesAt(chain) + place(n) }

func place(n int64) string { return fmt.Sprintf("%016x", n) }

func placeOf(key, prefix string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(key, prefix), 16, 64)
	if err != nil {
		return 0, damaged(key, err)
	}
	return n, nil
}

func anchorKey(chain state.Chain) string { return anchorsAt + string(chain) }

// orphanKey is that of the link at a place of a chain that no entry has.
func orphanKey(chain state.Chain, seq int64) string {
	return orphansOf(chain) + place(seq)
}

// orphansOf is what the keys of a chain's orphans begin with.
func orphansOf(chain state.Chain) string { return orphansAt + string(chain) + "/" }

// head is the end of the journal. Every write of the journal writes it, and is
// conditional on it.
type head struct {
	number int64 // the greatest that was given
	state.Heads
	own      int64 // random number of the transaction that wrote it
	revision int64 // at which it was written
}

// tip is the end of a chain.
func (h *head) tip(chain state.Chain) *state.Tip {
	if chain == state.Writes {
		return &h.Writes
	}
	return &h.Reads
}

// link adds a link to a chain.
func (h *head) link(chain state.Chain, number int64, part state.Part, digest state.Hash) state.Link {
	tip := h.tip(chain)
	l := tip.Next(chain, number, part, digest)
	*tip = state.Tip{Seq: l.Seq, Hash: l.Hash}
	return l
}

func (h *head) value() string {
	f := fields{}.numbers(h.number)
	for _, tip := range []state.Tip{h.Writes, h.Reads} {
		f = append(f.numbers(tip.Seq), tip.Hash[:]...)
	}
	return value(headKey, f.numbers(h.own))
}

func readHead(kvs []*mvccpb.KeyValue) (*head, error) {
	if len(kvs) == 0 {
		return &head{}, nil
	}
	p := parse(headKey, kvs[0].Value, nil)
	h := &head{number: p.number(), revision: kvs[0].ModRevision}
	h.Writes = state.Tip{Seq: p.number(), Hash: p.hash()}
	h.Reads = state.Tip{Seq: p.number(), Hash: p.hash()}
	h.own = p.number()
	return h, p.end()
}

// kept is an entry as it is kept.
type kept struct {
	state.Entry        // without Params and Links
	params      string // as EncodeParams writes them
	intent      state.Link
	ending      state.Link // of the latest outcome; the zero Link where there is none
	own         int64      // random number of the transaction that wrote it
	revision    int64      // at which it was written
}

func (k *kept) chain() state.Chain { return state.ChainOf(k.Write) }

func (k *kept) key() string { return entryKey(k.chain(), k.Number) }

func (k *kept) value() string {
	e := &k.Entry
	f := fields{}.times(e.Opened).texts(e.Account, e.Operation, k.params, e.Resource)
	f = originFields(f, e.Origin).texts(e.Revision, e.Plan, e.Process)
	c := cmp.Or(e.Change, &state.Change{})
	f = f.texts(c.Action, c.Reason, string(c.Before), string(c.After))
	o := e.Outcome
	f = f.times(o.Closed).texts(o.Code, o.CloudCode).numbers(int64(o.Status)).texts(o.RequestID, o.Message)
	for _, l := range []state.Link{k.intent, k.ending} {
		if f = f.numbers(l.Seq); l.Seq > 0 {
			f = append(append(f, l.Prev[:]...), l.Hash[:]...)
		}
	}
	return value(k.key(), f.numbers(k.own))
}

// readKept reads an entry of a chain.
func readKept(chain state.Chain, key string, kv *mvccpb.KeyValue, w words) (*kept, error) {
	n, err := placeOf(key, entriesAt(chain))
	if err != nil {
		return nil, err
	}
	p := parse(key, kv.Value, w)
	k := &kept{revision: kv.ModRevision}
	e, o := &k.Entry, &k.Outcome
	e.Number, e.Write = n, chain == state.Writes
	e.Opened, e.Account, e.Operation, k.params, e.Resource = p.time(), p.word(), p.word(), p.text(), p.word()
	e.Origin = readOrigin(p)
	e.Revision, e.Plan, e.Process = p.word(), p.word(), p.word()
	c := state.Change{
		Action: p.word(), Reason: p.word(), Before: resource.Spec(p.text()), After: resource.Spec(p.text()),
	}
	if c.Action != "" {
		e.Change = &c
	}
	o.Closed, o.Code, o.CloudCode, o.Status = p.time(), p.word(), p.word(), int(p.number())
	o.RequestID, o.Message = p.text(), p.text()
	k.intent, k.ending = k.readLink(p, state.Intent), k.readLink(p, state.Ending)
	k.own = p.number()
	return k, p.end()
}

func (k *kept) readLink(p *parser, part state.Part) (l state.Link) {
	if l.Seq = p.number(); l.Seq <= 0 {
		return state.Link{}
	}
	l.Chain, l.Number, l.Part, l.Prev, l.Hash = k.chain(), k.Number, part, p.hash(), p.hash()
	return l
}

// links are those that k has, with the digests of what it says.
func (k *kept) links() (links []state.Link) {
	for _, l := range []state.Link{k.intent, k.ending} {
		if l.Seq == 0 {
			continue
		}
		if l.Digest = state.OutcomeDigest(k.Outcome); l.Part == state.Intent {
			l.Digest = state.IntentDigest(k.Entry, k.params)
		}
		links = append(links, l)
	}
	return links
}

// entry is k as a reader gets it, without its links.
func (k *kept) entry() (e state.Entry, err error) {
	e = k.Entry
	if e.Params, err = state.DecodeParams(k.params); err != nil {
		return e, damaged(k.key(), err)
	}
	return e, nil
}

// linked is k with those of its links that are not pruned.
func (k *kept) linked(b *begins) (state.Entry, error) {
	e, err := k.entry()
	for _, l := range k.links() {
		if l.Seq > b.anchors[l.Chain].Seq {
			e.Links = append(e.Links, l)
		}
	}
	return e, err
}

// orphan is a link that no entry has, as it is kept.
func orphanValue(l state.Link) string {
	f := fields{}.numbers(l.Number).flags(l.Part == state.Ending)
	f = append(append(append(f, l.Digest[:]...), l.Prev[:]...), l.Hash[:]...)
	return value(orphanKey(l.Chain, l.Seq), f)
}

func readOrphan(chain state.Chain, key string, b []byte) (l state.Link, err error) {
	l.Chain, l.Part = chain, state.Intent
	if l.Seq, err = placeOf(key, orphansOf(chain)); err != nil {
		return l, err
	}
	p := parse(key, b, nil)
	l.Number = p.number()
	if p.flag() {
		l.Part = state.Ending
	}
	l.Digest, l.Prev, l.Hash = p.hash(), p.hash(), p.hash()
	return l, p.end()
}

func anchorValue(chain state.Chain, a state.Anchor) string {
	f := append(fields{}.numbers(a.Seq), a.Hash[:]...)
	return value(anchorKey(chain), f.numbers(a.Pruned, a.Began))
}

func readAnchor(chain state.Chain, kvs []*mvccpb.KeyValue) (a state.Anchor, err error) {
	if len(kvs) == 0 {
		return a, nil
	}
	p := parse(anchorKey(chain), kvs[0].Value, nil)
	a.Seq, a.Hash = p.number(), p.hash()
	a.Pruned, a.Began = p.number(), p.number()
	return a, p.end()
}

// newKept checks an entry that is to be written.
func newKept(e state.Entry) (*kept, error) {
	if err := checkTimes(e.Opened, e.Outcome.Closed); err != nil {
		return nil, err
	}
	params, err := state.EncodeParams(e.Params)
	if err != nil {
		return nil, err
	}
	e.Params, e.Links = nil, nil
	if c := e.Change; c != nil {
		e.Change = &state.Change{Action: c.Action, Reason: c.Reason, Before: c.Before, After: c.After}
	}
	k := &kept{Entry: e, params: params}
	if n := len(k.value()); n > mostBytes {
		return nil, errors.New("an entry of " + strconv.Itoa(n) + " bytes is more than etcd takes at once")
	}
	return k, nil
}
