package call

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// When circuits open, and for how long.
const (
	failuresToOpen = 5 // in a row

	outageFirst   = 5 * time.Second // an operation that fails
	outageLongest = time.Minute

	stopFirst   = time.Minute // an account whose key or bill is refused; an operation that is gone
	stopLongest = 10 * time.Minute
)

// Circuit keeps calls from clouds that cannot or will not answer them.
//
// After five outcomes in a row that show no working service (Unavailable, and
// Unknown: a hung cloud times out), calls of that account and operation are
// refused for 5 seconds, growing to 60. Unauthentic and Billing, and a Clock
// error that the corrected clock did not cure, stop the whole account for 60
// seconds, growing to 10 minutes, or until Reset: repeating calls with a
// refused key locks accounts. Unsupported stops its operation in the same way.
// Other accounts go on. Afterwards one probe decides.
//
// A refused call was not sent; it ends with Stopped and the words of the
// outcome that began it.
type Circuit struct {
	recovered func(account, operation string)

	mu       sync.Mutex
	accounts map[string]*accountGate
}

// accountGate is the gate of an account and those of its operations.
type accountGate struct {
	gate
	operations map[string]*gate
	admitted   int // calls let through so far
	skewed     int // admitted when a Clock error came, 0 for none since the last good answer
	renewed    int // admitted when the keys were last read anew
}

// NewCircuit returns a circuit with everything open. After an outage recovered
// is called (it may be nil), so that the limiter lets the calls return slowly.
func NewCircuit(recovered func(account, operation string)) *Circuit {
	if recovered == nil {
		recovered = func(string, string) {}
	}
	return &Circuit{recovered: recovered, accounts: map[string]*accountGate{}}
}

// Reset lets the account's calls through again: its keys were read anew.
func (c *Circuit) Reset(account string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.account(account)
	a.gate = gate{}
	a.skewed = 0
	a.renewed = a.admitted
}

// Stop is an account or operation that no calls are sent to.
type Stop struct {
	Account   string
	Operation string    // "" for the whole account
	Until     time.Time // a probe is sent then
	Cause     *Error    // what began it
}

// Stops lists what is shut now, by account and operation.
func (c *Circuit) Stops() []Stop {
	c.mu.Lock()
	defer c.mu.Unlock()
	var stops []Stop
	add := func(account, operation string, g *gate) {
		if g.cause != nil {
			stops = append(stops, Stop{Account: account, Operation: operation, Until: g.until, Cause: g.cause})
		}
	}
	for account, a := range c.accounts {
		add(account, "", &a.gate)
		for operation, g := range a.operations {
			add(account, operation, g)
		}
	}
	slices.SortFunc(stops, func(a, b Stop) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Operation, b.Operation))
	})
	return stops
}

// Refuse answers at once the calls that Wrap would refuse later, after they
// have waited for quota.
func (c *Circuit) Refuse(next Caller) Caller {
	return Func(func(ctx context.Context, req *Request) (*Response, error) {
		c.mu.Lock()
		refused := c.refusal(req, time.Now())
		c.mu.Unlock()
		if refused != nil {
			return nil, refused
		}
		return next.Call(ctx, req)
	})
}

// Wrap refuses calls to what is shut, and learns from the outcomes of the
// others.
func (c *Circuit) Wrap(next Caller) Caller {
	return Func(func(ctx context.Context, req *Request) (resp *Response, err error) {
		p, refused := c.admit(req)
		if refused != nil {
			return nil, refused
		}
		outcome := &Error{Code: Internal} // what a panic leaves behind
		defer func() { c.settle(p, outcome) }()
		resp, err = next.Call(ctx, req)
		outcome = &Error{Code: OK}
		if err != nil {
			outcome = asError(err)
		}
		return resp, err
	})
}

// passage is a call that was let through.
type passage struct {
	account, operation           string
	probesAccount, probesService bool
	number                       int // of the calls of its account
}

// account returns the account's gate.
func (c *Circuit) account(name string) *accountGate {
	a, ok := c.accounts[name]
	if !ok {
		a = &accountGate{operations: map[string]*gate{}}
		c.accounts[name] = a
	}
	return a
}

// operation returns the operation's gate.
func (a *accountGate) operation(name string) *gate {
	g, ok := a.operations[name]
	if !ok {
		g = &gate{}
		a.operations[name] = g
	}
	return g
}

// admit lets a call through, or returns the outcome of one that is refused.
func (c *Circuit) admit(req *Request) (passage, *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if refused := c.refusal(req, time.Now()); refused != nil {
		return passage{}, refused
	}
	a := c.account(req.Account)
	a.admitted++
	return passage{
		account: req.Account, operation: req.Operation, number: a.admitted,
		probesAccount: a.pass(), probesService: a.operation(req.Operation).pass(),
	}, nil
}

// refusal returns the outcome of a call that must not pass, nil for others.
func (c *Circuit) refusal(req *Request, now time.Time) *Error {
	a := c.account(req.Account)
	for _, g := range []*gate{&a.gate, a.operation(req.Operation)} {
		if g.refuses(now) {
			return g.stopped(req, now)
		}
	}
	return nil
}

// stopped is the outcome of a call that was not let through.
func (g *gate) stopped(req *Request, now time.Time) *Error {
	left := max(0, g.until.Sub(now).Round(time.Second))
	e := refusal(req, Stopped, fmt.Sprintf("not sent, stopped for %v more after: %v", left, g.cause), g.cause)
	e.CloudCode = g.cause.CloudCode
	e.After = left
	return e
}

// settle learns from an outcome.
func (c *Circuit) settle(p passage, e *Error) {
	c.mu.Lock()
	a := c.account(p.account)
	now := time.Now()
	a.settle(p, e, now)
	back := a.operation(p.operation).settle(p, e, now)
	c.mu.Unlock()
	if back {
		c.recovered(p.account, p.operation)
	}
}

// settle learns about the account. While it is stopped only the probe counts:
// calls that were under way at the time say nothing new, nor do those that were
// signed with keys since replaced.
func (a *accountGate) settle(p passage, e *Error, now time.Time) {
	if (a.cause != nil && !p.probesAccount) || p.number <= a.renewed {
		return
	}
	switch {
	case e.Code == Unauthentic, e.Code == Billing, a.stillSkewed(p, e):
		a.shut(now, stopFirst, stopLongest, e)
	case e.Code == Clock:
		a.skewed = a.admitted
		a.probing = false
	case silent(e.Code):
		a.probing = false
	default:
		a.skewed = 0
		if p.probesAccount {
			a.open(now)
		}
	}
}

// stillSkewed reports whether e is a Clock error of a call that was signed
// after another one had corrected the clock.
func (a *accountGate) stillSkewed(p passage, e *Error) bool {
	return e.Code == Clock && (p.probesAccount || (a.skewed > 0 && p.number > a.skewed))
}

// settle learns about an operation, and reports whether it came back.
func (g *gate) settle(p passage, e *Error, now time.Time) bool {
	if g.cause != nil && !p.probesService {
		return false
	}
	switch {
	case e.Code == Unsupported:
		g.shut(now, stopFirst, stopLongest, e)
	case e.Code == Unavailable || e.Code == Unknown:
		g.fails++
		if p.probesService || g.fails >= failuresToOpen {
			g.shut(now, outageFirst, outageLongest, e)
		}
	case silent(e.Code):
		g.probing = false
	default:
		g.fails = 0
		if p.probesService {
			g.open(now)
			return true
		}
	}
	return false
}

// silent reports whether an outcome says nothing of how the cloud is.
func silent(c Code) bool {
	switch c {
	case Unavailable, Unknown, Withheld, Stopped, Canceled, Internal:
		return true
	default:
		return false
	}
}
