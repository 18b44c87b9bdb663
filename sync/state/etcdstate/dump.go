package etcdstate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"weir/sync/state"
)

// Dump returns everything, as it is at one revision of etcd; see state.Porter. It fails
// where that is compacted before it was read.
func (s *Store) Dump(ctx context.Context) iter.Seq2[state.Dump, error] {
	return func(yield func(state.Dump, error) bool) {
		d := &dumper{s: s, ctx: ctx, yield: yield}
		err := errors.Join(ctx.Err(), s.shut())
		if err == nil {
			err = d.all()
		}
		if errors.Is(err, errEnough) || err == nil {
			return
		}
		if compacted(err) {
			err = faulty(state.Busy, fmt.Errorf("what was dumped was compacted while it was read, do it again: %w", err))
		}
		yield(state.Dump{}, fmt.Errorf("dump: %w", s.fault(ctx, err)))
	}
}

// errEnough says that who reads a dump wants no more of it.
var errEnough = errors.New("enough was read")

// dumper yields a store's content.
type dumper struct {
	s        *Store
	ctx      context.Context // of one call of Dump
	yield    func(state.Dump, error) bool
	revision int64
}

func (d *dumper) give(v state.Dump) error {
	if !d.yield(v, nil) {
		return errEnough
	}
	return nil
}

func (d *dumper) all() error {
	revision, over, err := d.s.overlay(d.ctx)
	if err != nil {
		return err
	}
	d.revision = revision
	h, b, err := d.s.ends(d.ctx, revision)
	if err != nil {
		return err
	}
	if err := d.give(state.Dump{Head: &state.DumpHead{Identity: d.s.gate.Load().Store, Number: h.number}}); err != nil {
		return err
	}
	for _, part := range []func() error{
		func() error { return d.remembered(over) }, d.marks, d.consents, d.claims,
		func() error { return d.journal(b) }, d.orphans,
	} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

func (d *dumper) remembered(over overlay) error {
	records, acts, err := d.s.rememberedAt(d.ctx, d.revision, over, recordsAt, actsAt)
	if err != nil {
		return err
	}
	for i := range records {
		if err := d.give(state.Dump{Applied: &records[i]}); err != nil {
			return err
		}
	}
	for i := range acts {
		if err := d.give(state.Dump{Act: &acts[i]}); err != nil {
			return err
		}
	}
	return nil
}

// dumpSorted gives all that is kept beneath a prefix, in an order.
func dumpSorted[T any](
	d *dumper, prefix string, read func(string, []byte, words) (T, error), compare func(a, b T) int, as func(*T) state.Dump,
) error {
	var all []T
	err := d.s.walk(d.ctx, pages{prefix: prefix, revision: d.revision}, func(key string, kv *mvccpb.KeyValue) (bool, error) {
		v, err := read(key, kv.Value, nil)
		all = append(all, v)
		return true, err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, compare)
	for i := range all {
		if err := d.give(as(&all[i])); err != nil {
			return err
		}
	}
	return nil
}

func (d *dumper) marks() error {
	return dumpSorted(d, marksAt, readMark, compareMarks, func(m *state.Mark) state.Dump { return state.Dump{Mark: m} })
}

func (d *dumper) consents() error {
	return dumpSorted(d, consentsAt, readConsent, compareConsents, func(c *state.Consent) state.Dump {
		return state.Dump{Consent: c}
	})
}

func (d *dumper) claims() error {
	return dumpSorted(d, claimsAt, readClaim, func(a, b claimed) int { return cmp.Compare(a.name, b.name) },
		func(c *claimed) state.Dump {
			made := state.NewClaimed(c.name, c.at, c.by)
			return state.Dump{Claim: &made}
		})
}

// journal gives where the chains begin, and the entries of both in the order of numbers.
func (d *dumper) journal(b *begins) error {
	var next [2]func() (*kept, error, bool)
	var first [2]*kept
	for i, chain := range []state.Chain{state.Writes, state.Reads} {
		if err := d.give(state.Dump{Anchor: &state.DumpAnchor{Chain: chain, Anchor: b.anchors[chain]}}); err != nil {
			return err
		}
		pull, stop := iter.Pull2(d.s.entries(d.ctx, chain, pages{revision: d.revision}))
		defer stop() //nolint:revive // of two chains
		next[i] = pull
	}
	for i := range next {
		if err := pulled(next[i], &first[i]); err != nil {
			return err
		}
	}
	for first[0] != nil || first[1] != nil {
		i := 0
		if first[0] == nil || first[1] != nil && first[1].Number < first[0].Number {
			i = 1
		}
		e, err := first[i].linked(b)
		if err == nil {
			err = d.give(state.Dump{Entry: &e})
		}
		if err == nil {
			err = pulled(next[i], &first[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pulled puts the next entry into its place, nil where there is none.
func pulled(next func() (*kept, error, bool), into **kept) error {
	k, err, more := next()
	if *into = k; !more {
		*into = nil
	}
	return err
}

func (d *dumper) orphans() error {
	for _, chain := range []state.Chain{state.Writes, state.Reads} {
		p := pages{prefix: orphansOf(chain), revision: d.revision}
		err := d.s.walk(d.ctx, p, func(key string, kv *mvccpb.KeyValue) (bool, error) {
			l, err := readOrphan(chain, key, kv.Value)
			if err != nil {
				return false, err
			}
			return true, d.give(state.Dump{Orphan: &state.DumpLink{Link: l, Number: l.Number, Digest: l.Digest}})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
