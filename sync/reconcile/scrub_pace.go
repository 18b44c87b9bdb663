package reconcile

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weir/sync/call"
)

// DefaultScrub is the part of a read operation's quota that looking for drift
// takes where nothing else is said.
const DefaultScrub = 0.2

// lateMost is how late a call may be for its turn without the one after it being
// later too: what a busy machine loses is caught up, what nobody asked for is not.
const lateMost = 100 * time.Millisecond

// usedOver is the time over which the share that was used is measured, in seconds.
const usedOver = 60

// pace spreads the calls of one operation evenly, at its part of the quota.
type pace struct {
	ask func() float64 // calls a second that may be made now

	mu    sync.Mutex
	asked time.Time
	told  float64   // what ask said then
	next  time.Time // when the next call may be made
	made  [usedOver]struct {
		second int64
		calls  int
	}
}

// askedFor is for how long what may be made is taken to stay as it is.
const askedFor = 100 * time.Millisecond

// rate returns how many calls a second may be made now.
func (p *pace) rate() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rateNow()
}

func (p *pace) rateNow() float64 {
	if now := time.Now(); p.asked.IsZero() || now.Sub(p.asked) >= askedFor {
		p.asked, p.told = now, p.ask()
	}
	return p.told
}

// turn returns when the next call may be made.
func (p *pace) turn() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

// take takes the next turn and returns when that is.
func (p *pace) take(now time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if late := now.Add(-lateMost); p.next.Before(late) {
		p.next = late
	}
	at := p.next
	p.next = at.Add(p.gap())
	if at.Before(now) {
		at = now
	}
	return at
}

// more takes as many turns more, for calls that were made.
func (p *pace) more(calls int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = p.next.Add(time.Duration(calls) * p.gap())
}

// gap is the time from one call to the next, 0 where nothing bounds them.
func (p *pace) gap() time.Duration {
	rate := p.rateNow()
	if math.IsInf(rate, 1) {
		return 0
	}
	return time.Duration(float64(time.Second) / rate)
}

// wait waits for the next turn. Its error is ctx's.
func (p *pace) wait(ctx context.Context) error {
	timer := time.NewTimer(time.Until(p.take(time.Now())))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// count notes calls that were made.
func (p *pace) count(now time.Time, calls int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := &p.made[now.Unix()%usedOver]
	if at.second != now.Unix() {
		at.second, at.calls = now.Unix(), 0
	}
	at.calls += calls
}

// used returns how many calls a second were made within the last minute.
func (p *pace) used(now time.Time) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := 0
	for _, m := range p.made {
		if m.second > now.Unix()-usedOver {
			calls += m.calls
		}
	}
	return float64(calls) / usedOver
}

// paces are the paces of one account's operations.
type paces struct {
	share float64 // of each operation's quota
	// outlook returns what is known now of how fast an operation can be called.
	outlook func(operation string) call.Outlook
	count   func(operation string, calls int) // may be nil

	mu sync.Mutex
	of map[string]*pace
}

// get returns the pace of an operation, "" for what needs no call.
func (p *paces) get(operation string) *pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, ok := p.of[operation]
	if !ok {
		one = &pace{ask: func() float64 { return p.share * p.quota(operation) }}
		if p.of == nil {
			p.of = map[string]*pace{}
		}
		p.of[operation] = one
	}
	return one
}

// quota returns how many calls of an operation a second weir may make now.
func (p *paces) quota(operation string) float64 {
	if operation == "" {
		return math.Inf(1)
	}
	slowest := math.Inf(1)
	for _, w := range p.outlook(operation).Windows {
		limit, _ := w.At(0)
		slowest = min(slowest, float64(limit)/w.Per.Seconds())
	}
	return slowest
}

// used returns the part of its quota that was used of the operation of which most
// was, within the last minute.
func (p *paces) used(now time.Time) float64 {
	p.mu.Lock()
	operations := make([]string, 0, len(p.of))
	for operation := range p.of {
		operations = append(operations, operation)
	}
	p.mu.Unlock()
	most := 0.0
	for _, operation := range slices.Sorted(slices.Values(operations)) {
		most = max(most, p.get(operation).used(now)/p.quota(operation))
	}
	return most
}

// fare is a turn of an operation that was taken for the first call of a read.
type fare struct {
	operation string
	spent     atomic.Bool
}

// paced makes each call when it is its operation's turn; what the fare is for has
// had its turn. A page of a list, a mapping and a second try all count.
func (p *paces) paced(next call.Caller, f *fare) call.Caller {
	return call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
		of := p.get(req.Operation)
		if req.Operation != f.operation || f.spent.Swap(true) {
			if err := of.wait(ctx); err != nil {
				return nil, &call.Error{
					Code: call.Canceled, Operation: req.Operation, Message: "gave up while waiting for its turn", Err: err,
				}
			}
		}
		of.count(time.Now(), 1)
		resp, err := next.Call(ctx, req)
		calls := tries(resp, err)
		of.more(calls - 1)
		of.count(time.Now(), calls-1)
		if p.count != nil {
			p.count(req.Operation, calls)
		}
		return resp, err
	})
}

// tries returns how many calls were made of one, at least 1: what was refused
// here had its turn all the same.
func tries(resp *call.Response, err error) int {
	n := 1
	if resp != nil {
		n = max(n, resp.Attempts)
	}
	if e, ok := errors.AsType[*call.Error](err); ok {
		n = max(n, e.Attempts)
	}
	return n
}
