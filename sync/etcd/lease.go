package etcd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/boottime"
)

// renewals is how often in its time a lease is renewed.
const renewals = 5

// Lease is a lease whose time is proven: it is counted from before etcd was asked, by a
// clock that does not stand still while the machine sleeps. etcd counts from later on,
// and may let it live for longer, never for less, as long as its own clock does not run
// ahead of this one's: skew is what is allowed for that.
type Lease struct {
	conn *Conn
	id   clientv3.LeaseID
	ttl  time.Duration

	stop  context.CancelFunc
	ended chan struct{} // closed when nobody renews it any more

	mu    sync.Mutex
	until boottime.Instant
	gone  bool
	lost  chan struct{} // closed when it is gone, or nobody can tell
}

// skew is the part of a lease's time by which two clocks may run apart.
const skew = 100

// Grant makes a lease and keeps renewing it until it is lost or given back.
func (c *Conn) Grant(ctx context.Context, ttl time.Duration) (*Lease, error) {
	asked := boottime.Now()
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	resp, err := c.Client.Grant(ctx, int64((ttl+time.Second-1)/time.Second))
	if err != nil {
		return nil, fault(err)
	}
	l := &Lease{
		conn: c, id: resp.ID, ttl: ttl, ended: make(chan struct{}), lost: make(chan struct{}),
		until: asked.After(proven(ttl)),
	}
	run, stop := context.WithCancel(context.Background())
	l.stop = stop
	go l.renew(run) //nolint:contextcheck // it lives for longer than the request
	return l, nil
}

func proven(ttl time.Duration) time.Duration { return ttl - ttl/skew }

// ID is etcd's name of it.
func (l *Lease) ID() clientv3.LeaseID { return l.id }

// Put writes a key that is gone when the lease is.
func (l *Lease) Put(key, value string) clientv3.Op {
	return clientv3.OpPut(key, value, clientv3.WithLease(l.id))
}

// Left returns for how long the lease surely lives, nothing where it is over.
func (l *Lease) Left() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return 0
	}
	return max(0, boottime.Now().Until(l.until))
}

// Lost returns a channel that is closed when the lease is over, or cannot be proven any
// more.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Release ends the lease: what hangs on it is gone when Release returns without an
// error. Otherwise it ends by itself.
func (l *Lease) Release(ctx context.Context) error {
	l.Drop()
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if _, err := l.conn.Revoke(ctx, l.id); err != nil && !isGone(err) {
		return fmt.Errorf("give back lease: %w", fault(err))
	}
	return nil
}

// Drop renews the lease no more, and lets etcd end it when its time is over: what hangs
// on it is still there until then.
func (l *Lease) Drop() {
	l.lose()
	l.stop()
	<-l.ended
}

func (l *Lease) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.gone {
		l.gone = true
		close(l.lost)
	}
}

// renew renews the lease until ctx ends or its time is over.
func (l *Lease) renew(ctx context.Context) {
	defer close(l.ended)
	defer l.lose()
	for {
		wait := time.NewTimer(min(l.ttl/renewals, l.Left()))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
		left := l.Left()
		if left <= 0 {
			return
		}
		if err := l.once(ctx, left); errors.Is(err, errGone) {
			return
		}
	}
}

var errGone = errors.New("the lease is gone")

// once renews the lease once, and tries no longer than until it is to be tried again,
// or the lease is over.
func (l *Lease) once(ctx context.Context, left time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, min(left, max(l.ttl/renewals, time.Second)))
	defer cancel()
	asked, began := boottime.Now(), time.Now()
	resp, err := l.conn.KeepAliveOnce(ctx, l.id)
	l.conn.metrics.did(requestRenew, began, err)
	if err != nil {
		if isGone(err) {
			return errGone
		}
		return fault(err)
	}
	ttl := min(l.ttl, time.Duration(resp.TTL)*time.Second)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = max(l.until, asked.After(proven(ttl)))
	return nil
}
