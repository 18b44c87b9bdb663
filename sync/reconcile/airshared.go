package reconcile

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"weir/sync/plan"
	"weir/sync/state"
)

// Only who leads an account asks what is on air there, and all members guard the whole
// plan: what its changes would interrupt is left for the others among the marks.

// lendAir leaves for the others what changes of p would interrupt, of accounts that this
// process leads.
func (r *Reconciler) lendAir(ctx context.Context, p *plan.Plan) {
	if !r.shared() || r.opts.DryRun {
		return
	}
	on := map[string]map[string]string{}
	for c := range p.Due() {
		if c.OnAir == "" || !r.leads(c.ID.Account) || len(on[c.ID.Account]) == airMost {
			continue
		}
		if on[c.ID.Account] == nil {
			on[c.ID.Account] = map[string]string{}
		}
		on[c.ID.Account][c.ID.String()] = c.OnAir
	}
	for account := range r.opts.Accounts {
		text := ""
		if len(on[account]) > 0 {
			b, _ := json.Marshal(on[account]) // strings alone
			text = string(b)
		}
		source := state.AirSource + account
		if !r.leads(account) || r.marks.of(source)[state.Air].Revision == text {
			continue
		}
		if err := r.setMark(ctx, state.Mark{Source: source, Role: state.Air, Revision: text, At: time.Now()}); err != nil {
			r.opts.Logger.Warn("cannot tell the others what is on air", "account", account, "error", err)
		}
	}
}

// borrowAir writes into p what its changes would interrupt, as those say who lead the
// accounts.
func (r *Reconciler) borrowAir(p *plan.Plan) {
	if !r.shared() {
		return
	}
	on := map[string]map[string]string{}
	for _, m := range r.marks {
		of := map[string]string{}
		account, is := strings.CutPrefix(m.Source, state.AirSource)
		if is && m.Role == state.Air && !r.leads(account) && json.Unmarshal([]byte(m.Revision), &of) == nil {
			on[account] = of
		}
	}
	if len(on) == 0 {
		return
	}
	for i, c := range p.Changes {
		if of := on[c.ID.Account]; of != nil && c.Due() && !c.UnderWay {
			p.Changes[i].OnAir = of[c.ID.String()]
		}
	}
}
