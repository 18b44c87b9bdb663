package etcdstate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/resource"
	"weir/sync/state"
)

// mostHeals bounds what a value may say that it has of heals.
const mostHeals = 10_000

// Applied returns every record, ordered by ID.
func (s *Store) Applied(ctx context.Context) ([]resource.Applied, error) {
	records, _, err := s.remembered(ctx, recordsAt)
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	return records, nil
}

// remembered returns what is kept beneath some of recordsAt and actsAt, as it is at one
// moment, with the batch that is not in its place yet.
func (s *Store) remembered(ctx context.Context, prefixes ...string) (records []resource.Applied, acts []resource.Act, err error) {
	err = s.whole(ctx, func() error {
		revision, over, err := s.overlay(ctx)
		if err == nil {
			records, acts, err = s.rememberedAt(ctx, revision, over, prefixes...)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return records, acts, nil
}

// rememberedAt is remembered at a revision, with the batch that is not in its place then.
func (s *Store) rememberedAt(
	ctx context.Context, revision int64, over overlay, prefixes ...string,
) (records []resource.Applied, acts []resource.Act, err error) {
	w := words{}
	take := func(key string, value []byte) error { return remember(&records, &acts, key, value, w) }
	for _, prefix := range prefixes {
		err := s.walk(ctx, pages{prefix: prefix, revision: revision}, func(key string, kv *mvccpb.KeyValue) (bool, error) {
			if over.hides(key) {
				return true, nil
			}
			return true, take(key, kv.Value)
		})
		if err != nil {
			return nil, nil, err
		}
	}
	if err := over.each(prefixes, take); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(records, func(a, b resource.Applied) int { return resource.Compare(a.ID, b.ID) })
	sortActs(acts)
	return records, acts, nil
}

// remember adds what is kept under a key to records or acts.
func remember(records *[]resource.Applied, acts *[]resource.Act, key string, value []byte, w words) error {
	if strings.HasPrefix(key, actsAt) {
		a, err := readAct(key, value, w)
		*acts = append(*acts, a)
		return err
	}
	r, err := readApplied(key, value, w)
	*records = append(*records, r)
	return err
}

// Save writes records, all or none.
func (s *Store) Save(ctx context.Context, records ...resource.Applied) error {
	var c changes
	for i := range slices.Backward(records) { // the last of one ID counts
		r := &records[i]
		if err := checkApplied(*r); err != nil {
			return fmt.Errorf("save record: %w", err)
		}
		key := recordKey(r.ID)
		v := value(key, appliedFields(*r))
		if len(key)+len(v) > mostBytes {
			return fmt.Errorf("save record: %s has %d bytes, and etcd takes %d at once", r.ID, len(v), mostBytes)
		}
		c.put(r.ID, key, v)
	}
	if err := s.change(ctx, &c); err != nil {
		return fmt.Errorf("save records: %w", err)
	}
	return nil
}

// Forget removes the record and the acts of each ID, all or none.
func (s *Store) Forget(ctx context.Context, ids ...resource.ID) error {
	var c changes
	for _, id := range ids {
		c.put(id, recordKey(id), "")
		c.put(id, actsOf(id), "")
	}
	if err := s.change(ctx, &c); err != nil {
		return fmt.Errorf("forget records: %w", err)
	}
	return nil
}

// changes are what becomes of keys: their new values, and "" for those that are removed,
// with all that begins with them where they end in a slash.
type changes struct {
	ids   []resource.ID
	keys  []string
	to    map[string]string
	bytes int
}

// put adds a change, unless there is one of the key.
func (c *changes) put(id resource.ID, key, value string) {
	if _, found := c.to[key]; found {
		return
	}
	if c.to == nil {
		c.to = map[string]string{}
	}
	if n := len(c.ids); n == 0 || c.ids[n-1] != id {
		c.ids = append(c.ids, id)
	}
	c.to[key], c.keys = value, append(c.keys, key)
	c.bytes += 3*len(key) + len(value)
}

// change makes changes, in one transaction where they fit.
func (s *Store) change(ctx context.Context, c *changes) error {
	switch {
	case len(c.keys) == 0:
		return s.fault(ctx, errors.Join(ctx.Err(), s.shut()))
	case len(c.keys) > mostKeys || c.bytes > mostBytes:
		return s.fault(ctx, s.stage(ctx, c))
	}
	u := update{accounts: accountsOf(c.ids), records: c.ids}
	var ops []clientv3.Op
	for _, key := range c.keys {
		if strings.HasSuffix(key, "/") && strings.HasPrefix(key, actsAt) {
			u.ranges = append(u.ranges, key)
		} else {
			u.keys = append(u.keys, key)
		}
		ops = append(ops, s.op(key, c.to[key]))
	}
	u.decide = func(*view) ([]clientv3.Op, error) { return slices.Clone(ops), nil }
	return s.update(ctx, u)
}

// op is what makes a change of a key.
func (s *Store) op(key, value string) clientv3.Op {
	switch {
	case value != "":
		return clientv3.OpPut(s.key(key), value)
	case strings.HasPrefix(key, actsAt):
		return clientv3.OpDelete(s.key(key), clientv3.WithPrefix())
	}
	return clientv3.OpDelete(s.key(key))
}

func checkApplied(r resource.Applied) error {
	if err := state.CheckID(r.ID); err != nil {
		return err
	}
	for _, h := range r.Heals {
		if err := checkTimes(h.At); err != nil {
			return err
		}
	}
	return checkTimes(r.At)
}

func appliedFields(r resource.Applied) fields {
	f := make(fields, 0, len(r.Spec)+256)
	f = originFields(f.texts(string(r.Spec)), r.Origin)
	f = f.texts(r.Revision).times(r.At).texts(r.Epoch).flags(r.Confirmed).numbers(int64(len(r.Heals)))
	for _, h := range r.Heals {
		f = f.times(h.At).texts(h.Found)
	}
	return f
}

func readApplied(key string, value []byte, w words) (r resource.Applied, err error) {
	if r.ID, err = recordID(key); err != nil {
		return r, err
	}
	r.ID = resource.ID{Account: w.of([]byte(r.ID.Account)), Kind: w.of([]byte(r.ID.Kind)), Key: strings.Clone(r.ID.Key)}
	p := parse(key, value, w)
	r.Spec = resource.Spec(p.text())
	r.Origin = readOrigin(p)
	r.Revision, r.At, r.Epoch, r.Confirmed = p.word(), p.time(), p.text(), p.flag()
	heals := p.number()
	if heals < 0 || heals > mostHeals {
		p.fail("it has too many heals")
	}
	for range heals {
		if p.err != nil {
			break
		}
		r.Heals = append(r.Heals, resource.Heal{At: p.time(), Found: p.text()})
	}
	return r, p.end()
}

func originFields(f fields, o resource.Origin) fields {
	return f.texts(o.Source, o.File).numbers(int64(o.Line)).texts(o.Commit, o.Author)
}

func readOrigin(p *parser) resource.Origin {
	return resource.Origin{Source: p.word(), File: p.word(), Line: int(p.number()), Commit: p.word(), Author: p.word()}
}
