package etcdstate

import (
	"context"
	"log/slog"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/state"
)

// Old entries go beside the writers, in steps of pruneStep. What is to go is looked for
// when pruneEvery more were written, by the process that wrote the last of them.
const (
	pruneEvery = 512
	pruneStep  = 400
	pruneSteps = 16 // at a time

	mostRemovals = 120    // operations of a step
	mostLeft     = 10_000 // open entries before the first that can go
)

// tender looks after the journal: it prunes, and sums up what blocks of entries are
// about.
type tender struct {
	s     *Store
	news  chan int64 // the greatest number, when there is something to be done
	begin chan struct{}
}

func newTender(s *Store) *tender {
	t := &tender{s: s, news: make(chan int64, 1), begin: make(chan struct{}, 1)}
	t.begin <- struct{}{}
	return t
}

// grown is told that this process has written entries from one number to another.
func (t *tender) grown(from, to int64) {
	if from/pruneEvery == to/pruneEvery {
		return
	}
	select {
	case <-t.begin:
		t.s.aside(t.run)
	default:
	}
	select {
	case t.news <- to:
	default: // it is at it
	}
}

func (t *tender) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case number := <-t.news:
			for _, chain := range []state.Chain{state.Writes, state.Reads} {
				err := t.s.prune(ctx, chain)
				if err == nil {
					err = t.s.sumUp(ctx, chain, number)
				}
				if err != nil && ctx.Err() == nil {
					t.s.options.Logger.Log(ctx, slog.LevelWarn, "the journal was not pruned", "chain", chain, "error", err)
				}
			}
		}
	}
}

// most is how many entries of a chain are kept.
func (s *Store) most(chain state.Chain) int64 {
	if chain == state.Writes {
		return s.options.MaxEntries
	}
	return s.options.MaxReads
}

// prune removes entries of a chain that are beyond its bounds, until there are none, there
// is something for the next time, or another process prunes too.
func (s *Store) prune(ctx context.Context, chain state.Chain) error {
	resp, err := s.conn.Read(ctx, s.key(entriesAt(chain)), clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return err
	}
	excess := resp.Count - s.most(chain)
	for range pruneSteps {
		if excess <= 0 && s.options.MaxAge == 0 {
			return nil
		}
		gone, err := s.pruneSome(ctx, chain, excess)
		if err != nil || gone == 0 {
			return err
		}
		excess -= gone
	}
	return nil
}

// cut is what one step removes of a chain.
type cut struct {
	gone  []*kept
	left  []*kept // between those that are gone, and open
	first *kept   // behind them
}

// half is the older half of a cut.
func (c cut) half() cut {
	n := len(c.gone) / 2
	left := slices.DeleteFunc(slices.Clone(c.left), func(k *kept) bool { return k.Number > c.gone[n-1].Number })
	first := c.gone[n]
	if len(left) < len(c.left) && c.left[len(left)].Number < first.Number {
		first = c.left[len(left)]
	}
	return cut{gone: c.gone[:n], left: left, first: first}
}

// pruneSome makes a step, and returns how many entries are gone.
func (s *Store) pruneSome(ctx context.Context, chain state.Chain, excess int64) (int64, error) {
	resp, err := s.ask(ctx, clientv3.OpGet(s.key(anchorKey(chain))))
	if err != nil {
		return 0, err
	}
	revision := resp.Header.Revision
	anchor, err := readAnchor(chain, resp.Responses[0].GetResponseRange().Kvs)
	if err != nil {
		return 0, err
	}
	c, err := s.cut(ctx, chain, pages{revision: revision, limit: pruneStep + 1}, anchor, excess)
	if err != nil || len(c.gone) == 0 || c.first == nil {
		return 0, err
	}
	ops := s.removals(chain, anchor, c)
	for len(ops) > mostRemovals && len(c.gone) > 1 {
		c = c.half()
		ops = s.removals(chain, anchor, c)
	}
	from, to := c.gone[0].key(), c.first.key()
	gate, err := s.writable()
	if err != nil {
		return 0, err
	}
	resp, err = s.do(ctx, []clientv3.Cmp{
		s.same(gate), s.since(anchorKey(chain), revision), s.since(from, revision).WithRange(s.key(to)),
	}, ops, nil)
	if err != nil || !resp.Succeeded {
		return 0, err
	}
	return int64(len(c.gone)), nil
}

// cut looks for the oldest entries of a chain that are beyond its bounds: closed ones where
// there are too many, all where they are too old. Those who are too old go as far as all of
// them are, so that a clock that once was wrong cannot make younger ones go. One that nobody
// has closed since as many were written as are kept goes too.
func (s *Store) cut(ctx context.Context, chain state.Chain, p pages, anchor state.Anchor, excess int64) (c cut, err error) {
	oldest := time.Now().Add(-s.options.MaxAge)
	old := s.options.MaxAge > 0
	var open []*kept // behind the last that is gone
	for k, err := range s.entries(ctx, chain, p) {
		if err != nil {
			return c, err
		}
		old = old && !k.Opened.IsZero() && k.Opened.Before(oldest)
		many := int64(len(c.gone)) < excess
		switch {
		case len(c.gone) == pruneStep || len(open) > mostLeft || !old && !many:
			if c.first = k; len(open) > 0 {
				c.first = open[0]
			}
			return c, nil
		case old || !k.Outcome.Closed.IsZero() || k.Number < anchor.Pruned-s.most(chain):
			if len(c.gone) > 0 {
				c.left = append(c.left, open...)
			}
			c.gone, open = append(c.gone, k), nil
		default:
			open = append(open, k)
		}
	}
	return cut{}, nil // nothing would be left to begin with
}

// removals are what takes a cut out of a chain: the entries, and the links before those
// of the first that is left. Links of what is gone that come later stay alone.
func (s *Store) removals(chain state.Chain, anchor state.Anchor, c cut) (ops []clientv3.Op) {
	last := c.gone[len(c.gone)-1].Number
	anchor.Pruned = max(anchor.Pruned, last)
	if l := c.first.intent; l.Seq > anchor.Seq {
		anchor.Tip = state.Tip{Seq: l.Seq - 1, Hash: l.Prev}
	}
	ops = append(ops, clientv3.OpPut(s.key(anchorKey(chain)), anchorValue(chain, anchor)))
	from := c.gone[0].Number
	for _, k := range c.left {
		ops = append(ops, s.removal(chain, from, k.Number))
		from = k.Number + 1
	}
	ops = append(ops, s.removal(chain, from, last+1), clientv3.OpDelete(s.key(orphansOf(chain)),
		clientv3.WithRange(s.key(orphanKey(chain, anchor.Seq+1)))))
	for _, k := range c.gone {
		for _, l := range k.links() {
			if l.Seq > anchor.Seq {
				ops = append(ops, clientv3.OpPut(s.key(orphanKey(chain, l.Seq)), orphanValue(l)))
			}
		}
	}
	return ops
}

// removal removes the entries from one number to before another.
func (s *Store) removal(chain state.Chain, from, to int64) clientv3.Op {
	return clientv3.OpDelete(s.key(entryKey(chain, from)), clientv3.WithRange(s.key(entryKey(chain, to))))
}
