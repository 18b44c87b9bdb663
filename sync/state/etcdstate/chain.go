package etcdstate

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"iter"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/state"
)

// Heads returns the ends of the journal's chains.
func (s *Store) Heads(ctx context.Context) (state.Heads, error) {
	var h *head
	err := s.whole(ctx, func() (err error) {
		h, _, err = s.ends(ctx, 0)
		return err
	})
	if err != nil {
		return state.Heads{}, fmt.Errorf("read the journal's heads: %w", err)
	}
	return h.Heads, nil
}

// ends reads the head and where the chains begin, at one revision, 0 for now.
func (s *Store) ends(ctx context.Context, at int64) (*head, *begins, error) {
	var gets []clientv3.Op
	for _, key := range []string{headKey, anchorKey(state.Writes), anchorKey(state.Reads)} {
		gets = append(gets, clientv3.OpGet(s.key(key), clientv3.WithRev(at)))
	}
	resp, err := s.ask(ctx, gets...)
	if err != nil {
		return nil, nil, err
	}
	if at == 0 {
		at = resp.Header.Revision
	}
	h, err := readHead(resp.Responses[0].GetResponseRange().Kvs)
	if err != nil {
		return nil, nil, err
	}
	b := &begins{revision: at, anchors: map[state.Chain]state.Anchor{}}
	for i, chain := range []state.Chain{state.Writes, state.Reads} {
		if b.anchors[chain], err = readAnchor(chain, resp.Responses[i+1].GetResponseRange().Kvs); err != nil {
			return nil, nil, err
		}
	}
	return h, b, nil
}

// begins is where the chains begin.
type begins struct {
	revision int64
	anchors  map[state.Chain]state.Anchor
}

// Verify holds the journal against its chains; see state.Store. It reads all of the
// journal, as it was when it began.
func (s *Store) Verify(ctx context.Context, noted ...state.Hash) (proof state.Proof, err error) {
	err = s.whole(ctx, func() error {
		h, b, err := s.ends(ctx, 0)
		if err != nil {
			return err
		}
		proof, err = state.Prove(noted, s.strand(ctx, state.Writes, h, b), s.strand(ctx, state.Reads, h, b))
		if err != nil {
			return err
		}
		for chain, tips := range map[state.Chain][2]state.Tip{
			state.Writes: {h.Writes, proof.Heads.Writes}, state.Reads: {h.Reads, proof.Heads.Reads},
		} {
			if tips[0] != tips[1] {
				what := fmt.Sprintf("it ends with link %d, and link %d was written last", tips[1].Seq, tips[0].Seq)
				proof.Flaws = append(proof.Flaws, state.Flaw{Chain: chain, What: what})
			}
		}
		return nil
	})
	if err != nil {
		return proof, fmt.Errorf("verify the journal: %w", err)
	}
	return proof, nil
}

// strand is one chain and its entries, at one revision.
func (s *Store) strand(ctx context.Context, chain state.Chain, h *head, b *begins) state.Strand {
	return state.Strand{
		Chain: chain, Anchor: b.anchors[chain], Counted: h.number,
		Links: s.linksOf(ctx, chain, b),
		Rows: func(yield func(state.Row, error) bool) {
			for k, err := range s.entries(ctx, chain, pages{revision: b.revision}) {
				if err != nil {
					yield(state.Row{}, err)
					return
				}
				if !yield(state.NewRow(k.Entry, k.params), nil) {
					return
				}
			}
		},
		Row: func(n int64) (state.Row, bool, error) {
			key := entryKey(chain, n)
			resp, err := s.conn.Read(ctx, s.key(key), clientv3.WithRev(b.revision))
			if err != nil || len(resp.Kvs) == 0 {
				return state.Row{}, false, err
			}
			k, err := readKept(chain, key, resp.Kvs[0], nil)
			if err != nil {
				return state.Row{}, false, err
			}
			return state.NewRow(k.Entry, k.params), true, nil
		},
	}
}

// entries yields a chain's entries in the order of numbers.
func (s *Store) entries(ctx context.Context, chain state.Chain, p pages) iter.Seq2[*kept, error] {
	return func(yield func(*kept, error) bool) {
		p.prefix = entriesAt(chain)
		w := words{}
		err := s.walk(ctx, p, func(key string, kv *mvccpb.KeyValue) (bool, error) {
			k, err := readKept(chain, key, kv, w)
			if err != nil {
				return false, err
			}
			return yield(k, nil), nil
		})
		if err != nil {
			yield(nil, err)
		}
	}
}

// linksOf yields a chain's links in the order of their places. Those of intents are in
// the order of the entries; one of an outcome comes later than its intent, and waits.
func (s *Store) linksOf(ctx context.Context, chain state.Chain, b *begins) iter.Seq2[state.Link, error] {
	return func(yield func(state.Link, error) bool) {
		waiting := &linkHeap{}
		first := b.anchors[chain].Seq
		upTo := func(seq int64) bool {
			for waiting.Len() > 0 && (*waiting)[0].Seq < seq {
				l := (*waiting)[0]
				if heap.Pop(waiting); l.Seq > first && !yield(l, nil) {
					return false
				}
			}
			return true
		}
		lone := pages{prefix: orphansOf(chain), revision: b.revision}
		err := s.walk(ctx, lone, func(key string, kv *mvccpb.KeyValue) (bool, error) {
			l, err := readOrphan(chain, key, kv.Value)
			heap.Push(waiting, l)
			return true, err
		})
		if err != nil {
			yield(state.Link{}, err)
			return
		}
		for k, err := range s.entries(ctx, chain, pages{revision: b.revision}) {
			if err != nil {
				yield(state.Link{}, err)
				return
			}
			for _, l := range k.links() {
				heap.Push(waiting, l)
			}
			if k.intent.Seq > 0 && !upTo(k.intent.Seq+1) {
				return
			}
		}
		upTo(1<<63 - 1)
	}
}

// linkHeap has the link of the least place first.
type linkHeap []state.Link

func (h linkHeap) Len() int           { return len(h) }
func (h linkHeap) Less(i, k int) bool { return cmp.Less(h[i].Seq, h[k].Seq) }
func (h linkHeap) Swap(i, k int)      { h[i], h[k] = h[k], h[i] }

// Push adds a link.
func (h *linkHeap) Push(x any) { *h = append(*h, x.(state.Link)) } //nolint:forcetypeassert // heap's

// Pop takes the last out.
func (h *linkHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
