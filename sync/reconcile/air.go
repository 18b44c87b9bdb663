package reconcile

import (
	"context"
	"sync"
	"time"

	"weir/sync/apply"
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
	at    time.Time // before it was asked, zero for never
	known time.Time // when the answer came
	why   string
	asked time.Time // since when it is being asked, zero where it is not
}

func (r *Reconciler) interrupts(c plan.Change) bool {
	if !c.Due() || c.UnderWay || !r.leads(c.ID.Account) {
		return false
	}
	of := r.kinds[c.ID.Account][c.ID.Kind].Interrupts
	return of != nil && of(c)
}

// askAir writes into p what its changes would interrupt, and asks the clouds
// where that was not read a moment ago, or, of a plan that is held anyway, a
// while ago. Where nothing would be interrupted nothing is asked: reading costs
// quota. Of very many that are held anyway each is asked about before its call,
// and nobody's consent is taken for consent to interrupt it. What is under way
// asks itself. It reports whether it has written anything.
//
// The loop does not wait for the answers: a change without one does not begin,
// and what the last answer said counts until there is another.
func (r *Reconciler) askAir(ctx context.Context, p *plan.Plan, held func() bool) bool {
	n := 0
	for _, c := range p.Changes {
		if r.interrupts(c) {
			n++
		}
	}
	if n == 0 {
		return false
	}
	now, age := time.Now(), fresh
	if held() {
		if age = airAgain; n > airMost {
			return false
		}
	}
	byAccount := map[string][]plan.Change{}
	for _, c := range p.Changes {
		if a := r.aired[c.ID]; r.interrupts(c) && a.asked.IsZero() && !a.known.After(now.Add(-age)) {
			byAccount[c.ID.Account] = append(byAccount[c.ID.Account], c)
		}
	}
	answers := r.askAccounts(ctx, byAccount)
	if !r.resides {
		answers()
	}
	for i, c := range p.Changes {
		if !r.interrupts(c) {
			continue
		}
		if a := r.aired[c.ID]; a.why != "" || a.known.After(now.Add(-age)) {
			p.Changes[i].OnAir, p.Changes[i].Aired = a.why, a.at
		}
	}
	return true
}

// askAccounts asks what is on air, every account beside the others. What it
// returns waits for the answers and takes them over; the loop finds them in its
// inbox instead.
func (r *Reconciler) askAccounts(ctx context.Context, byAccount map[string][]plan.Change) (answers func()) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var got []answer
	deliver := func(a answer) { mu.Lock(); defer mu.Unlock(); got = append(got, a) }
	beside := &wg
	if r.resides {
		deliver, beside = r.deliverAired, &r.workers
	}
	now := time.Now()
	for _, name := range sortedKeys(byAccount) {
		changes := byAccount[name]
		a := answer{at: now}
		for _, c := range changes {
			a.ids = append(a.ids, c.ID)
			known := r.aired[c.ID]
			known.asked = now
			r.aired[c.ID] = known
		}
		beside.Go(func() {
			account := r.opts.Accounts[name]
			a.why = account.Provider.OnAir(ctx, apply.Because(account.Caller, changes[0]), changes)
			deliver(a)
		})
	}
	return func() {
		wg.Wait()
		for _, a := range got {
			r.airAnswered(a)
		}
	}
}

// airAnswered takes over what is on air.
func (r *Reconciler) airAnswered(a answer) {
	for i, id := range a.ids {
		r.aired[id] = airing{at: a.at, known: time.Now(), why: a.why[i]}
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
