package etcdstate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/resource"
	"weir/sync/state"
)

// begun is an act as it is kept, and the random number of who began it.
type begun struct {
	resource.Act
	own int64
}

// Acts returns every act, ordered by ID and name.
func (s *Store) Acts(ctx context.Context) ([]resource.Act, error) {
	acts, err := collect(ctx, s, actsAt, readAct)
	if err != nil {
		return nil, fmt.Errorf("read acts: %w", err)
	}
	sortActs(acts)
	return acts, nil
}

func sortActs(acts []resource.Act) {
	slices.SortFunc(acts, func(a, b resource.Act) int {
		return cmp.Or(resource.Compare(a.ID, b.ID), cmp.Compare(a.Name, b.Name))
	})
}

// Begin writes that act a is about to happen; see state.Store.
func (s *Store) Begin(ctx context.Context, a resource.Act) error {
	if err := errors.Join(state.CheckBegin(a), checkTimes(a.Begun, a.Done, a.Ends)); err != nil {
		return fmt.Errorf("begin act: %w", err)
	}
	own := nonce()
	a.Done = time.Time{}
	return s.onAct(ctx, "begin", a, func(last *begun, _ bool) (*begun, error) {
		switch {
		case last != nil && last.own == own:
			return nil, errOwn
		case last != nil && last.Token == a.Token && !last.Done.IsZero():
			return nil, state.ErrDone
		case last != nil && last.Token == a.Token && !a.Repeatable:
			return nil, state.ErrInDoubt
		}
		return &begun{a, own}, nil
	})
}

// Settle writes how an act ended; see state.Store.
func (s *Store) Settle(ctx context.Context, a resource.Act) error {
	if err := errors.Join(state.CheckAct(a), checkTimes(a.Begun, a.Done, a.Ends)); err != nil {
		return fmt.Errorf("settle act: %w", err)
	}
	tookBack := false
	return s.onAct(ctx, "settle", a, func(last *begun, unsure bool) (*begun, error) {
		switch {
		case last == nil && unsure && tookBack:
			return nil, errOwn
		case last == nil || last.Token != a.Token:
			return nil, state.ErrNoAct
		case a.Done.IsZero() && !last.Done.IsZero():
			return nil, state.ErrDone
		case a.Done.IsZero():
			tookBack = true
			return nil, nil
		}
		next := *last
		next.Done, next.Ends = a.Done, a.Ends
		return &next, nil
	})
}

// onAct puts what change makes of what is kept under the ID and name of a (nil where that
// is nothing) into its place, or removes it where that is nil.
func (s *Store) onAct(
	ctx context.Context, verb string, a resource.Act, change func(last *begun, unsure bool) (*begun, error),
) error {
	key := actKey(a.ID, a.Name)
	err := s.update(ctx, update{
		accounts: []string{a.ID.Account}, keys: []string{key}, records: []resource.ID{a.ID}, look: true,
		decide: func(v *view) ([]clientv3.Op, error) {
			var last *begun
			if b := v.found(key); b != nil {
				read, err := readBegun(key, b, nil)
				if err != nil {
					return nil, err
				}
				last = &read
			}
			next, err := change(last, v.unsure)
			if err != nil {
				return nil, err
			}
			if next == nil {
				return []clientv3.Op{clientv3.OpDelete(s.key(key))}, nil
			}
			return []clientv3.Op{clientv3.OpPut(s.key(key), actValue(key, *next))}, nil
		},
	})
	if err != nil {
		return fmt.Errorf("%s %q of %s: %w", verb, a.Name, a.ID, err)
	}
	return nil
}

func actValue(key string, b begun) string {
	return value(key, fields{}.texts(b.Token).times(b.Begun, b.Done, b.Ends).flags(b.Repeatable).numbers(b.own))
}

func readBegun(key string, value []byte, w words) (b begun, err error) {
	if b.Act, err = actOf(key); err != nil {
		return b, err
	}
	p := parse(key, value, w)
	b.Token, b.Begun, b.Done, b.Ends = p.text(), p.time(), p.time(), p.time()
	b.Repeatable, b.own = p.flag(), p.number()
	return b, p.end()
}

func readAct(key string, value []byte, w words) (resource.Act, error) {
	b, err := readBegun(key, value, w)
	return b.Act, err
}
