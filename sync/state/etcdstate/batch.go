package etcdstate

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/resource"
)

// A batch in numbers.
const (
	stageLease = 30 * time.Second // for so long what a dead process staged is kept for nothing
	chunkBytes = 4 << 20          // of changes in a chunk, before they are compressed
	mostChunk  = 64 << 20         // that a chunk may become when it is read
	foldKeys   = 100              // changes a transaction, when they are put into their place
	side       = 4                // transactions at once
	mostTicked = 128 << 10        // bytes of IDs in a tick; beyond them it says that anything was written
)

// batch is the key of a committed one.
type batch struct {
	id       string
	chunks   int
	revision int64 // at which the key was made
}

func (b batch) value() string { return value(batchKey, fields{}.texts(b.id).numbers(int64(b.chunks))) }

func readBatch(kv *mvccpb.KeyValue) (b batch, err error) {
	p := parse(batchKey, kv.Value, nil)
	b = batch{id: p.text(), chunks: int(p.number()), revision: kv.CreateRevision}
	return b, p.end()
}

// errSwept says that what was staged is gone: this process stood still for longer than
// its lease.
var errSwept = errors.New("what was staged is gone")

// stage makes changes that are too many for one transaction, all or none.
func (s *Store) stage(ctx context.Context, c *changes) error {
	if err := errors.Join(ctx.Err(), s.shut()); err != nil {
		return err
	}
	if err := s.sweep(ctx); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := s.stageOnce(ctx, c)
		if !errors.Is(err, errSwept) || try == mostRereads {
			return err
		}
	}
}

func (s *Store) stageOnce(ctx context.Context, c *changes) error {
	lease, err := s.conn.Grant(ctx, stageLease)
	if err != nil {
		return err
	}
	defer func() { _ = lease.Release(context.WithoutCancel(ctx)) }() // it ends by itself
	b := batch{id: strings.ToLower(rand.Text())}
	if err := s.update(ctx, update{decide: func(*view) ([]clientv3.Op, error) {
		return []clientv3.Op{lease.Put(s.key(stagedKey(b.id)), "")}, nil
	}}); err != nil {
		return err
	}
	if b.chunks, err = s.writeChunks(ctx, b.id, c); err == nil {
		err = s.commit(ctx, b, c)
	}
	if err != nil {
		s.drop(context.WithoutCancel(ctx), b.id)
		return err
	}
	// From here on it counts; who comes next puts it into its place where this process
	// does not.
	if err := s.folded(context.WithoutCancel(ctx)); err != nil {
		s.options.Logger.Log(ctx, slog.LevelWarn, "a large save counts and is not in its place yet", "error", err)
	}
	return nil
}

// exists is the condition that a key is there.
func (s *Store) exists(key string) clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(s.key(key)), ">", 0)
}

// writeChunks writes changes in chunks, and returns how many.
func (s *Store) writeChunks(ctx context.Context, id string, c *changes) (int, error) {
	var g group
	n := 0
	for keys := c.keys; len(keys) > 0 && g.failed() == nil; n++ {
		part, size := 0, 0
		for ; part < len(keys) && (part == 0 || size < chunkBytes); part++ {
			size += len(keys[part]) + len(c.to[keys[part]])
		}
		mine, key := keys[:part], chunkKey(id, n)
		keys = keys[part:]
		g.run(func() error { return s.writeChunk(ctx, id, key, mine, c) })
	}
	return n, g.wait()
}

func (s *Store) writeChunk(ctx context.Context, id, key string, mine []string, c *changes) error {
	text, err := packed(mine, c.to)
	if err != nil {
		return err
	}
	return s.update(ctx, update{
		when: []clientv3.Cmp{s.exists(stagedKey(id))}, keys: []string{stagedKey(id)},
		decide: func(v *view) ([]clientv3.Op, error) {
			if v.values != nil && v.values[stagedKey(id)] == nil {
				return nil, errSwept
			}
			return []clientv3.Op{clientv3.OpPut(s.key(key), value(key, text))}, nil
		},
	})
}

// commit lets a batch count.
func (s *Store) commit(ctx context.Context, b batch, c *changes) error {
	return s.update(ctx, update{
		accounts: accountsOf(c.ids), records: c.ids, keys: []string{batchKey, stagedKey(b.id)},
		when: []clientv3.Cmp{s.exists(stagedKey(b.id))},
		decide: func(v *view) ([]clientv3.Op, error) {
			if kv := v.values[batchKey]; kv != nil {
				if other, err := readBatch(kv); err == nil && other.id == b.id {
					return nil, errOwn
				}
			} else if v.values != nil && v.values[stagedKey(b.id)] == nil {
				return nil, errSwept
			}
			return []clientv3.Op{clientv3.OpPut(s.key(batchKey), b.value())}, nil
		},
	})
}

// drop removes what was staged and not committed; what it cannot remove is swept later.
func (s *Store) drop(ctx context.Context, id string) {
	resp, err := s.conn.Read(ctx, s.key(batchKey))
	if err != nil {
		return
	}
	if len(resp.Kvs) > 0 {
		if b, err := readBatch(resp.Kvs[0]); err != nil || b.id == id {
			return
		}
	}
	_, _ = s.do(ctx, []clientv3.Cmp{s.since(batchKey, resp.Header.Revision)}, []clientv3.Op{
		clientv3.OpDelete(s.key(stagedKey(id))), clientv3.OpDelete(s.key(chunksOf(id)), clientv3.WithPrefix()),
	}, nil)
}

// sweep removes what dead processes have staged and not committed.
func (s *Store) sweep(ctx context.Context) error {
	for from := chunksAt; ; {
		resp, err := s.conn.Read(ctx, s.key(from), clientv3.WithRange(clientv3.GetPrefixRangeEnd(s.key(chunksAt))),
			clientv3.WithLimit(1), clientv3.WithKeysOnly())
		if err != nil || len(resp.Kvs) == 0 {
			return err
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(s.below(resp.Kvs[0].Key), chunksAt), "/")
		staged, err := s.conn.Read(ctx, s.key(stagedKey(id)), clientv3.WithCountOnly())
		if err != nil {
			return err
		}
		if staged.Count == 0 {
			s.drop(ctx, id)
		}
		from = chunksAt + id + "0" // behind all that begins with the slash
	}
}

// folded puts the committed batch into its place, where there is one.
func (s *Store) folded(ctx context.Context) error {
	resp, err := s.conn.Read(ctx, s.key(batchKey))
	if err != nil || len(resp.Kvs) == 0 {
		return err
	}
	return s.fold(ctx, resp.Kvs[0])
}

// fold puts a committed batch into its place: every process that wants to write does, and
// all of them write the same. Nobody writes anything else while its key is there.
func (s *Store) fold(ctx context.Context, kv *mvccpb.KeyValue) error {
	b, err := readBatch(kv)
	if err != nil {
		return err
	}
	var g group
	for n := range b.chunks {
		if g.failed() != nil {
			break
		}
		g.run(func() error { return s.foldChunk(ctx, b, n) })
	}
	err = g.wait()
	if err == nil {
		err = s.while(ctx, b, []clientv3.Op{
			clientv3.OpDelete(s.key(batchKey)), clientv3.OpDelete(s.key(stagedKey(b.id))),
			clientv3.OpDelete(s.key(chunksOf(b.id)), clientv3.WithPrefix()),
		})
	}
	if errors.Is(err, errFolded) {
		return nil
	}
	return err
}

// errFolded says that another process was done with a batch before.
var errFolded = errors.New("the batch is in its place")

// while carries out a part of folding a batch.
func (s *Store) while(ctx context.Context, b batch, then []clientv3.Op) error {
	p := s.patient()
	for {
		gate, err := s.writable()
		if err != nil {
			return err
		}
		resp, err := s.do(ctx, []clientv3.Cmp{
			s.same(gate), clientv3.Compare(clientv3.CreateRevision(s.key(batchKey)), "=", b.revision),
		}, then, []clientv3.Op{clientv3.OpGet(s.key(formatKey)), clientv3.OpGet(s.key(batchKey))})
		switch {
		case lost(err) && p.wait(ctx):
			continue
		case err != nil || resp.Succeeded:
			return err
		}
		if err := s.admit(resp.Responses[0].GetResponseRange().Kvs); err != nil {
			return err
		}
		if kvs := resp.Responses[1].GetResponseRange().Kvs; len(kvs) == 0 || kvs[0].CreateRevision != b.revision {
			return errFolded
		}
	}
}

func (s *Store) foldChunk(ctx context.Context, b batch, n int) error {
	key := chunkKey(b.id, n)
	resp, err := s.conn.Read(ctx, s.key(key), clientv3.WithRev(b.revision))
	if compacted(err) {
		resp, err = s.conn.Read(ctx, s.key(key))
	}
	if err != nil {
		return err
	}
	if len(resp.Kvs) == 0 {
		return s.while(ctx, b, nil) // another process is done with it, or it is damaged
	}
	var ops []clientv3.Op
	size := 0
	flush := func() error {
		then := ops
		ops, size = nil, 0
		return s.while(ctx, b, then)
	}
	err = unpacked(key, resp.Kvs[0].Value, func(key string, value []byte) error {
		if len(ops) == foldKeys || len(ops) > 0 && size+len(key)+len(value) > mostBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		ops, size = append(ops, s.op(key, string(value))), size+len(key)+len(value)
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// packed is changes as a chunk holds them.
func packed(keys []string, to map[string]string) (fields, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if _, err := w.Write(fields{}.texts(key, to[key])); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return b.Bytes(), err
}

// unpacked hands the changes of a chunk to f.
func unpacked(key string, value []byte, f func(key string, value []byte) error) error {
	p := parse(key, value, nil)
	if p.err != nil {
		return p.end()
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(p.rest)), mostChunk))
	if err != nil {
		return damaged(key, err)
	}
	p.rest = text
	for len(p.rest) > 0 && p.err == nil {
		key, value := p.text(), p.raw()
		if p.err == nil {
			if err := f(key, value); err != nil {
				return err
			}
		}
	}
	return p.end()
}

// overlay is a committed batch that is not in its place yet.
type overlay map[string][]byte

// overlay returns it, and the revision that it is of: everything read at that one fits.
func (s *Store) overlay(ctx context.Context) (revision int64, over overlay, err error) {
	resp, err := s.conn.Read(ctx, s.key(batchKey))
	if err != nil {
		return 0, nil, err
	}
	revision = resp.Header.Revision
	if err := s.note(resp.Header.ClusterId, revision); err != nil || len(resp.Kvs) == 0 {
		return revision, nil, err
	}
	b, err := readBatch(resp.Kvs[0])
	if err != nil {
		return 0, nil, err
	}
	over = overlay{}
	chunks := 0
	staged := pages{prefix: chunksOf(b.id), revision: revision, limit: side}
	err = s.walk(ctx, staged, func(key string, kv *mvccpb.KeyValue) (bool, error) {
		chunks++
		return true, unpacked(key, kv.Value, func(key string, value []byte) error {
			over[key] = value
			return nil
		})
	})
	if err == nil && chunks != b.chunks {
		err = damaged(batchKey, fmt.Errorf("it has %d chunks, and %d are there", b.chunks, chunks))
	}
	return revision, over, err
}

// hides reports whether a key is not as it is in its place.
func (o overlay) hides(key string) bool {
	if len(o) == 0 {
		return false
	}
	if _, found := o[key]; found {
		return true
	}
	if !strings.HasPrefix(key, actsAt) {
		return false
	}
	_, found := o[key[:strings.LastIndexByte(key, '/')+1]]
	return found
}

// each hands what is written under keys with one of the prefixes to f.
func (o overlay) each(prefixes []string, f func(key string, value []byte) error) error {
	for key, value := range o {
		for _, prefix := range prefixes {
			if len(value) > 0 && strings.HasPrefix(key, prefix) {
				if err := f(key, value); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// tickOf tells which IDs were written, or that anything may have been.
func (s *Store) tickOf(ids []resource.ID) clientv3.Op {
	var f fields
	for _, id := range ids {
		if f = f.texts(id.String()); len(f) > mostTicked {
			f = nil
			break
		}
	}
	return clientv3.OpPut(s.key(tickRecords), value(tickRecords, f))
}

// group is some work side by side, which ends with the first mistake.
type group struct {
	mu   sync.Mutex
	wg   sync.WaitGroup
	err  error
	slot chan struct{}
}

func (g *group) run(f func() error) {
	if g.slot == nil {
		g.slot = make(chan struct{}, side)
	}
	g.slot <- struct{}{}
	g.wg.Add(1)
	go func() {
		defer func() { <-g.slot; g.wg.Done() }()
		if err := f(); err != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.err == nil {
				g.err = err
			}
		}
	}()
}

func (g *group) failed() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

func (g *group) wait() error {
	g.wg.Wait()
	return g.err
}
