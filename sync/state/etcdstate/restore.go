package etcdstate

import (
	"context"
	"errors"
	"fmt"
	"iter"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/state"
)

// contents are the prefixes beneath which a store keeps what it was given.
func contents() []string {
	return []string{recordsAt, actsAt, marksAt, consentsAt, claimsAt, journalAt, chunksAt, stagedAt, postsAt}
}

// Restore writes all of a dump into a store that holds nothing; see state.Porter. Until it
// is done the store refuses other writes, and where the process dies in the middle it goes
// on refusing them until a dump is restored as a whole.
func (s *Store) Restore(ctx context.Context, all iter.Seq2[state.Dump, error]) error {
	if err := s.restore(ctx, all); err != nil {
		return fmt.Errorf("restore: %w", s.fault(ctx, err))
	}
	return nil
}

func (s *Store) restore(ctx context.Context, all iter.Seq2[state.Dump, error]) error {
	if err := errors.Join(ctx.Err(), s.shut()); err != nil {
		return err
	}
	g, err := s.claim(ctx)
	if err != nil {
		return err
	}
	f := &filler{s: s, ctx: ctx, tips: map[state.Chain]state.Tip{}}
	err = f.fill(all)
	next := *g
	next.Filling = false
	ops := s.wipe()
	if err == nil {
		next.Store = f.head.Identity
		h := &head{number: f.head.Number, Heads: state.Heads{Writes: f.tips[state.Writes], Reads: f.tips[state.Reads]}}
		ops = []clientv3.Op{clientv3.OpPut(s.key(headKey), h.value())}
	}
	return errors.Join(err, s.swap(context.WithoutCancel(ctx), &next, nil, append(ops, s.tickOf(nil))...))
}

// claim makes sure that the store holds nothing, and keeps others from writing. What a
// restore that died has left is removed.
func (s *Store) claim(ctx context.Context) (*gate, error) {
	resp, err := s.ask(ctx, append(s.counts(), clientv3.OpGet(s.key(formatKey)))...)
	if err != nil {
		return nil, err
	}
	prefixes := contents()
	if err := s.admit(resp.Responses[len(prefixes)].GetResponseRange().Kvs); err != nil {
		return nil, err
	}
	next := *s.gate.Load()
	if next.Filling {
		return &next, s.swap(ctx, &next, nil, s.wipe()...)
	}
	if err := next.open(s.formats); err != nil {
		return nil, err
	}
	var when []clientv3.Cmp
	for i, prefix := range prefixes {
		if resp.Responses[i].GetResponseRange().Count > 0 {
			return nil, state.ErrNotEmpty
		}
		when = append(when, s.since(prefix, resp.Header.Revision).WithPrefix())
	}
	next.Filling = true
	return &next, s.swap(ctx, &next, append(when, s.absent(batchKey)))
}

func (s *Store) counts() (ops []clientv3.Op) {
	for _, prefix := range contents() {
		ops = append(ops, clientv3.OpGet(s.key(prefix), clientv3.WithPrefix(), clientv3.WithCountOnly()))
	}
	return ops
}

// wipe removes all that was restored.
func (s *Store) wipe() (ops []clientv3.Op) {
	for _, prefix := range contents() {
		ops = append(ops, clientv3.OpDelete(s.key(prefix), clientv3.WithPrefix()))
	}
	return ops
}

// swap puts next in the place of the gate, with what is written at once.
func (s *Store) swap(ctx context.Context, next *gate, when []clientv3.Cmp, then ...clientv3.Op) error {
	next.By = s.process
	then = append(then, clientv3.OpPut(s.key(formatKey), next.text()))
	resp, err := s.do(ctx, append(when, s.same(s.gate.Load())), then, nil)
	if err != nil {
		return err
	}
	if !resp.Succeeded {
		return faulty(state.Busy, errors.New("another process has written to it meanwhile"))
	}
	next.revision = resp.Header.Revision
	own := *next
	s.gate.Store(&own)
	return nil
}

// filler writes a dump.
type filler struct {
	s     *Store
	ctx   context.Context // of one call of Restore
	head  *state.DumpHead
	tips  map[state.Chain]state.Tip // the ends of the chains, as far as they are known
	group group
	ops   []clientv3.Op
	bytes int
}

func (f *filler) fill(all iter.Seq2[state.Dump, error]) (err error) {
	defer func() { err = errors.Join(err, f.group.wait()) }()
	for d, err := range all {
		if err == nil {
			err = errors.Join(f.ctx.Err(), f.group.failed())
		}
		if err == nil && (d.Head == nil) == (f.head == nil) {
			err = errors.New("a dump has one head, at its beginning")
		}
		if err == nil {
			err = f.one(d)
		}
		if err != nil {
			return err
		}
	}
	if f.head == nil {
		return errors.New("a dump has one head, at its beginning")
	}
	f.flush()
	return nil
}

func (f *filler) put(problem error, key, value string) error {
	if problem != nil {
		return problem
	}
	size := len(key) + len(value)
	if size > mostBytes {
		return fmt.Errorf("key %s has %d bytes, and etcd takes %d at once", key, size, mostBytes)
	}
	if len(f.ops) == foldKeys || f.bytes+size > mostBytes {
		f.flush()
	}
	f.ops, f.bytes = append(f.ops, clientv3.OpPut(f.s.key(key), value)), f.bytes+size+100
	return nil
}

// flush writes what was put, beside what follows.
func (f *filler) flush() {
	ops, gate := f.ops, f.s.gate.Load()
	f.ops, f.bytes = nil, 0
	if len(ops) == 0 {
		return
	}
	f.group.run(func() error {
		p := f.s.patient()
		for {
			resp, err := f.s.do(f.ctx, []clientv3.Cmp{f.s.same(gate)}, ops, nil)
			switch {
			case lost(err) && p.wait(f.ctx):
				continue
			case err == nil && !resp.Succeeded:
				return faulty(state.Busy, errors.New("another process restores too"))
			}
			return err
		}
	})
}

func (f *filler) one(d state.Dump) error {
	switch {
	case d.Head != nil:
		f.head = d.Head
		return nil
	case d.Applied != nil:
		key := recordKey(d.Applied.ID)
		return f.put(checkApplied(*d.Applied), key, value(key, appliedFields(*d.Applied)))
	case d.Act != nil:
		a := *d.Act
		key := actKey(a.ID, a.Name)
		return f.put(errors.Join(state.CheckAct(a), checkTimes(a.Begun, a.Done, a.Ends)), key, actValue(key, begun{a, 0}))
	case d.Mark != nil:
		m := *d.Mark
		key := markKey(m.Source, m.Role)
		return f.put(errors.Join(state.CheckMark(m), checkTimes(m.At)), key, value(key, markFields(m)))
	case d.Consent != nil:
		c := *d.Consent
		key := consentKey(c.Plan)
		problem := errors.Join(state.CheckConsent(c), checkTimes(c.Given, c.Expires, c.Used))
		return f.put(problem, key, consentValue(key, given{Consent: c}))
	case d.Claim != nil:
		at, err := d.Claim.Time()
		key := claimKey(d.Claim.Name)
		problem := errors.Join(err, state.CheckClaim(d.Claim.Name), checkTimes(at))
		return f.put(problem, key, claimValue(key, claimed{at: at, by: d.Claim.By}))
	}
	return f.journal(d)
}

// journal writes one thing of the journal.
func (f *filler) journal(d state.Dump) error {
	switch {
	case d.Anchor != nil:
		a := *d.Anchor
		f.tip(a.Chain, a.Tip)
		return f.put(nil, anchorKey(a.Chain), anchorValue(a.Chain, a.Anchor))
	case d.Entry != nil:
		return f.entry(*d.Entry)
	case d.Orphan != nil:
		l := d.Orphan.Link
		l.Number, l.Digest = d.Orphan.Number, d.Orphan.Digest
		f.tip(l.Chain, state.Tip{Seq: l.Seq, Hash: l.Hash})
		return f.put(nil, orphanKey(l.Chain, l.Seq), orphanValue(l))
	}
	return errors.New("a dump holds something this weir does not know")
}

// tip takes over the end of a chain, where it is the last that was seen.
func (f *filler) tip(chain state.Chain, tip state.Tip) {
	if tip.Seq >= f.tips[chain].Seq {
		f.tips[chain] = tip
	}
}

func (f *filler) entry(e state.Entry) error {
	k, err := newKept(e)
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.Number, err)
	}
	for _, l := range e.Links {
		if f.tip(l.Chain, state.Tip{Seq: l.Seq, Hash: l.Hash}); l.Part == state.Intent {
			k.intent = l
		} else {
			k.ending = l
		}
	}
	return f.put(nil, k.key(), k.value())
}

// Retire says that the store's content was taken elsewhere, or takes that back; see
// state.Porter.
func (s *Store) Retire(ctx context.Context, where string) error {
	err := errors.Join(ctx.Err(), s.shut())
	for try := 1; err == nil; try++ {
		var g gate
		if g, err = s.present(ctx); err != nil || g.Moved == where {
			break
		}
		g.Moved = where
		if err = s.swap(ctx, &g, nil); state.FaultOf(err) == state.Busy && try < mostRereads || lost(err) && try < mostRereads {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("retire: %w", s.fault(ctx, err))
	}
	return nil
}

// Retired returns what Retire was told, "" for a store that is in use.
func (s *Store) Retired(ctx context.Context) (string, error) {
	g, err := s.present(ctx)
	if err != nil {
		return "", fmt.Errorf("read where the content is: %w", s.fault(ctx, err))
	}
	return g.Moved, nil
}

// present is the gate as it is now.
func (s *Store) present(ctx context.Context) (gate, error) {
	resp, err := s.ask(ctx, clientv3.OpGet(s.key(formatKey)))
	if err == nil {
		err = s.admit(resp.Responses[0].GetResponseRange().Kvs)
	}
	if err != nil {
		return gate{}, err
	}
	return *s.gate.Load(), nil
}
