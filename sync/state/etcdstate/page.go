package etcdstate

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/state"
)

// page is one transaction of the journal: some words, and what they make of it.
type page struct {
	words  []*word
	head   head             // as it becomes
	rests  *head            // as it has to be
	put    map[string]*kept // by key
	order  []string         // the keys of put
	closes []*kept          // entries that were there, as they have to be
	lone   []state.Link     // that no entry has any more
	bytes  int
}

// write has all words written, in as many pages as they need.
func (j *journal) write(ctx context.Context, words []*word) error {
	started := time.Now()
	for left(words) {
		if time.Since(started) > 2*patience {
			return faulty(state.Busy, errors.New("other processes are always first"))
		}
		if err := j.look(ctx, words); err != nil {
			return err
		}
		p := j.page(words)
		if len(p.words) == 0 {
			continue // all were answered by what is there
		}
		written, err := j.commit(ctx, p)
		if err != nil {
			return err
		}
		if written {
			j.turned(p)
		}
	}
	return nil
}

func left(words []*word) bool {
	for _, w := range words {
		if !w.over() {
			return true
		}
	}
	return false
}

// look reads the head and the entries that are to be closed, where they are not known.
func (j *journal) look(ctx context.Context, words []*word) error {
	ops := []clientv3.Op{clientv3.OpGet(j.s.key(formatKey)), clientv3.OpGet(j.s.key(headKey))}
	var asked []*word
	for _, w := range words {
		if w.open == nil && !w.over() && j.open[w.number] == nil {
			asked = append(asked, w)
			for _, chain := range []state.Chain{state.Writes, state.Reads} {
				ops = append(ops, clientv3.OpGet(j.s.key(entryKey(chain, w.number))))
			}
		}
	}
	if j.head != nil && len(asked) == 0 {
		return nil
	}
	p := j.s.patient()
	for {
		resp, err := j.s.do(ctx, nil, ops, nil)
		if lost(err) && p.wait(ctx) {
			continue
		}
		if err == nil {
			err = j.s.admit(resp.Responses[0].GetResponseRange().Kvs)
		}
		if err == nil {
			j.head, err = readHead(resp.Responses[1].GetResponseRange().Kvs)
		}
		if err != nil {
			return err
		}
		return j.found(asked, resp.Responses[2:])
	}
}

// found takes over the entries that were asked for, and answers who closes one that is
// not there.
func (j *journal) found(asked []*word, read []*etcdserverpb.ResponseOp) error {
	for i, w := range asked {
		for k, chain := range []state.Chain{state.Writes, state.Reads} {
			for _, kv := range read[2*i+k].GetResponseRange().Kvs {
				e, err := readKept(chain, entryKey(chain, w.number), kv, nil)
				if err != nil {
					return err
				}
				j.remember(e)
			}
		}
		if j.open[w.number] == nil {
			w.end(state.ErrNoEntry)
		}
	}
	return nil
}

// mostOpen bounds how many entries this process remembers until their outcome comes.
const mostOpen = 4096

func (j *journal) remember(k *kept) {
	if len(j.open) >= mostOpen {
		clear(j.open)
	}
	j.open[k.Number] = k
}

// page makes one of as many words as fit.
func (j *journal) page(words []*word) *page {
	p := &page{head: *j.head, rests: j.head, put: map[string]*kept{}}
	p.head.own = nonce()
	for _, w := range words {
		switch {
		case w.over():
		case p.bytes > 0 && p.bytes+w.size() > mostBytes:
			return p
		case w.open != nil:
			p.opened(w)
		default:
			k := j.open[w.number]
			if k == nil {
				return p // others were more than are remembered: it is looked for again
			}
			p.closed(w, k)
		}
	}
	return p
}

// size is more than a word takes of a transaction.
func (w *word) size() int {
	n := 2000 + len(w.outcome.Message) + len(w.outcome.RequestID) + len(w.outcome.CloudCode)
	if w.open != nil {
		n += len(w.open.value())
	}
	return n
}

func (p *page) opened(w *word) {
	k := *w.open
	p.head.number++
	k.Number = p.head.number
	k.intent = p.head.link(k.chain(), k.Number, state.Intent, state.IntentDigest(k.Entry, k.params))
	if !k.Outcome.Closed.IsZero() {
		k.ending = p.head.link(k.chain(), k.Number, state.Ending, state.OutcomeDigest(k.Outcome))
	}
	p.add(w, &k)
}

func (p *page) closed(w *word, was *kept) {
	k := p.put[was.key()]
	if k == nil {
		p.closes = append(p.closes, was)
		other := *was
		k = &other
	}
	if k.ending.Seq > 0 {
		l := k.ending
		l.Digest = state.OutcomeDigest(k.Outcome)
		p.lone = append(p.lone, l)
	}
	k.Outcome = w.outcome
	k.ending = p.head.link(k.chain(), k.Number, state.Ending, state.OutcomeDigest(k.Outcome))
	p.add(w, k)
}

func (p *page) add(w *word, k *kept) {
	key := k.key()
	if k.own = p.head.own; p.put[key] == nil {
		p.order = append(p.order, key)
	}
	p.put[key] = k
	p.words, p.bytes = append(p.words, w), p.bytes+len(k.value())+2*len(key)+500
	if w.open != nil {
		w.number = k.Number
	}
}

// commit writes a page, and reports whether it is written. Where it is not and there is no
// error, what it rests on has changed and was read again.
func (j *journal) commit(ctx context.Context, p *page) (bool, error) {
	wait := j.s.patient()
	for unsure := false; ; {
		gate, err := j.s.writable()
		if err != nil {
			return false, err
		}
		when, then, other := j.request(p, gate)
		resp, err := j.s.do(ctx, when, then, other)
		switch {
		case lost(err) && wait.wait(ctx):
			unsure = true
			continue
		case err != nil:
			return false, err
		case resp.Succeeded:
			p.head.revision = resp.Header.Revision
			return true, nil
		}
		if unsure {
			own, err := j.own(ctx, p)
			if err != nil || own {
				j.head = nil
				return own, err
			}
		}
		return false, j.refused(p, resp.Responses)
	}
}

func (j *journal) request(p *page, g *gate) (when []clientv3.Cmp, then, other []clientv3.Op) {
	s := j.s
	when = []clientv3.Cmp{s.same(g), clientv3.Compare(clientv3.ModRevision(s.key(headKey)), "=", p.rests.revision)}
	other = []clientv3.Op{clientv3.OpGet(s.key(formatKey)), clientv3.OpGet(s.key(headKey))}
	for _, k := range p.closes {
		when = append(when, clientv3.Compare(clientv3.ModRevision(s.key(k.key())), "=", k.revision))
		other = append(other, clientv3.OpGet(s.key(k.key())))
	}
	for _, w := range p.words {
		if w.fence != nil {
			when, other = append(when, w.fence.Cmp()), append(other, clientv3.OpGet(w.fence.Key, clientv3.WithKeysOnly()))
		}
	}
	for _, key := range p.order {
		then = append(then, clientv3.OpPut(s.key(key), p.put[key].value()))
	}
	for _, l := range p.lone {
		then = append(then, clientv3.OpPut(s.key(orphanKey(l.Chain, l.Seq)), orphanValue(l)))
	}
	return when, append(then, clientv3.OpPut(s.key(headKey), p.head.value())), other
}

// own reports whether a page whose answer was lost is written: one of its entries says by
// whom it was.
func (j *journal) own(ctx context.Context, p *page) (bool, error) {
	k := p.put[p.order[0]]
	resp, err := j.s.conn.Read(ctx, j.s.key(k.key()))
	if err != nil || len(resp.Kvs) == 0 {
		return false, err
	}
	there, err := readKept(k.chain(), k.key(), resp.Kvs[0], nil)
	if err != nil {
		return false, err
	}
	return there.own == k.own, nil
}

// refused takes over what is there instead of what a page rests on, and answers the words
// whose fence is down.
func (j *journal) refused(p *page, read []*etcdserverpb.ResponseOp) (err error) {
	if err := j.s.admit(read[0].GetResponseRange().Kvs); err != nil {
		return err
	}
	if j.head, err = readHead(read[1].GetResponseRange().Kvs); err != nil {
		return err
	}
	read = read[2:]
	for i, k := range p.closes {
		delete(j.open, k.Number)
		for _, kv := range read[i].GetResponseRange().Kvs {
			there, err := readKept(k.chain(), k.key(), kv, nil)
			if err != nil {
				return err
			}
			j.remember(there)
		}
	}
	read = read[len(p.closes):]
	for _, w := range p.words {
		if w.fence == nil {
			continue
		}
		if kvs := read[0].GetResponseRange().Kvs; len(kvs) == 0 || kvs[0].CreateRevision != w.fence.Revision {
			w.end(fenced(w.fence.Key))
		}
		read = read[1:]
	}
	return nil
}

// turned goes on behind a page that is written.
func (j *journal) turned(p *page) {
	if j.head != nil {
		j.head = &p.head
	}
	for _, key := range p.order {
		k := p.put[key]
		delete(j.open, k.Number)
		if k.Outcome.Closed.IsZero() && j.head != nil {
			k.revision = p.head.revision
			j.remember(k)
		}
	}
	for _, w := range p.words {
		w.end(nil)
	}
	j.s.tended.grown(p.rests.number, p.head.number)
}
