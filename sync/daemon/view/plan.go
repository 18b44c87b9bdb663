package view

import (
	"slices"
	"strings"
	"sync"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/plan/guard"
	"weir/sync/reconcile"
)

// billTime is how long the price of a plan is good for: it changes with what is in
// use of the quotas, and takes a while to work out.
const billTime = 2 * time.Second

// bills remembers the price of the newest plan.
type bills struct {
	mu   sync.Mutex
	of   *plan.Plan
	bill call.Bill
	at   time.Time
}

// Plan returns changes of the newest plan from offset on, at most limit of them, or
// all with 0. It reports false before there is one.
func (v *Viewer) Plan(offset, limit int) (Plan, bool, error) {
	p := v.Loop.Shown().Plan
	if p == nil {
		return Plan{}, false, nil
	}
	doc, total, err := v.Loop.Page(p, offset, limit)
	if err != nil {
		return Plan{}, true, err
	}
	doc.Cost = v.bills.price(v.Loop, p)
	return Plan{
		PlanDocument: doc, Total: total, Offset: offset, Consent: Consent(p.Held, p.Revision, p.Hash), Run: v.run(),
	}, true, nil
}

// PlanHead is what tells a plan from another.
type PlanHead struct {
	reconcile.PlanStatus
	Revision string `json:"revision"`
	Consent  string `json:"consent,omitempty"` // the command that lets it through, "" where none does
}

// PlanHead returns that of the newest plan.
func (v *Viewer) PlanHead() PlanHead {
	s := v.Loop.Status()
	s.Plan.Held = append([]plan.Hold{}, s.Plan.Held...)
	return PlanHead{s.Plan, s.Revision, Consent(s.Plan.Held, s.Revision, s.Plan.Hash)}
}

func (b *bills) price(r *reconcile.Reconciler, p *plan.Plan) call.Bill {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of != p || time.Since(b.at) > billTime {
		b.of, b.bill, b.at = p, r.Price(p), time.Now()
	}
	return b.bill
}

// planShown is how many digits of a plan's hash tell it from others.
const planShown = 12

// Consent returns the command that lets through what holds a plan, "" where nothing
// does.
func Consent(held []plan.Hold, revision, hash string) string {
	if len(held) == 0 {
		return ""
	}
	if slices.ContainsFunc(held, func(h plan.Hold) bool { return h.Guard == guard.RolledBack }) {
		return "weir rollback --unpin"
	}
	if of, is := strings.CutPrefix(revision, reconcile.RollbackOf); is {
		return "weir rollback " + of[:min(len(of), planShown)] + " --consent " + hash
	}
	return "weir apply --consent " + hash
}
