package etcdstate

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/etcd"
	"weir/sync/state"
)

// gate is what the key format holds. Every write is conditional on its revision: who
// changes the format, or takes the content elsewhere, changes it for all at once.
type gate struct {
	Format  int    `json:"format"`
	Store   string `json:"store"`   // the store's identity
	Cluster string `json:"cluster"` // etcd's, in hexadecimal digits
	By      string `json:"by"`      // who wrote it
	Moved   string `json:"moved,omitempty"`
	// Filling says that a dump is being restored, or that this did not come to its end.
	Filling bool `json:"filling,omitempty"`

	revision int64
}

// format is one in which the content of a store is written. A binary knows all from the
// first to its newest, and writes the one that the store has.
type format struct {
	number int
	// raise brings the content from the format before to this one, while others write in
	// that one. It may run again, and beside another process's. nil where there is
	// nothing to do.
	raise func(ctx context.Context, s *Store) error
}

// formats are those that this weir knows. One that was ever released is never changed.
//
// A store keeps its format until Upgrade is told that every process that writes it knows
// a newer one; until then an older weir may come back. Afterwards it may read, and its
// writes are refused with the fault Newer: there is no way down but another store, by
// Dump and Restore.
func formats() []format { return []format{{number: 1}} }

// Format is the newest format that this weir writes.
func Format() int { return newest(formats()) }

func newest(known []format) int { return known[len(known)-1].number }

func clusterText(id uint64) string { return strconv.FormatUint(id, 16) }

func (g *gate) cluster() uint64 {
	id, _ := strconv.ParseUint(g.Cluster, 16, 64)
	return id
}

func (g *gate) text() string {
	b, _ := json.Marshal(g) // strings and a number
	return string(b)
}

func readGate(kv *mvccpb.KeyValue) (*gate, error) {
	g := &gate{revision: kv.ModRevision}
	if err := json.Unmarshal(kv.Value, g); err != nil || g.Format < 1 || g.Store == "" || g.Cluster == "" {
		return nil, faulty(state.Foreign, fmt.Errorf("the key %s is not weir's", kv.Key))
	}
	return g, nil
}

// open says whether this binary may write through g.
func (g *gate) open(known []format) error {
	switch {
	case g.Moved != "":
		return faulty(state.Moved, fmt.Errorf("its content was taken to %s", g.Moved))
	case g.Filling:
		return faulty(state.Unusable, errors.New("it is being filled from another store, or that came to no end: do it again"))
	case g.Format > newest(known):
		return faulty(state.Newer, fmt.Errorf("it has format %d, written by %s, and this weir writes up to %d",
			g.Format, g.By, newest(known)))
	}
	return nil
}

// writable returns the gate, where this process may write through it.
func (s *Store) writable() (*gate, error) {
	g := s.gate.Load()
	if err := g.open(s.formats); err != nil {
		return nil, err
	}
	if is := s.cluster.Load(); is != g.cluster() {
		return nil, swapped(g.Cluster, clusterText(is))
	}
	return g, nil
}

// same is the condition that nobody has changed g.
func (s *Store) same(g *gate) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(s.key(formatKey)), "=", g.revision)
}

// enter reads the gate, and makes it where there is none.
func (s *Store) enter(ctx context.Context) error {
	resp, err := s.conn.Read(ctx, s.key(formatKey))
	if err != nil {
		return err
	}
	cluster := clusterText(resp.Header.ClusterId)
	if len(resp.Kvs) == 0 {
		if s.options.Existing {
			return fs.ErrNotExist
		}
		if err := s.found(ctx, cluster); err != nil {
			return err
		}
		if resp, err = s.conn.Read(ctx, s.key(formatKey)); err != nil {
			return err
		}
	}
	if err := s.admit(resp.Kvs); err != nil {
		return err
	}
	return s.note(resp.Header.ClusterId, resp.Header.Revision)
}

// found makes a store, unless another process is first.
func (s *Store) found(ctx context.Context, cluster string) error {
	left, err := s.conn.Read(ctx, s.key(recordsAt), clientv3.WithPrefix(), clientv3.WithLimit(1), clientv3.WithKeysOnly())
	if err != nil {
		return err
	}
	if len(left.Kvs) > 0 {
		return damaged(formatKey, errors.New("it is gone, and there are records"))
	}
	g := &gate{Format: newest(s.formats), Store: strings.ToLower(rand.Text()), Cluster: cluster, By: s.process}
	_, err = s.conn.Do(ctx,
		[]clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(s.key(formatKey)), "=", 0)},
		[]clientv3.Op{clientv3.OpPut(s.key(formatKey), g.text()), s.tickOf(nil)}, nil)
	return err
}

// admit takes over the gate as it is now.
func (s *Store) admit(kvs []*mvccpb.KeyValue) error {
	if len(kvs) == 0 {
		return faulty(state.Unusable, errors.New("it was removed while it was open"))
	}
	g, err := readGate(kvs[0])
	if err != nil {
		return err
	}
	if last := s.gate.Load(); last != nil && last.Store != g.Store {
		return faulty(state.Swapped, fmt.Errorf("it was the store %s, and is the store %s", last.Store, g.Store))
	}
	s.gate.Store(g)
	return nil
}

// ID returns the store's identity, which no other store has.
func (s *Store) ID(context.Context) (string, error) { return s.gate.Load().Store, nil }

// Written returns the format in which the store is written.
func (s *Store) Written() int { return s.gate.Load().Format }

// Upgrade brings the store to the newest format that this weir knows and that is not
// beyond least: the least of what all the processes that write it know. It may be called
// by several of them at once, and again and again.
func (s *Store) Upgrade(ctx context.Context, least int) error {
	for _, f := range s.formats {
		g := s.gate.Load()
		if f.number <= g.Format || f.number > least || g.open(s.formats) != nil {
			continue
		}
		if f.raise != nil {
			if err := f.raise(ctx, s); err != nil {
				return fmt.Errorf("bring the state to format %d: %w", f.number, s.fault(ctx, err))
			}
		}
		next := *g
		next.Format = f.number
		if err := s.replace(ctx, g, &next); err != nil {
			return fmt.Errorf("bring the state to format %d: %w", f.number, s.fault(ctx, err))
		}
	}
	return nil
}

// replace puts next in the place of g, unless another process is first. The store goes on
// with what is there then.
func (s *Store) replace(ctx context.Context, g, next *gate) error {
	next.By = s.process
	put := []clientv3.Op{clientv3.OpPut(s.key(formatKey), next.text())}
	if _, err := s.do(ctx, []clientv3.Cmp{s.same(g)}, put, nil); err != nil {
		return err
	}
	resp, err := s.ask(ctx, clientv3.OpGet(s.key(formatKey)))
	if err != nil {
		return err
	}
	return s.admit(resp.Responses[0].GetResponseRange().Kvs)
}

// Adopt says that the store under the connection's prefix belongs into the etcd cluster
// it is in now, where a backup was restored or the keys were copied: a person has looked
// at it. No process may have it open.
func Adopt(ctx context.Context, conn *etcd.Conn) error {
	s := &Store{conn: conn, path: pathOf(conn), formats: formats(), process: "adopted"}
	if err := s.adopt(ctx); err != nil {
		return fmt.Errorf("adopt the state: %w", s.fault(ctx, err))
	}
	return nil
}

func (s *Store) adopt(ctx context.Context) error {
	resp, err := s.conn.Read(ctx, s.key(formatKey))
	if err != nil {
		return err
	}
	if len(resp.Kvs) == 0 {
		return fs.ErrNotExist
	}
	g, err := readGate(resp.Kvs[0])
	if err != nil {
		return err
	}
	next := *g
	next.Cluster = clusterText(resp.Header.ClusterId)
	return s.replace(ctx, g, &next)
}
