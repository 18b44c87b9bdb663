package view

import (
	"cmp"
	"slices"
)

// quota returns how the quotas are used, by account and operation.
func (v *Viewer) quota() []Gauge {
	out := []Gauge{}
	for account, limiter := range v.Limiters {
		for operation, g := range limiter.Gauges() {
			out = append(out, Gauge{account, operation, g.PerSecond, g.Used, g.Waiting, g.Throttled})
		}
	}
	slices.SortFunc(out, func(a, b Gauge) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Operation, b.Operation))
	})
	return out
}

// Quota returns how the quotas are used now.
func (v *Viewer) Quota() []Gauge { return v.quota() }
