package reconcile

import (
	"context"
	"sync"
	"time"

	"weir/sync/plan"
)

// airAgain is when it is looked again whether what a plan would interrupt is
// still on air, where another guard holds the plan anyway.
const airAgain = time.Minute

// airMost is how many changes of a plan that another guard holds are asked about.
// Ten thousand would take the clouds' quotas for many minutes at each pass.
const airMost = 200

// airing is what a change would interrupt, as it was read.
type airing struct {
	at  time.Time // before it was asked
	why string
}

func (r *Reconciler) interrupts(c plan.Change) bool {
	if !c.Due() {
		return false
	}
	of := r.kinds[c.ID.Account][c.ID.Kind].Interrupts
	return of != nil && of(c)
}

// askAir writes into p what its changes would interrupt, and asks the clouds
// where that was not read a moment ago, or, of a plan that is held anyway, a
// while ago. Where nothing would be interrupted nothing is asked: reading costs
// quota. Of very many that are held anyway each is asked about before its call,
// and nobody's consent is taken for consent to interrupt it.
func (r *Reconciler) askAir(ctx context.Context, p *plan.Plan, held func() bool) {
	n := 0
	for _, c := range p.Changes {
		if r.interrupts(c) {
			n++
		}
	}
	if n == 0 {
		return
	}
	now, age := time.Now(), fresh
	if held() {
		if age = airAgain; n > airMost {
			return
		}
	}
	byAccount := map[string][]plan.Change{}
	for _, c := range p.Changes {
		if r.interrupts(c) && !r.aired[c.ID].at.After(now.Add(-age)) {
			byAccount[c.ID.Account] = append(byAccount[c.ID.Account], c)
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, changes := range byAccount {
		wg.Go(func() {
			account := r.opts.Accounts[name]
			why := account.Provider.OnAir(ctx, account.Caller, changes)
			mu.Lock()
			defer mu.Unlock()
			for i, c := range changes {
				r.aired[c.ID] = airing{now, why[i]}
			}
		})
	}
	wg.Wait()
	for i, c := range p.Changes {
		if r.interrupts(c) {
			p.Changes[i].OnAir, p.Changes[i].Aired = r.aired[c.ID].why, r.aired[c.ID].at
		}
	}
}

// wakeOnAir looks again soon at what keeps p from being applied only while it is
// on air.
func (r *Reconciler) wakeOnAir(p *plan.Plan) {
	again := time.Now().Add(readAgain)
	for c := range p.Due() {
		if at, planned := r.wake[c.ID]; c.OnAir != "" && (!planned || at.After(again)) {
			r.wake[c.ID] = again
		}
	}
}
