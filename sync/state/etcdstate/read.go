package etcdstate

import (
	"context"
	"errors"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// How much one answer brings: so many keys, fewer where they are large.
const (
	pageKeys    = 1000
	mostRereads = 5 // of what was compacted while it was read
)

// pages are the keys that begin with a prefix, as they were at one revision.
type pages struct {
	prefix   string // beneath the store's
	from     string // the first key, "" for the prefix's
	to       string // before this one, "" for the prefix's end
	revision int64  // 0 for now
	limit    int64  // keys a page, 0 for pageKeys
}

// walk hands the keys of p, all of one revision, to f, until f says that it has enough.
// A page that does not fit into an answer is halved.
func (s *Store) walk(
	ctx context.Context, p pages, f func(key string, kv *mvccpb.KeyValue) (more bool, err error),
) error {
	from, to := s.key(p.prefix), clientv3.GetPrefixRangeEnd(s.key(p.prefix))
	if p.from != "" {
		from = s.key(p.from)
	}
	if p.to != "" {
		to = s.key(p.to)
	}
	limit := p.limit
	if limit == 0 {
		limit = pageKeys
	}
	for from < to {
		resp, err := s.conn.Read(ctx, from, clientv3.WithRange(to), clientv3.WithLimit(limit), clientv3.WithRev(p.revision))
		if tooLarge(err) && limit > 1 {
			limit /= 2
			continue
		}
		if err == nil {
			err = s.note(resp.Header.ClusterId, resp.Header.Revision)
		}
		if err != nil {
			return err
		}
		if p.revision == 0 {
			p.revision = resp.Header.Revision
		}
		for _, kv := range resp.Kvs {
			if more, err := f(s.below(kv.Key), kv); err != nil || !more {
				return err
			}
		}
		if !resp.More {
			break
		}
		from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
	return nil
}

// tooLarge reports whether an answer was larger than one may be.
func tooLarge(err error) bool { return err != nil && strings.Contains(err.Error(), "larger than max") }

// compacted reports whether what was read is not kept any more.
func compacted(err error) bool { return errors.Is(err, rpctypes.ErrCompacted) }

// whole lets f read, and read again from the beginning where it came too late.
func (s *Store) whole(ctx context.Context, f func() error) error {
	if err := errors.Join(ctx.Err(), s.shut()); err != nil {
		return s.fault(ctx, err)
	}
	for try := 1; ; try++ {
		err := f()
		if !compacted(err) || try == mostRereads {
			return s.fault(ctx, err)
		}
	}
}

// collect reads all that is kept beneath a prefix.
func collect[T any](
	ctx context.Context, s *Store, prefix string, read func(key string, value []byte, w words) (T, error),
) (out []T, err error) {
	err = s.whole(ctx, func() error {
		out = nil
		w := words{}
		return s.walk(ctx, pages{prefix: prefix}, func(key string, kv *mvccpb.KeyValue) (bool, error) {
			v, err := read(key, kv.Value, w)
			out = append(out, v)
			return true, err
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
