package apply

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/resource"
)

// Terms are what a forecast goes by. It is pure: the same plan on the same terms
// has the same one.
type Terms struct {
	Providers map[string]provider.Provider // by account
	// Outlook returns what is known now of an account's operation for calls of a
	// priority.
	Outlook  func(account, operation string, p call.Priority) call.Outlook
	Priority call.Priority // of the calls
	Parallel int           // changes of one account and kind in flight, 0 for DefaultParallel
	Now      time.Time
	// Fresh is how old what was read of a resource may be where it is changed by it;
	// what is older is read once more. 0 where nothing is.
	Fresh time.Duration
}

// remembered reports whether a read is not made, since its answer is known.
func (t Terms) remembered(account string, req *call.Request) bool {
	r, ok := t.Providers[account].(provider.Rememberer)
	return ok && r.Remembers(req)
}

// Forecast is how calls will be made, as far as that can be known before: under
// the quotas and at the round trips of now, beside the processes that wait now.
// What it cannot know is whether a call will fail or be throttled (a throttle
// makes weir wait for a window, and go at half the pace for minutes), whether a
// cloud shows late what was written, and how long other processes go on.
type Forecast struct {
	Took  time.Duration   // until the last answer
	Ends  []time.Duration // when the changes are done, or reads answered, the first one first
	Calls []Foreseen      // by account and operation
}

// Foreseen are the calls of one account and operation.
type Foreseen struct {
	call.Price
	Sent []time.Duration // when they go out, the first one first
}

// Foresee returns how Apply will carry out p.
func Foresee(p *plan.Plan, t Terms) Forecast {
	if t.Parallel <= 0 {
		t.Parallel = DefaultParallel
	}
	return rehearse(p, t).forecast()
}

// ForeseeReads returns how observing resources will go.
func ForeseeReads(want []resource.Resource, t Terms) Forecast {
	t.Priority = call.Planning
	r := newRehearsal(t)
	for _, list := range chains(want, t) {
		r.each(len(list), observeParallel, func(i int, done func()) {
			r.inTurn(len(list[i]), func(n int, done func()) {
				r.calls(list[i][n:n+1], asking, nil, func() {
					r.ends = append(r.ends, r.now)
					done()
				})
			}, done)
		}, nothing)
	}
	r.run()
	return r.forecast()
}

// observeParallel is about how many reads of one kind a provider makes at a time.
const observeParallel = 336

// chains returns the reads that observe resources, by account and kind: each once,
// those that one resource needs after each other together.
func chains(want []resource.Resource, t Terms) map[string][][]*call.Request {
	out := map[string][][]*call.Request{}
	asked := map[string]bool{}
	for _, res := range want {
		p, ok := t.Providers[res.ID.Account]
		if !ok || p.Kinds()[res.ID.Kind].Reads == nil {
			continue
		}
		var chain []*call.Request
		for _, req := range p.Kinds()[res.ID.Kind].Reads(res) {
			req.Account = res.ID.Account
			key := keyOf([]*call.Request{req})
			if !asked[key] && !t.remembered(res.ID.Account, req) {
				asked[key] = true
				chain = append(chain, req)
			}
		}
		if len(chain) > 0 {
			queue := res.ID.Account + "/" + res.ID.Kind
			out[queue] = append(out[queue], chain)
		}
	}
	return out
}

// keyOf tells requests apart.
func keyOf(reqs []*call.Request) string {
	var b strings.Builder
	for _, req := range reqs {
		fmt.Fprintln(&b, req.Account, req.Operation, req.Params) // maps print in key order
	}
	return b.String()
}

func (r *rehearsal) forecast() Forecast {
	f := Forecast{Took: r.last, Ends: r.ends}
	for _, l := range r.ledgers {
		f.Calls = append(f.Calls, l.foreseen())
	}
	slices.SortFunc(f.Calls, func(a, b Foreseen) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Operation, b.Operation))
	})
	return f
}

func (l *ledger) foreseen() Foreseen {
	now := make([]call.Window, len(l.look.Windows))
	for i, a := range l.look.Windows {
		limit, _ := a.At(0)
		now[i] = call.Window{Limit: limit, Per: a.Per}
	}
	f := Foreseen{Sent: l.sent, Price: call.Price{
		Account: l.account, Operation: l.name, Count: len(l.sent),
		Writes: l.tally.writes, Verifies: l.tally.verifies, Reads: l.tally.reads, PerSecond: call.PerSecond(now),
	}}
	if len(l.sent) > 0 {
		f.Seconds = l.sent[len(l.sent)-1].Seconds()
	}
	return f
}

// Bill returns what it costs.
func (f Forecast) Bill() call.Bill {
	prices := make([]call.Price, len(f.Calls))
	for i, c := range f.Calls {
		prices[i] = c.Price
	}
	return call.NewBill(f.Took.Seconds(), prices...)
}

// Left returns how much longer it takes when so much time has passed and so many
// of the changes are done: what it says of the rest, stretched as what is done
// was. Within the first seconds that says little, and counts for little.
func (f Forecast) Left(passed time.Duration, done int) time.Duration {
	if done >= len(f.Ends) {
		return 0
	}
	// By the forecast it is at least the time at which so many are done, and at
	// most that at which one more is.
	at := min(passed, f.Ends[done])
	if done > 0 {
		at = max(at, f.Ends[done-1])
	}
	stretch := float64(passed+earlyOn) / float64(at+earlyOn)
	return time.Duration(stretch * float64(f.Ends[len(f.Ends)-1]-at))
}

// earlyOn is the time within which what was done says little of the rest.
const earlyOn = 2 * time.Second
