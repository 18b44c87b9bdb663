package call

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"sync"
	"time"
)

// defaultWindow is the quota of operations whose cloud documents none: half
// of the smallest one that any operation used here has.
func defaultWindow() Window { return Window{Limit: 5, Per: time.Second} }

// LimiterOptions are one account's quotas.
type LimiterOptions struct {
	// Limits are the documented quotas by operation; a call counts against all
	// windows of its operation. Operations that are not in it get five calls a
	// second.
	Limits map[string][]Window
	// Share is the part of each limit that may be used, above 0 and at most 1;
	// the rest stays for people and other tools. 0 stands for 1.
	Share float64
	// Overrides replace an operation's documented windows, before the share.
	Overrides map[string]Window
}

// check names the first option that is wrong.
func (o LimiterOptions) check() error {
	if o.Share < 0 || o.Share > 1 || math.IsNaN(o.Share) {
		return fmt.Errorf("share: %v is not above 0 and at most 1", o.Share)
	}
	for operation, windows := range o.Limits {
		for _, w := range windows {
			if w.Limit < 1 || w.Per <= 0 {
				return fmt.Errorf("limits: %s: %d calls in %v is not a quota", operation, w.Limit, w.Per)
			}
		}
	}
	for operation, w := range o.Overrides {
		if w.Limit < 1 || w.Per <= 0 {
			return fmt.Errorf("overrides: %s: %d calls in %v is not a quota", operation, w.Limit, w.Per)
		}
	}
	return nil
}

// windows returns the effective windows of an operation: at least one call a
// window, so that a small share never starves it.
func (o LimiterOptions) windows(operation string) []Window {
	windows := o.Limits[operation]
	if w, ok := o.Overrides[operation]; ok {
		windows = []Window{w}
	}
	if len(windows) == 0 {
		windows = []Window{defaultWindow()}
	}
	share := o.Share
	if share == 0 {
		share = 1
	}
	effective := make([]Window, len(windows))
	for i, w := range windows {
		effective[i] = Window{Limit: w.part(share), Per: w.Per}
	}
	return effective
}

// part returns how many calls a part of the window is, at least one.
func (w Window) part(part float64) int {
	const rounding = 1e-9 // 0.29 * 100 is 28.999999999999996
	return max(1, int(float64(w.Limit)*part+rounding))
}

// Limiter keeps one account's calls below its quotas: of each operation at
// most Limit calls in any sliding Per of each window, as the server sees it.
// By itself it knows the calls of its own process only: Share makes it know those
// of others, and the share leaves room for what is not weir.
type Limiter struct {
	mu         sync.Mutex
	options    LimiterOptions
	operations map[string]*operation
	shared     Shared // nil for a budget of its own
	tell       func(error)
}

// NewLimiter returns the limiter of one account.
func NewLimiter(options LimiterOptions) (*Limiter, error) {
	if err := options.check(); err != nil {
		return nil, fmt.Errorf("limiter options: %w", err)
	}
	l := &Limiter{options: options, operations: map[string]*operation{}}
	for operation := range options.Limits {
		l.operation(operation)
	}
	for operation := range options.Overrides {
		l.operation(operation)
	}
	return l, nil
}

// Set replaces the quotas, as after a reload of the config. Calls made before
// go on counting, which a new Limiter would not know of.
func (l *Limiter) Set(options LimiterOptions) error {
	if err := options.check(); err != nil {
		return fmt.Errorf("limiter options: %w", err)
	}
	l.mu.Lock()
	l.options = options
	operations := maps.Clone(l.operations)
	l.mu.Unlock()
	for name, o := range operations {
		o.set(options.windows(name))
		o.document(options.documented(name))
	}
	return nil
}

// operation returns the named operation's queue.
func (l *Limiter) operation(name string) *operation {
	l.mu.Lock()
	defer l.mu.Unlock()
	o, ok := l.operations[name]
	if !ok {
		o = &operation{name: name, sharing: l.newSharing()}
		o.set(l.options.windows(name))
		o.document(l.options.documented(name))
		l.operations[name] = o
	}
	return o
}

// Windows returns the effective windows of an operation now: documented or
// overridden limit, times the share, less what throttles and outages took for
// a while.
func (l *Limiter) Windows(operation string) []Window {
	return l.operation(operation).effective()
}

// Limits returns the effective windows of every operation known.
func (l *Limiter) Limits() map[string][]Window { return ofEach(l, (*operation).effective) }

// Ceilings returns the windows of every operation known as throttles left them: the
// effective ones but for what an outage took.
func (l *Limiter) Ceilings() map[string][]Window { return ofEach(l, (*operation).learnt) }

// Waiting returns how many calls wait for each operation known, by priority.
func (l *Limiter) Waiting() map[string]map[Priority]int {
	return ofEach(l, func(o *operation) map[Priority]int {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.queue.lengths()
	})
}

// ofEach returns something of every operation known, by name.
func ofEach[V any](l *Limiter, of func(*operation) V) map[string]V {
	l.mu.Lock()
	operations := maps.Clone(l.operations)
	l.mu.Unlock()
	out := make(map[string]V, len(operations))
	for name, o := range operations {
		out[name] = of(o)
	}
	return out
}

// Ramp begins an operation's return after an outage: a tenth of its limit,
// growing to the whole within a minute.
func (l *Limiter) Ramp(operation string) { l.operation(operation).ramp() }

// Limiters are the limiters by account.
type Limiters map[string]*Limiter

// Windows returns the effective windows of an account's operation; an unknown
// account has those of an unknown operation.
func (l Limiters) Windows(account, operation string) []Window {
	if limiter, ok := l[account]; ok {
		return limiter.Windows(operation)
	}
	return []Window{defaultWindow()}
}

// Ramp begins an operation's return after an outage.
func (l Limiters) Ramp(account, operation string) {
	if limiter, ok := l[account]; ok {
		limiter.Ramp(operation)
	}
}

// Limit keeps the calls below their account's quotas: it makes each wait for
// its slots, the higher priority first and within one first come first served, and
// ends with Canceled where ctx ends before. A call of an account without a limiter
// is not made.
func Limit(next Caller, limiters Limiters, metrics *Metrics) Caller {
	return Func(func(ctx context.Context, req *Request) (*Response, error) {
		limiter, ok := limiters[req.Account]
		if !ok {
			return nil, refusal(req, Internal, fmt.Sprintf("account %q has no limiter", req.Account), nil)
		}
		return limited(ctx, next, req, limiter.operation(req.Operation), metrics)
	})
}

// limited makes a call when there is a slot for it, and takes another one where
// that has become too old to be sent on.
func limited(
	ctx context.Context, next Caller, req *Request, o *operation, metrics *Metrics,
) (resp *Response, err error) {
	for range staleTries {
		start := time.Now()
		t, waitErr := o.acquire(ctx, PriorityOf(ctx, req))
		metrics.waited(req, time.Since(start))
		if waitErr != nil {
			return nil, refusal(req, Canceled, "gave up while waiting for quota", waitErr)
		}
		resp, err = o.spend(ctx, next, req, t)
		if t.within && CodeOf(err) == Throttled {
			metrics.foreign(req)
		}
		if !errors.Is(err, stale{}) {
			break
		}
	}
	return resp, err
}

// spend makes a call on its slots.
func (o *operation) spend(ctx context.Context, next Caller, req *Request, t ticket) (*Response, error) {
	end := ending{} // also what a panic leaves behind
	defer func() { o.release(t, end) }()
	resp, err := next.Call(withSlot(ctx, t.slot), req)
	end = endingOf(resp, err)
	return resp, err
}

// endingOf reads from an outcome what matters for the slot. Only a refusal of
// the wrappers below means that nothing was sent for certain; where a client
// says Canceled or Internal, the request may have left.
func endingOf(resp *Response, err error) ending {
	if err == nil {
		return ending{answered: true, rtt: resp.RTT}
	}
	e := asError(err)
	switch e.Code {
	case Unknown, Unavailable, Canceled, Internal:
		return ending{unsent: e.unsent, answered: e.RTT > 0 || e.Status > 0, rtt: e.RTT}
	default:
		return ending{unsent: e.unsent, answered: true, throttled: e.Code == Throttled, rtt: e.RTT}
	}
}
