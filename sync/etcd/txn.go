package etcd

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Trouble is a class of what can be wrong between weir and its cluster.
type Trouble string

// The troubles.
const (
	Away     Trouble = "away"     // no member answers, or there is no majority
	Refused  Trouble = "refused"  // user, password, certificate or permission
	Full     Trouble = "full"     // its quota of bytes is used up
	TooLarge Trouble = "toolarge" // more than one request may hold
	Restored Trouble = "restored" // its revision went back: it was restored from a backup
	Other    Trouble = "other"
)

// Troubles lists every trouble.
func Troubles() []Trouble { return []Trouble{Away, Refused, Full, TooLarge, Restored, Other} }

// Error is a trouble with the cluster.
type Error struct {
	Fault Trouble
	Err   error
}

// Error returns the cause.
func (e *Error) Error() string { return "etcd: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// TroubleOf returns the trouble of err, "" where it is none.
func TroubleOf(err error) Trouble {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Fault
	}
	return ""
}

// fault says what kind of trouble err is; nil and a context's end stay as they are.
func fault(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, clientv3.ErrNoAvailableEndpoints):
		return &Error{Away, err}
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch rpctypes.Error(err) {
	case rpctypes.ErrNoSpace: //nolint:errorlint // Error has unwrapped it
		return &Error{Full, err}
	case rpctypes.ErrRequestTooLarge, rpctypes.ErrTooManyOps:
		return &Error{TooLarge, err}
	case rpctypes.ErrPermissionDenied, rpctypes.ErrAuthFailed, rpctypes.ErrUserEmpty, rpctypes.ErrInvalidAuthToken,
		rpctypes.ErrAuthNotEnabled, rpctypes.ErrUserNotFound:
		return &Error{Refused, err}
	case rpctypes.ErrNoLeader, rpctypes.ErrTimeout, rpctypes.ErrTimeoutDueToLeaderFail, rpctypes.ErrStopped,
		rpctypes.ErrTimeoutDueToConnectionLost, rpctypes.ErrLeaderChanged, rpctypes.ErrNotCapable:
		return &Error{Away, err}
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded:
		return &Error{Away, err}
	case codes.Unauthenticated, codes.PermissionDenied:
		return &Error{Refused, err}
	}
	return &Error{Other, err}
}

// Fence is that a key is as it was when it was made: who made it may rely on it, and
// on nothing else, in what it writes.
type Fence struct {
	Key      string
	Revision int64 // at which it was created
}

// Cmp is the fence as the condition of a transaction.
func (f Fence) Cmp() clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(f.Key), "=", f.Revision)
}

// Do commits a transaction that writes then where all of when hold, and otherwise
// answers what otherwise asks for. Of a request without an answer nobody knows whether
// it was carried out; the error is a *Error with Away then, or ctx's.
func (c *Conn) Do(
	ctx context.Context, when []clientv3.Cmp, then, otherwise []clientv3.Op,
) (*clientv3.TxnResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	before := c.seen.Load()
	resp, err := c.Txn(ctx).If(when...).Then(then...).Else(otherwise...).Commit()
	if err != nil {
		return nil, fault(err)
	}
	return resp, c.note(before, resp.Header)
}

// Read reads a key, or with options as many as they say, as they are now.
func (c *Conn) Read(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	before := c.seen.Load()
	resp, err := c.Get(ctx, key, opts...)
	if err != nil {
		return nil, fault(err)
	}
	return resp, c.note(before, resp.Header)
}

// note holds an answer's revision against the greatest that was known when it was asked
// for: etcd's never goes back, unless somebody restored a backup. Often enough that
// makes it another cluster.
func (c *Conn) note(before int64, h *etcdserverpb.ResponseHeader) error {
	revision := h.Revision
	if !c.first.CompareAndSwap(0, h.ClusterId) && c.first.Load() != h.ClusterId {
		return &Error{Restored, fmt.Errorf("its cluster is %x and was %x", h.ClusterId, c.first.Load())}
	}
	if revision < before {
		c.metrics.trouble(Restored)
		return &Error{Restored, fmt.Errorf("its revision is %d and was %d", revision, before)}
	}
	for seen := c.seen.Load(); revision > seen; seen = c.seen.Load() {
		if c.seen.CompareAndSwap(seen, revision) {
			break
		}
	}
	return nil
}

// isGone reports whether etcd says that it knows no such lease.
func isGone(err error) bool { return errors.Is(rpctypes.Error(err), rpctypes.ErrLeaseNotFound) }
