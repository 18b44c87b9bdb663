package etcdstate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/resource"
	"weir/sync/state"
)

// What is seen of a resource changes seldom, and when it was seen with every read. So
// what is seen has a key each, and the times of all resources of an account are packed:
// each has a slot, and a page holds the times of many slots, three bytes each. A page is
// written every so often, however many of its resources were seen meanwhile.
const (
	// DefaultPostEvery keeps what 100,000 resources cost below 25 kB/s.
	DefaultPostEvery = 15 * time.Second

	pageSlots = 8192
	postsAt   = "post/"
	seenAt    = "post/seen/"
	timesAt   = "post/times/"
	sheetsAt  = "post/sheet/"
)

func seenKey(id resource.ID) string { return seenAt + id.String() }

func timesOf(account string) string { return timesAt + account + "/" }

func timesKey(account string, page int) string { return timesOf(account) + place(int64(page)) }

func sheetKey(account string) string { return sheetsAt + account }

// sighting is an observation as it is kept, and its slot.
type sighting struct {
	resource.Observation
	slot int
}

func (g *sighting) fields() fields {
	o := &g.Observation
	return fields{}.numbers(int64(g.slot)).times(o.At).texts(string(o.Spec)).flags(o.Exists).
		texts(o.Unreadable).flags(o.Unfamiliar, o.Live).texts(o.Epoch)
}

func readSighting(key string, value []byte, w words) (g sighting, err error) {
	id, err := resource.ParseID(strings.TrimPrefix(key, seenAt))
	if err != nil {
		return g, damaged(key, err)
	}
	g.ID = resource.ID{Account: w.of([]byte(id.Account)), Kind: w.of([]byte(id.Kind)), Key: strings.Clone(id.Key)}
	p := parse(key, value, nil)
	g.slot, g.At = int(p.number()), p.time()
	g.Spec, g.Exists, g.Unreadable = resource.Spec(p.text()), p.flag(), p.text()
	g.Unfamiliar, g.Live, g.Epoch = p.flag(), p.flag(), p.text()
	if g.slot < 0 || g.slot > mostSlots {
		p.fail("its slot is none")
	}
	return g, p.end()
}

// mostSlots bounds what a value may say.
const mostSlots = 1 << 24

// timesValue packs times, in milliseconds since 1970 and 0 for none, each as what it is
// more than the one before.
func timesValue(key string, times []int64) string {
	var f fields
	last := int64(0)
	for _, t := range times {
		f, last = f.numbers(t-last), t
	}
	return value(key, f)
}

func readTimes(key string, b []byte) (times []int64, err error) {
	p := parse(key, b, nil)
	last := int64(0)
	for len(p.rest) > 0 && p.err == nil && len(times) < pageSlots {
		last += p.number()
		times = append(times, last)
	}
	return times, p.end()
}

// timesPlace returns the account and the page of a key.
func timesPlace(key string) (account string, page int, err error) {
	account, text, _ := strings.Cut(strings.TrimPrefix(key, timesAt), "/")
	n, err := placeOf(text, "")
	if err != nil || n < 0 || n > mostSlots/pageSlots {
		return "", 0, damaged(key, errors.New("it is the page of no slots"))
	}
	return account, int(n), nil
}

// latest is the time of a sighting, which may have been seen again since: exactly where it
// has not.
func latest(at time.Time, milli int64) time.Time {
	if milli > at.UnixMilli() || at.IsZero() && milli != 0 {
		return time.UnixMilli(milli).UTC()
	}
	return at
}

// board is what this process posts.
type board struct {
	s     *Store
	seed  maphash.Seed
	begin chan struct{}
	late  chan struct{} // there are times to be written later

	mu     sync.Mutex
	sheets map[string]*sheet
}

func newBoard(s *Store) *board {
	b := &board{
		s: s, seed: maphash.MakeSeed(), begin: make(chan struct{}, 1), late: make(chan struct{}, 1), sheets: map[string]*sheet{},
	}
	b.begin <- struct{}{}
	return b
}

func (b *board) sheet(account string) *sheet {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sheets[account] == nil {
		b.sheets[account] = &sheet{b: b, account: account}
	}
	return b.sheets[account]
}

// sheet is what is posted of an account, as this process knows it.
type sheet struct {
	b       *board
	account string

	mu       sync.Mutex
	known    bool
	revision int64 // of its key, 0 for none: who posts of the account writes it
	slots    map[resource.ID]int
	sums     []uint64 // of what was seen, by slot
	times    []int64  // by slot
	free     []int
	dirty    map[int]bool      // pages of which something is not written
	written  map[int]time.Time // when a page was
}

// Post writes what was seen of resources of an account; see state.Board.
func (s *Store) Post(ctx context.Context, account string, seen []resource.Observation, gone []resource.ID) error {
	if err := errors.Join(ctx.Err(), s.shut()); err != nil {
		return s.fault(ctx, err)
	}
	for _, o := range seen {
		if err := errors.Join(state.CheckID(o.ID), checkTimes(o.At), ofAccount(account, o.ID)); err != nil {
			return fmt.Errorf("post: %w", err)
		}
	}
	for _, id := range gone {
		if err := ofAccount(account, id); err != nil {
			return fmt.Errorf("post: %w", err)
		}
	}
	h := s.board.sheet(account)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.post(ctx, seen, gone); err != nil {
		h.known = false
		return fmt.Errorf("post what was seen of %s: %w", account, s.fault(ctx, err))
	}
	if len(h.dirty) > 0 {
		s.board.later()
	}
	return nil
}

func ofAccount(account string, id resource.ID) error {
	if id.Account != account {
		return fmt.Errorf("%s is not of account %s", id, account)
	}
	return nil
}

// later has times written that this post has not, when it is their time.
func (b *board) later() {
	select {
	case <-b.begin:
		b.s.aside(b.run)
	default:
	}
	select {
	case b.late <- struct{}{}:
	default:
	}
}

func (b *board) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.late:
		}
		sleep(ctx, b.s.options.PostEvery)
		b.mu.Lock()
		var sheets []*sheet
		for _, h := range b.sheets {
			sheets = append(sheets, h)
		}
		b.mu.Unlock()
		for _, h := range sheets {
			if err := h.flush(ctx); err != nil && ctx.Err() == nil {
				b.s.options.Logger.Log(ctx, slog.LevelDebug, "times were not posted", "account", h.account, "error", err)
			}
		}
	}
}

// flush writes the times that are not written.
func (h *sheet) flush(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.known || len(h.dirty) == 0 {
		return nil
	}
	if err := h.write(ctx, postage{}); err != nil {
		h.known = false
		return err
	}
	if len(h.dirty) > 0 {
		h.b.later()
	}
	return nil
}

// errOther says that another process has posted of the account.
var errOther = errors.New("another process has posted")

func (h *sheet) post(ctx context.Context, seen []resource.Observation, gone []resource.ID) error {
	for try := 1; ; try++ {
		if !h.known {
			if err := h.load(ctx); err != nil {
				return err
			}
		}
		err := h.postAll(ctx, seen, gone)
		if !errors.Is(err, errOther) || try == mostRereads {
			return err
		}
		h.known = false
	}
}

// load reads what is posted of the account.
func (h *sheet) load(ctx context.Context) error {
	s := h.b.s
	resp, err := s.ask(ctx, clientv3.OpGet(s.key(sheetKey(h.account))))
	if err != nil {
		return err
	}
	h.revision = 0
	for _, kv := range resp.Responses[0].GetResponseRange().Kvs {
		h.revision = kv.ModRevision
	}
	h.slots, h.sums, h.times, h.free = map[resource.ID]int{}, nil, nil, nil
	h.dirty, h.written = map[int]bool{}, map[int]time.Time{}
	w := words{}
	p := pages{prefix: seenAt + h.account + "/", revision: resp.Header.Revision}
	err = s.walk(ctx, p, func(key string, kv *mvccpb.KeyValue) (bool, error) {
		g, err := readSighting(key, kv.Value, w)
		if err != nil {
			return false, err
		}
		h.room(g.slot)
		h.slots[g.ID], h.sums[g.slot], h.times[g.slot] = g.slot, h.sum(g.Observation), g.At.UnixMilli()
		return true, nil
	})
	if err != nil {
		return err
	}
	used := make([]bool, len(h.sums))
	for _, slot := range h.slots {
		used[slot] = true
	}
	for slot, is := range used {
		if !is {
			h.free = append(h.free, slot)
		}
	}
	h.known = true
	return h.loadTimes(ctx, resp.Header.Revision)
}

func (h *sheet) loadTimes(ctx context.Context, revision int64) error {
	p := pages{prefix: timesOf(h.account), revision: revision}
	return h.b.s.walk(ctx, p, func(key string, kv *mvccpb.KeyValue) (bool, error) {
		_, page, err := timesPlace(key)
		if err != nil {
			return false, err
		}
		times, err := readTimes(key, kv.Value)
		for i, t := range times {
			if slot := page*pageSlots + i; slot < len(h.times) {
				h.times[slot] = max(h.times[slot], t)
			}
		}
		return true, err
	})
}

// room makes room for a slot.
func (h *sheet) room(slot int) {
	if more := slot + 1 - len(h.sums); more > 0 {
		h.sums, h.times = append(h.sums, make([]uint64, more)...), append(h.times, make([]int64, more)...)
	}
}

// sum is over all that an observation says, but for its time.
func (h *sheet) sum(o resource.Observation) uint64 {
	g := sighting{Observation: o}
	g.At = time.Time{}
	return maphash.Bytes(h.b.seed, g.fields())
}

// postage is what one transaction posts.
type postage struct {
	puts  []sighting
	gone  []resource.ID
	bytes int
}

func (h *sheet) postAll(ctx context.Context, seen []resource.Observation, gone []resource.ID) error {
	var p postage
	add := func(size int) error {
		if p.bytes += size; len(p.puts)+len(p.gone) < foldKeys && p.bytes < mostBytes/2 {
			return nil
		}
		full := p
		p = postage{}
		return h.write(ctx, full)
	}
	for _, o := range last(seen) {
		slot, found := h.slots[o.ID]
		if found && h.sums[slot] == h.sum(o) {
			if milli := o.At.UnixMilli(); milli > h.times[slot] {
				h.times[slot], h.dirty[slot/pageSlots] = milli, true
			}
			continue
		}
		if !found {
			slot = h.take(o.ID)
		}
		g := sighting{o, slot}
		p.puts = append(p.puts, g)
		if err := add(len(g.fields()) + 2*len(seenKey(o.ID))); err != nil {
			return err
		}
	}
	for _, id := range gone {
		if _, found := h.slots[id]; !found {
			continue
		}
		p.gone = append(p.gone, id)
		if err := add(len(seenKey(id))); err != nil {
			return err
		}
	}
	return h.write(ctx, p)
}

// last is seen with the last of each ID.
func last(seen []resource.Observation) []resource.Observation {
	at := make(map[resource.ID]int, len(seen))
	for i, o := range seen {
		at[o.ID] = i
	}
	if len(at) == len(seen) {
		return seen
	}
	var out []resource.Observation
	for i, o := range seen {
		if at[o.ID] == i {
			out = append(out, o)
		}
	}
	return out
}

// take gives a resource a slot.
func (h *sheet) take(id resource.ID) int {
	slot := len(h.sums)
	if n := len(h.free); n > 0 {
		slot, h.free = h.free[n-1], h.free[:n-1]
	}
	h.room(slot)
	h.slots[id], h.sums[slot], h.times[slot] = slot, 0, 0
	return slot
}

// pagesDue returns the pages of times that are to be written now.
func (h *sheet) pagesDue() (due []int) {
	for page := range h.dirty {
		if since := time.Since(h.written[page]); since >= h.b.s.options.PostEvery {
			due = append(due, page)
		}
	}
	slices.Sort(due)
	return due[:min(len(due), 8)]
}

// write writes some of what is posted, and the times that are due.
func (h *sheet) write(ctx context.Context, p postage) error {
	due := h.pagesDue()
	if len(p.puts)+len(p.gone)+len(due) == 0 {
		return nil
	}
	s := h.b.s
	var ops []clientv3.Op
	for _, g := range p.puts {
		key := seenKey(g.ID)
		ops = append(ops, clientv3.OpPut(s.key(key), value(key, g.fields())))
	}
	for _, id := range p.gone {
		ops = append(ops, clientv3.OpDelete(s.key(seenKey(id))))
	}
	for _, page := range due {
		key := timesKey(h.account, page)
		times := h.times[page*pageSlots : min((page+1)*pageSlots, len(h.times))]
		ops = append(ops, clientv3.OpPut(s.key(key), timesValue(key, times)))
	}
	if err := h.commit(ctx, ops); err != nil {
		return err
	}
	for _, g := range p.puts {
		h.sums[g.slot], h.times[g.slot] = h.sum(g.Observation), g.At.UnixMilli()
	}
	for _, id := range p.gone {
		slot := h.slots[id]
		delete(h.slots, id)
		h.sums[slot], h.times[slot], h.free = 0, 0, append(h.free, slot)
		h.dirty[slot/pageSlots] = true
	}
	for _, page := range due {
		delete(h.dirty, page)
		h.written[page] = time.Now()
	}
	return nil
}

// commit writes ops, unless another process has posted of the account meanwhile.
func (h *sheet) commit(ctx context.Context, ops []clientv3.Op) error {
	key, own := sheetKey(h.account), nonce()
	mine := value(key, binary.AppendVarint(nil, own))
	ops = append(ops, clientv3.OpPut(h.b.s.key(key), mine))
	err := h.b.s.tries(ctx, update{
		accounts: []string{h.account}, keys: []string{key}, tick: tickPosts,
		decide: func(v *view) ([]clientv3.Op, error) {
			there := v.values[key]
			switch {
			case v.values == nil:
				v.revision = h.revision
			case there != nil && string(there.Value) == mine:
				h.revision = there.ModRevision
				return nil, errOwn
			case there == nil && h.revision != 0 || there != nil && there.ModRevision != h.revision:
				return nil, errOther
			}
			return slices.Clone(ops), nil
		},
		written: func(revision int64) { h.revision = revision },
	})
	return err
}
