package etcdstate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/etcd"
	"weir/sync/resource"
	"weir/sync/state"
)

// What one transaction holds at most. etcd takes 128 of conditions, of operations and of
// reads for the other case, and 1.5 MiB.
const (
	mostKeys  = 60
	mostBytes = 1_300_000
)

// The pauses before a request is made again that had no answer.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// update is one write: what it rests on, and what becomes of it.
type update struct {
	accounts []string       // whose fences it carries
	fences   []etcd.Fence   // and others
	when     []clientv3.Cmp // and what else has to hold
	keys     []string       // it writes; nobody else may have since they were read
	ranges   []string       // it removes all that begins with one; nobody else may have written there
	records  []resource.ID  // records and acts are written of these
	tick     string         // that it gives, "" for that of records
	look     bool           // what it writes depends on what is there
	decide   func(v *view) ([]clientv3.Op, error)
	written  func(revision int64) // is told at which it was; may be nil
}

// view is what an update has read.
type view struct {
	revision int64 // at which it was read
	values   map[string]*mvccpb.KeyValue
	// unsure says that an earlier try had no answer: what is there may be its own.
	unsure bool
}

// found returns what is kept under a key, nil for nothing.
func (v *view) found(key string) []byte {
	if kv := v.values[key]; kv != nil {
		return kv.Value
	}
	return nil
}

// errOwn is what an update's decide says of what it finds to be written already.
var errOwn = errors.New("it is written")

// update carries out u. Where ctx ends before a try there is no effect; a try is always
// awaited.
func (s *Store) update(ctx context.Context, u update) error {
	return s.fault(ctx, s.tries(ctx, u))
}

func (s *Store) tries(ctx context.Context, u update) error {
	if err := errors.Join(ctx.Err(), s.shut()); err != nil {
		return err
	}
	v := &view{revision: s.revision.Load()}
	p := s.patient()
	for reread := u.look; ; {
		if reread {
			err := s.look(ctx, u, v)
			if lost(err) && p.wait(ctx) {
				continue
			}
			if err != nil {
				return err
			}
			reread = false
		}
		done, err := s.try(ctx, u, v)
		switch {
		case done:
			return nil
		case lost(err):
			v.unsure = true
			if !p.wait(ctx) {
				return err
			}
			reread = u.look
		case err != nil:
			return err
		}
	}
}

// look reads what u rests on.
func (s *Store) look(ctx context.Context, u update, v *view) error {
	resp, err := s.do(ctx, nil, s.reads(u), nil)
	if err != nil {
		return err
	}
	return s.see(u, v, resp)
}

// reads are those of u's keys, and the gate.
func (s *Store) reads(u update) []clientv3.Op {
	ops := []clientv3.Op{clientv3.OpGet(s.key(formatKey))}
	for _, k := range u.keys {
		ops = append(ops, clientv3.OpGet(s.key(k)))
	}
	return ops
}

// see takes over what reads have read.
func (s *Store) see(u update, v *view, resp *clientv3.TxnResponse) error {
	if err := s.admit(resp.Responses[0].GetResponseRange().Kvs); err != nil {
		return err
	}
	v.revision, v.values = resp.Header.Revision, make(map[string]*mvccpb.KeyValue, len(u.keys))
	for i, k := range u.keys {
		if kvs := resp.Responses[i+1].GetResponseRange().Kvs; len(kvs) > 0 {
			v.values[k] = kvs[0]
		}
	}
	return nil
}

// try makes one try, and reports whether that was it. Where it was not and there is no
// error, v is as it has to be for the next.
func (s *Store) try(ctx context.Context, u update, v *view) (bool, error) {
	then, err := u.decide(v)
	if err != nil {
		if errors.Is(err, errOwn) {
			return true, nil
		}
		return false, err
	}
	g, err := s.writable()
	if err != nil {
		return false, err
	}
	fences, err := s.fences(u)
	if err != nil {
		return false, err
	}
	when, other := s.conditions(u, v, g, fences)
	then = append(then, s.ticks(u)...)
	if err := ctx.Err(); err != nil && !v.unsure {
		return false, err
	}
	resp, err := s.do(context.WithoutCancel(ctx), when, then, other)
	if err != nil {
		return false, err
	}
	if resp.Succeeded {
		if u.written != nil {
			u.written(resp.Header.Revision)
		}
		return true, nil
	}
	if err := s.see(u, v, resp); err != nil {
		return false, err
	}
	if v.unsure {
		if _, err := u.decide(v); errors.Is(err, errOwn) {
			return true, nil
		}
	}
	return false, s.refused(ctx, u, fences, resp.Responses[1+len(u.keys):])
}

// conditions are those that u rests on, and what is to be read where one does not hold.
func (s *Store) conditions(u update, v *view, g *gate, fences []etcd.Fence) (when []clientv3.Cmp, other []clientv3.Op) {
	when, other = append([]clientv3.Cmp{s.same(g)}, u.when...), s.reads(u)
	for _, k := range u.keys {
		when = append(when, s.since(k, v.revision))
	}
	for _, r := range u.ranges {
		when = append(when, s.since(r, v.revision).WithPrefix())
	}
	if u.records != nil {
		when = append(when, s.absent(batchKey))
		other = append(other, clientv3.OpGet(s.key(batchKey)))
	}
	for _, f := range fences {
		when, other = append(when, f.Cmp()), append(other, clientv3.OpGet(f.Key, clientv3.WithKeysOnly()))
	}
	return when, other
}

// since is the condition that nobody has written a key after a revision.
func (s *Store) since(key string, revision int64) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(s.key(key)), "<", revision+1)
}

func (s *Store) absent(key string) clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(s.key(key)), "=", 0)
}

// ticks tell other processes that u was written.
func (s *Store) ticks(u update) []clientv3.Op {
	switch {
	case u.records != nil:
		return []clientv3.Op{s.tickOf(u.records)}
	case u.tick != "":
		return []clientv3.Op{clientv3.OpPut(s.key(u.tick), "")}
	}
	return nil
}

// refused looks for what did not hold, after the keys: the batch that was committed by
// then is folded, a fence that is down ends the update.
func (s *Store) refused(ctx context.Context, u update, fences []etcd.Fence, rest []*etcdserverpb.ResponseOp) error {
	if u.records != nil {
		if kvs := rest[0].GetResponseRange().Kvs; len(kvs) > 0 {
			return s.fold(ctx, kvs[0])
		}
		rest = rest[1:]
	}
	for i, f := range fences {
		if kvs := rest[i].GetResponseRange().Kvs; len(kvs) == 0 || kvs[0].CreateRevision != f.Revision {
			return fenced(f.Key)
		}
	}
	return nil
}

func fenced(what string) error {
	return faulty(state.Fenced, fmt.Errorf("%s is not this process's any more", what))
}

// fences are those that u carries.
func (s *Store) fences(u update) ([]etcd.Fence, error) {
	fences := slices.Clone(u.fences)
	if s.options.Fence == nil {
		return fences, nil
	}
	accounts := slices.Clone(u.accounts)
	slices.Sort(accounts)
	for _, account := range slices.Compact(accounts) {
		f, ok := s.options.Fence(account)
		if !ok {
			return nil, faulty(state.Fenced, fmt.Errorf("this process does not lead account %s", account))
		}
		if f.Key != "" {
			fences = append(fences, f)
		}
	}
	return fences, nil
}

// accountsOf returns the accounts of IDs, each once.
func accountsOf(ids []resource.ID) (accounts []string) {
	for _, id := range ids {
		if n := len(accounts); n == 0 || accounts[n-1] != id.Account {
			accounts = append(accounts, id.Account)
		}
	}
	slices.Sort(accounts)
	return slices.Compact(accounts)
}

// pause is the time between tries, which grows, until there was patience enough.
type pause struct {
	s     *Store
	most  time.Duration // there is patience for
	since time.Time
	next  time.Duration
}

// patient is the pause of a write.
func (s *Store) patient() pause { return pause{s: s, most: patience} }

// wait waits, and reports whether another try is to be made.
func (p *pause) wait(ctx context.Context) bool {
	if p.since.IsZero() {
		p.since, p.next = time.Now(), firstPause
		if p.s.away.Load() {
			p.most = min(p.most, lastPause)
		}
	}
	if time.Since(p.since) > p.most {
		p.s.away.Store(true)
		return false
	}
	sleep(ctx, p.next)
	p.next = min(2*p.next, lastPause)
	return ctx.Err() == nil
}
