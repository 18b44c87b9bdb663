package etcdstate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/etcd"
	"weir/sync/state"
)

// Marks returns every mark, ordered by source and role.
func (s *Store) Marks(ctx context.Context) ([]state.Mark, error) {
	marks, err := collect(ctx, s, marksAt, readMark)
	if err != nil {
		return nil, fmt.Errorf("read marks: %w", err)
	}
	slices.SortFunc(marks, compareMarks)
	return marks, nil
}

func compareMarks(a, b state.Mark) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Role, b.Role))
}

func markFields(m state.Mark) fields { return fields{}.texts(m.Revision).times(m.At) }

// SetMark writes a mark in place of the one of that source and role, or removes it.
func (s *Store) SetMark(ctx context.Context, m state.Mark) error {
	if err := errors.Join(state.CheckMark(m), checkTimes(m.At)); err != nil {
		return fmt.Errorf("set mark: %w", err)
	}
	fences, err := s.fenceMark(m)
	if err != nil {
		return fmt.Errorf("set mark: %w", s.fault(ctx, err))
	}
	key := markKey(m.Source, m.Role)
	put := clientv3.OpPut(s.key(key), value(key, markFields(m)))
	if m.Revision == "" {
		put = clientv3.OpDelete(s.key(key))
	}
	err = s.update(ctx, update{
		keys: []string{key}, tick: tickMarks, fences: fences,
		decide: func(*view) ([]clientv3.Op, error) { return []clientv3.Op{put}, nil },
	})
	if err != nil {
		return fmt.Errorf("set mark: %w", err)
	}
	return nil
}

func (s *Store) fenceMark(m state.Mark) ([]etcd.Fence, error) {
	if s.options.FenceMark == nil {
		return nil, nil
	}
	f, ok := s.options.FenceMark(m)
	switch {
	case !ok:
		return nil, faulty(state.Fenced, fmt.Errorf("this process does not lead what mark %q of %s is about", m.Role, m.Source))
	case f.Key == "":
		return nil, nil
	}
	return []etcd.Fence{f}, nil
}

func readMark(key string, value []byte, w words) (state.Mark, error) {
	m, err := markOf(key)
	if err != nil {
		return m, err
	}
	p := parse(key, value, w)
	m.Revision, m.At = p.text(), p.time()
	return m, p.end()
}
