package view

import (
	"cmp"
	"slices"
)

// Quota returns how the quotas are used now, by account and operation.
func (v *Viewer) Quota() []Gauge {
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
