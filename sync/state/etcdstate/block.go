package etcdstate

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"math"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/state"
)

// A block is so many numbers, whatever there is of them. What its entries are about is
// summed up once it is full, so that a query need not read all of the journal: the sums
// of a million entries are some 250 keys, a hundredth of the entries' bytes.
const (
	blockNumbers = 4096
	blocksAtOnce = 32 // sums that a query reads at once
	blocksAtMost = 64 // that are made at a time, where many are missing
)

const blocksAt = "journal/block/"

func blocksOf(chain state.Chain) string { return blocksAt + string(chain) + "/" }

func blockKey(chain state.Chain, n int64) string { return blocksOf(chain) + place(n) }

// blockOf is the block of a number.
func blockOf(number int64) int64 { return (number - 1) / blockNumbers }

// block sums up some entries.
type block struct {
	entries     int64
	first, last int64           // Unix nanoseconds of the earliest and the latest opening
	marks       map[uint32]bool // of what they are about
}

// The first digits of a commit under which it may be looked for.
var commitDigits = [...]int{7, 4}

// marksOf are an entry's: one for everything that a query may ask for and that never
// changes.
func marksOf(e *state.Entry) (marks []uint32) {
	add := func(what, value string) {
		if value != "" {
			marks = append(marks, markOfField(what, value))
		}
	}
	add("account", e.Account)
	add("operation", e.Operation)
	add("resource", e.Resource)
	add("plan", e.Plan)
	if e.Change != nil {
		add("action", e.Change.Action)
	}
	for _, n := range commitDigits {
		if len(e.Origin.Commit) >= n {
			add("commit", e.Origin.Commit[:n])
		}
	}
	return marks
}

// wanted are the marks that all entries have that match q.
func wanted(q state.Query) []uint32 {
	e := state.Entry{Account: q.Account, Operation: q.Operation, Resource: q.Resource, Plan: q.Plan}
	if q.Action != "" {
		e.Change = &state.Change{Action: q.Action}
	}
	e.Origin.Commit = q.Commit
	return marksOf(&e)
}

func markOfField(what, value string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(what + "\x00" + value))
	return h.Sum32()
}

func newBlock() *block {
	return &block{first: math.MaxInt64, last: math.MinInt64, marks: map[uint32]bool{}}
}

func (b *block) add(e *state.Entry) {
	b.entries++
	if !e.Opened.IsZero() {
		b.first, b.last = min(b.first, e.Opened.UnixNano()), max(b.last, e.Opened.UnixNano())
	}
	for _, m := range marksOf(e) {
		b.marks[m] = true
	}
}

// mayHold reports whether an entry of b may match q, whose marks are given.
func (b *block) mayHold(q state.Query, marks []uint32) bool {
	if b.entries == 0 || !q.Since.IsZero() && b.last < q.Since.UnixNano() || !q.Until.IsZero() && b.first >= q.Until.UnixNano() {
		return false
	}
	return !slices.ContainsFunc(marks, func(m uint32) bool { return !b.marks[m] })
}

// value holds the marks in order, each as what it is more than the one before.
func (b *block) value(key string) string {
	f := fields{}.numbers(b.entries, b.first, b.last)
	marks := make([]uint32, 0, len(b.marks))
	for m := range b.marks {
		marks = append(marks, m)
	}
	slices.Sort(marks)
	last := uint32(0)
	for _, m := range marks {
		f = binary.AppendUvarint(f, uint64(m-last))
		last = m
	}
	return value(key, f)
}

func readBlock(key string, b []byte) (*block, error) {
	p := parse(key, b, nil)
	out := newBlock()
	out.entries, out.first, out.last = p.number(), p.number(), p.number()
	for last := uint32(0); len(p.rest) > 0; {
		n, size := binary.Uvarint(p.rest)
		if size <= 0 {
			p.fail("a mark is cut off")
			break
		}
		last += uint32(n) //nolint:gosec // what value wrote fits, and the checksum held
		out.marks[last], p.rest = true, p.rest[size:]
	}
	return out, p.end()
}

// sumUp makes the sums that are missing of full blocks, and removes those of blocks that
// were pruned.
func (s *Store) sumUp(ctx context.Context, chain state.Chain, number int64) error {
	_, b, err := s.ends(ctx, 0)
	if err != nil {
		return err
	}
	first, end := blockOf(b.anchors[chain].Pruned+1), blockOf(number+1)
	last, err := s.lastBlock(ctx, chain, first, end)
	if err != nil {
		return err
	}
	for n := last + 1; n < min(end, last+1+blocksAtMost); n++ {
		if err := s.sumUpBlock(ctx, chain, n, b.revision); err != nil {
			return err
		}
	}
	return s.removeBlocks(ctx, chain, first)
}

// lastBlock returns the last block from first to before end that is summed up, or the one
// before first.
func (s *Store) lastBlock(ctx context.Context, chain state.Chain, first, end int64) (int64, error) {
	for n := end - 1; n >= first; n-- {
		resp, err := s.conn.Read(ctx, s.key(blockKey(chain, n)), clientv3.WithCountOnly())
		if err != nil || resp.Count > 0 {
			return n, err
		}
		if end-n > blocksAtMost {
			return n, nil // long ago nobody was there to do it: those are read
		}
	}
	return first - 1, nil
}

func (s *Store) sumUpBlock(ctx context.Context, chain state.Chain, n, revision int64) error {
	sum := newBlock()
	p := pages{from: entryKey(chain, n*blockNumbers+1), to: entryKey(chain, (n+1)*blockNumbers+1), revision: revision}
	for k, err := range s.entries(ctx, chain, p) {
		if err != nil {
			return err
		}
		sum.add(&k.Entry)
	}
	key := blockKey(chain, n)
	return s.guarded(ctx, clientv3.OpPut(s.key(key), sum.value(key)))
}

func (s *Store) removeBlocks(ctx context.Context, chain state.Chain, before int64) error {
	if before == 0 {
		return nil
	}
	return s.guarded(ctx, clientv3.OpDelete(s.key(blocksOf(chain)), clientv3.WithRange(s.key(blockKey(chain, before)))))
}

// guarded does what may be left undone: only while the format is what it was.
func (s *Store) guarded(ctx context.Context, op clientv3.Op) error {
	gate, err := s.writable()
	if err != nil {
		return err
	}
	_, err = s.do(ctx, []clientv3.Cmp{s.same(gate)}, []clientv3.Op{op}, nil)
	return err
}

// sums are those of blocks, as a query comes to know them.
type sums struct {
	s        *Store
	q        state.Query
	marks    []uint32
	chains   []state.Chain
	revision int64
	read     map[int64]bool // groups of blocks
	holds    map[int64]bool // blocks that may hold what matches
	known    map[int64]int  // of how many chains a block is summed up
}

func newSums(s *Store, q state.Query, chains []state.Chain, revision int64) *sums {
	return &sums{
		s: s, q: q, marks: wanted(q), chains: chains, revision: revision,
		read: map[int64]bool{}, holds: map[int64]bool{}, known: map[int64]int{},
	}
}

// useful reports whether a query asks for something that sums tell.
func (m *sums) useful() bool { return len(m.marks) > 0 || !m.q.Since.IsZero() || !m.q.Until.IsZero() }

// empty reports whether nothing in a block matches.
func (m *sums) empty(ctx context.Context, n int64) (bool, error) {
	group := n / blocksAtOnce
	if !m.read[group] {
		m.read[group] = true
		for _, chain := range m.chains {
			p := pages{
				prefix: blocksOf(chain), from: blockKey(chain, group*blocksAtOnce), to: blockKey(chain, (group+1)*blocksAtOnce),
				revision: m.revision,
			}
			err := m.s.walk(ctx, p, func(key string, kv *mvccpb.KeyValue) (bool, error) {
				return true, m.take(chain, key, kv.Value)
			})
			if err != nil {
				return false, err
			}
		}
	}
	return m.known[n] == len(m.chains) && !m.holds[n], nil
}

func (m *sums) take(chain state.Chain, key string, value []byte) error {
	n, err := placeOf(key, blocksOf(chain))
	if err != nil {
		return err
	}
	b, err := readBlock(key, value)
	if err != nil {
		return err
	}
	m.known[n]++
	m.holds[n] = m.holds[n] || b.mayHold(m.q, m.marks)
	return nil
}
