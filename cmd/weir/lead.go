package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"weir/sync/plan"
)

// patientLeases is for how many leases a command waits for an account: a daemon that is
// gone holds it for one.
const patientLeases = 2

// lead has this process lead the accounts in which a plan changes something, where
// others could: the daemons hand them over for as long as the command runs. What was
// read before is read again.
func (a *app) lead(ctx context.Context, one *oneShot, command string, p *plan.Plan) error {
	accounts := accountsOf(p)
	if one.fleet == nil || len(accounts) == 0 {
		return nil
	}
	patience := patientLeases * one.cfg.Cluster.Lease
	limited, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("waited for %s", patience))
	defer cancel()
	one.fleet.claims.Store(&accounts)
	if err := one.fleet.join(limited, joining{command: command, once: true}); err != nil {
		return err
	}
	m := one.fleet.member.Load()
	for _, account := range accounts {
		if l, led := m.View().Leaders[account]; led {
			fmt.Fprintf(a.errs, "account %s is asked of %s, which leads it\n", account, l.Name)
		}
	}
	if err := m.Claim(limited, accounts...); err != nil {
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w; `weir status` says who leads what", err)
		}
		return err
	}
	one.rec.Distrust()
	return nil
}

// accountsOf returns the accounts in which something is due, ordered.
func accountsOf(p *plan.Plan) []string {
	var out []string
	for c := range p.Due() {
		out = append(out, c.ID.Account)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
