package statetest

import (
	"context"
	"iter"
	"slices"

	"weir/sync/state"
)

// link adds the next link to the chain of e.
func (m *Memory) link(e state.Entry, part state.Part, digest state.Hash) {
	chain := state.ChainOf(e.Write)
	m.links[chain] = append(m.links[chain], m.tip(chain).Next(chain, e.Number, part, digest))
}

func (m *Memory) tip(chain state.Chain) state.Tip {
	links := m.links[chain]
	if len(links) == 0 {
		return m.anchors[chain].Tip
	}
	last := links[len(links)-1]
	return state.Tip{Seq: last.Seq, Hash: last.Hash}
}

// linksOf returns the links of the intent and of the latest outcome of e.
func (m *Memory) linksOf(e state.Entry) []state.Link {
	byPart := map[state.Part]state.Link{}
	for _, l := range m.links[state.ChainOf(e.Write)] {
		if l.Number == e.Number {
			byPart[l.Part] = l
		}
	}
	var out []state.Link
	for _, part := range []state.Part{state.Intent, state.Ending} {
		if l, found := byPart[part]; found {
			out = append(out, l)
		}
	}
	return out
}

// Heads returns the ends of the journal's chains.
func (m *Memory) Heads(ctx context.Context) (state.Heads, error) {
	if err := ctx.Err(); err != nil {
		return state.Heads{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return state.Heads{Writes: m.tip(state.Writes), Reads: m.tip(state.Reads)}, nil
}

// Verify holds the journal against its chains; see state.Store.
func (m *Memory) Verify(ctx context.Context, noted ...state.Hash) (state.Proof, error) {
	if err := ctx.Err(); err != nil {
		return state.Proof{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return state.Prove(noted, m.strand(state.Writes), m.strand(state.Reads))
}

func (m *Memory) strand(chain state.Chain) state.Strand {
	return state.Strand{
		Chain: chain, Anchor: m.anchors[chain], Counted: m.number,
		Links: sound(slices.Values(m.links[chain])), Rows: sound(m.rows(chain)),
		Row: func(n int64) (state.Row, bool, error) {
			e := m.entry(n)
			if e == nil {
				return state.Row{}, false, nil
			}
			return e.row(), true, nil
		},
	}
}

func (e *memoryEntry) row() state.Row { return state.NewRow(e.Entry, e.params) }

func (m *Memory) rows(chain state.Chain) iter.Seq[state.Row] {
	return func(yield func(state.Row) bool) {
		for _, e := range m.journal {
			if state.ChainOf(e.Write) == chain && !yield(e.row()) {
				return
			}
		}
	}
}

// sound is a sequence whose reading cannot fail.
func sound[T any](values iter.Seq[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		values(func(v T) bool { return yield(v, nil) })
	}
}
