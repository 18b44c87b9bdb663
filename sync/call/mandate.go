package call

import (
	"context"
	"errors"
	"math"
	"time"
)

// Mandate is the right to call an account that a process has for a time, where
// several could.
type Mandate interface {
	// Left returns for how long nobody else may call the account, 0 where that cannot
	// be proven.
	Left(account string) time.Duration
}

// Least is how much of a mandate has to be left for a call to begin, of which the last
// part is for what a call that was given up may still do: half a lease, and no more than
// the longest call takes.
func Least(lease time.Duration) time.Duration { return min(lease/2, LongestCall+stray) }

// lapsed is the cause of a call that was kept from being sent for want of a mandate.
type lapsed struct{}

func (lapsed) Error() string { return "another process may lead the account" }

// Fenced says what kind of cause it is.
func (lapsed) Fenced() bool { return true }

// fenced is a cause that may be that another process leads the account.
type fenced interface {
	error
	Fenced() bool
}

// Lapsed reports whether err says that another process may lead the account, or does:
// for want of a mandate a call was not sent, or the store did not take what was to be
// written. It is no failure; who leads the account goes on.
func Lapsed(err error) bool {
	f, ok := errors.AsType[fenced](err)
	return ok && f.Fenced()
}

// Lasting is a slot of a budget that others take over when this process is cut off from
// it: a call on it is given up before.
type Lasting interface {
	Slot
	// Left returns for how long the slot is surely this process's.
	Left() time.Duration
}

// WhileMandated sends a call only while the mandate for its account, and its slot,
// surely last for at least a time, and gives it up before their end: so that no call of
// this process reaches the cloud when another may call, or when its slot may be
// another's. It stands right above what sends, below all that may take long; a process
// that was stopped meanwhile finds its mandate gone. A nil mandate is that of a process
// that may always call, as far as its slots allow.
func WhileMandated(next Caller, m Mandate, least time.Duration) Caller {
	return Func(func(ctx context.Context, req *Request) (*Response, error) {
		left := time.Duration(math.MaxInt64)
		if m != nil {
			left = m.Left(req.Account)
		}
		if left < least {
			return nil, refusal(req, Stopped, "not sent, another process may lead the account", lapsed{})
		}
		if slot, ok := ctx.Value(slotKey{}).(Lasting); ok {
			left = min(left, slot.Left())
		}
		switch {
		case left < least:
			return nil, refusal(req, Internal, "not sent: its slot may be another process's", stale{})
		case left == math.MaxInt64:
			return next.Call(ctx, req)
		}
		ctx, cancel := context.WithTimeout(ctx, left-min(stray, least/2))
		defer cancel()
		return next.Call(ctx, req)
	})
}
