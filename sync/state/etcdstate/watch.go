package etcdstate

import (
	"context"
	"errors"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Watch calls f after other processes, or this one, have written records, acts, marks,
// consents or posts, until ctx ends; see state.Watcher.
func (s *Store) Watch(ctx context.Context, f func()) error {
	if err := errors.Join(ctx.Err(), s.shut()); err != nil {
		return s.fault(ctx, err)
	}
	resp, err := s.conn.Read(ctx, s.key(formatKey), clientv3.WithCountOnly())
	if err != nil {
		return s.fault(ctx, err)
	}
	run, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // nobody is told anything after Shut
		select {
		case <-s.run.Done():
			stop()
		case <-run.Done():
		}
	}()
	news := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.watch(run, s.key(tickAll), resp.Header.Revision, []clientv3.OpOption{clientv3.WithPrefix()},
			func(resp clientv3.WatchResponse) error {
				if len(resp.Events) > 0 || resp.CompactRevision > 0 {
					select {
					case news <- struct{}{}:
					default: // it is told of both at once
					}
				}
				return nil
			})
	}()
	for {
		select {
		case <-news:
			f()
		case <-done:
			return s.fault(context.WithoutCancel(ctx), s.shut())
		}
	}
}
