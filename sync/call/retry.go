package call

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// The schedule of tries. It is short because most of it is rules by code, a
// budget and a look at the deadline, which no library of back-off intervals
// knows; what such a library would give is the one line of fullJitter.
const (
	maxTries        = 5 // of a call that fails, or of a read without an answer
	maxThrottles    = 8 // tries of a call that is throttled
	backoffFirst    = 200 * time.Millisecond
	backoffMax      = 10 * time.Second
	longestWait     = 2 * time.Minute // a cloud that asks for more is asked again in a later pass
	throttleSpread  = 0.5             // throttled calls come back within 1 to 1.5 of what they wait
	maxClockRetries = 1               // the client has corrected its clock meanwhile
)

// Jitter returns a number in [0,1) for a call's next try; attempts counts the
// tries made.
type Jitter func(req *Request, attempts int) float64

// SeededJitter derives the numbers from the seed and from what the call is, so
// that they do not depend on the order in which calls happen to fail.
func SeededJitter(seed uint64) Jitter {
	return func(req *Request, attempts int) float64 {
		h := fnv.New64a()
		fmt.Fprint(h, req.Account, req.Operation, req.Cause.Resource, attempts, req.Params) // maps print in key order
		return rand.New(rand.NewPCG(seed, h.Sum64())).Float64()
	}
}

// RetryOptions are what the retries depend on.
type RetryOptions struct {
	// Windows are the quotas in force: a throttled call waits for the longest.
	// Without it that is one second.
	Windows func(account, operation string) []Window
	Jitter  Jitter   // nil for random numbers
	Metrics *Metrics // may be nil
}

// Retry tries calls again, deciding by the outcome's code only:
//
//   - Throttled waits for a whole window of the quota, or for as long as the
//     cloud asks, if that is longer;
//   - Unavailable backs off exponentially with full jitter;
//   - Unknown does so too if the call is a read. A write ends: what it did is
//     read back before anything else is done about it, which is not known here;
//   - Clock is tried once more;
//   - anything else ends.
//
// Each account has a budget, which retries draw on and successes fill, so that
// an outage under ten thousand calls does not make fifty thousand of them. No
// retry is waited for that ctx's deadline forbids.
func Retry(next Caller, options RetryOptions) Caller {
	if options.Jitter == nil {
		options.Jitter = SeededJitter(rand.Uint64())
	}
	if options.Windows == nil {
		options.Windows = func(string, string) []Window { return []Window{{Limit: 1, Per: time.Second}} }
	}
	budgets := newBudgets()
	return Func(func(ctx context.Context, req *Request) (*Response, error) {
		run := &tries{req: req, options: options, budget: budgets.of(req.Account)}
		return run.make(ctx, next)
	})
}

// tries are the tries of one call.
type tries struct {
	req     *Request
	options RetryOptions
	budget  *budget

	sent    int          // tries that may have left this process
	last    *Error       // outcome of the last of those
	reasons map[Code]int // how often each code came
}

// make tries until there is an outcome to return.
func (t *tries) make(ctx context.Context, next Caller) (*Response, error) {
	t.reasons = map[Code]int{}
	for {
		resp, err := next.Call(ctx, t.req)
		if err == nil {
			t.budget.succeeded()
			answer := *resp
			answer.Attempts = t.sent + 1
			return &answer, nil
		}
		e := asError(err)
		t.note(e)
		wait, again := t.wait(e)
		if !again || !t.affordable(ctx, e, wait) {
			return nil, t.outcome(e)
		}
		t.options.Metrics.retried(t.req)
		if err := sleep(ctx, wait); err != nil {
			return nil, t.outcome(refusal(t.req, Canceled, "gave up before the next try", err))
		}
	}
}

// note remembers a try.
func (t *tries) note(e *Error) {
	t.reasons[e.Code]++
	if e.unsent {
		return
	}
	t.sent++
	t.last = e
}

// wait returns how long to wait before another try, and whether there is to be
// one at all.
func (t *tries) wait(e *Error) (time.Duration, bool) {
	jitter := t.options.Jitter(t.req, t.sent)
	switch e.Code {
	case Throttled:
		return t.throttled(e, jitter), t.reasons[Throttled] < maxThrottles
	case Unavailable:
		return max(e.After, fullJitter(t.sent, jitter)), t.sent < maxTries
	case Unknown:
		return fullJitter(t.sent, jitter), !t.req.Write && t.sent < maxTries
	case Clock:
		return 0, t.reasons[Clock] <= maxClockRetries
	default:
		return 0, false
	}
}

// throttled returns how long a throttled call waits.
func (t *tries) throttled(e *Error, jitter float64) time.Duration {
	wait := max(e.After, time.Second)
	for _, w := range t.options.Windows(t.req.Account, t.req.Operation) {
		wait = max(wait, w.Per)
	}
	return wait + time.Duration(throttleSpread*jitter*float64(wait))
}

// fullJitter returns a wait between nothing and an interval that doubles with
// each try.
func fullJitter(tries int, jitter float64) time.Duration {
	interval := min(backoffMax, backoffFirst<<min(max(tries-1, 0), 16))
	return time.Duration(jitter * float64(interval))
}

// affordable reports whether there is time and budget for another try.
func (t *tries) affordable(ctx context.Context, e *Error, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	late := ok && time.Now().Add(wait).After(deadline)
	if ctx.Err() != nil || late || wait > longestWait {
		return false
	}
	return t.budget.withdraw(e.Code)
}

// outcome returns what the tries come to when they end with e.
func (t *tries) outcome(e *Error) *Error {
	if e.Code == Canceled && t.last != nil {
		e = t.last // it was sent, which Canceled would deny
	}
	result := *e
	result.Attempts = t.sent
	return &result
}

// asError returns err as an *Error; one that no caller made is Internal.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: Internal, Message: err.Error(), Err: err}
}

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
