package statetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"weir/sync/state"
)

var _ state.Porter = (*Memory)(nil)

// lock locks m for a write, unless its content was taken elsewhere.
func (m *Memory) lock() error {
	m.mu.Lock()
	if m.moved == "" {
		return nil
	}
	defer m.mu.Unlock()
	return &state.Error{Fault: state.Moved, Path: "memory", Err: errors.New("its content was taken to " + m.moved)}
}

// Dump returns everything, as it is at one moment; see state.Porter.
func (m *Memory) Dump(ctx context.Context) iter.Seq2[state.Dump, error] {
	return func(yield func(state.Dump, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(state.Dump{}, err)
			return
		}
		all, err := m.dump(ctx)
		for _, d := range all {
			if !yield(d, nil) {
				return
			}
		}
		if err != nil {
			yield(state.Dump{}, err)
		}
	}
}

// dump gathers everything at one moment.
func (m *Memory) dump(ctx context.Context) ([]state.Dump, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := []state.Dump{{Head: &state.DumpHead{Identity: m.name, Number: m.number}}}
	for _, r := range m.records() {
		out = append(out, state.Dump{Applied: &r})
	}
	for _, a := range m.everyAct() {
		out = append(out, state.Dump{Act: &a})
	}
	for _, mark := range m.everyMark() {
		out = append(out, state.Dump{Mark: &mark})
	}
	for _, c := range m.everyConsent() {
		out = append(out, state.Dump{Consent: &c})
	}
	for _, name := range slices.Sorted(maps.Keys(m.claims)) {
		out = append(out, state.Dump{Claim: new(m.claims[name])})
	}
	for _, chain := range []state.Chain{state.Reads, state.Writes} {
		out = append(out, state.Dump{Anchor: &state.DumpAnchor{Chain: chain, Anchor: m.anchors[chain]}})
	}
	return m.dumpJournal(ctx, out)
}

// dumpJournal appends the entries, and the links that none of them has.
func (m *Memory) dumpJournal(ctx context.Context, out []state.Dump) ([]state.Dump, error) {
	named := map[state.Link]bool{}
	for _, e := range m.journal {
		entry, err := e.read()
		if err != nil {
			return out, err
		}
		entry.Links = m.linksOf(e.Entry)
		for _, l := range entry.Links {
			named[l] = true
		}
		out = append(out, state.Dump{Entry: &entry})
	}
	for _, chain := range []state.Chain{state.Reads, state.Writes} {
		for _, l := range m.links[chain] {
			if !named[l] {
				out = append(out, state.Dump{Orphan: &state.DumpLink{Link: l, Number: l.Number, Digest: l.Digest}})
			}
		}
	}
	return out, ctx.Err()
}

// Restore writes all of a dump into a store that holds nothing; see state.Porter.
func (m *Memory) Restore(ctx context.Context, all iter.Seq2[state.Dump, error]) error {
	next := NewMemory()
	begun := false
	for d, err := range all {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && (d.Head != nil) == begun {
			err = errors.New("a dump has one head, at its beginning")
		}
		if err == nil {
			begun = true
			err = next.restoreOne(ctx, d)
		}
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	if !begun {
		return errors.New("restore: a dump has one head, at its beginning")
	}
	for _, links := range next.links {
		slices.SortFunc(links, func(a, b state.Link) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	return m.become(next)
}

// become takes over what another store holds, where m holds nothing.
func (m *Memory) become(next *Memory) error {
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if len(m.applied)+len(m.acts)+len(m.marks)+len(m.given)+len(m.claims) > 0 || m.number > 0 {
		return fmt.Errorf("restore: %w", state.ErrNotEmpty)
	}
	m.applied, m.acts, m.marks, m.given, m.claims = next.applied, next.acts, next.marks, next.given, next.claims
	m.journal, m.anchors, m.links, m.name, m.number = next.journal, next.anchors, next.links, next.name, next.number
	m.changes = append(m.changes, next.changes...)
	return nil
}

// restoreOne takes one thing of a dump into a store that nobody else knows of.
func (m *Memory) restoreOne(ctx context.Context, d state.Dump) error {
	switch {
	case d.Head != nil:
		m.name, m.number = d.Head.Identity, d.Head.Number
	case d.Applied != nil:
		return m.Save(ctx, *d.Applied)
	case d.Act != nil:
		m.acts[actKey{d.Act.ID, d.Act.Name}] = *d.Act
		m.changes = append(m.changes, d.Act.ID)
	case d.Mark != nil:
		m.marks[markKey{d.Mark.Source, d.Mark.Role}] = *d.Mark
	case d.Consent != nil:
		m.given[d.Consent.Plan] = *d.Consent
	case d.Claim != nil:
		m.claims[d.Claim.Name] = *d.Claim
	case d.Anchor != nil:
		m.anchors[d.Anchor.Chain] = d.Anchor.Anchor
	case d.Entry != nil:
		return m.restoreEntry(*d.Entry)
	case d.Orphan != nil:
		l := d.Orphan.Link
		l.Number, l.Digest = d.Orphan.Number, d.Orphan.Digest
		m.links[l.Chain] = append(m.links[l.Chain], l)
	}
	return nil
}

func (m *Memory) restoreEntry(e state.Entry) error {
	params, err := state.EncodeParams(e.Params)
	for _, l := range e.Links {
		m.links[l.Chain] = append(m.links[l.Chain], l)
	}
	e.Params, e.Links, e.Change = nil, nil, copied(e.Change)
	m.journal = append(m.journal, memoryEntry{e, params})
	return err
}

// Retire says that the store's content was taken elsewhere, or takes that back.
func (m *Memory) Retire(ctx context.Context, where string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.moved = where
	return ctx.Err()
}

// Retired returns what Retire was told, "" for a store that is in use.
func (m *Memory) Retired(ctx context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.moved, ctx.Err()
}
