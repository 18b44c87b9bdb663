package call

import (
	"cmp"
	"slices"
	"time"
)

// Bill is what a number of calls costs in quota.
type Bill struct {
	Seconds float64 `json:"seconds"` // until the last call can be sent
	Calls   []Price `json:"calls"`   // by account and operation
}

// Price is the part of one account and operation.
type Price struct {
	Account   string  `json:"account"`
	Operation string  `json:"operation"`
	Count     int     `json:"count"`
	PerSecond float64 `json:"perSecond"` // calls a second that its slowest window allows
	Seconds   float64 `json:"seconds"`   // until the last of them can be sent
}

// Cost prices requests under the given quotas, beginning with none used.
// Operations and accounts do not wait for each other, so the whole takes as
// long as the longest.
func Cost(requests []*Request, windows func(account, operation string) []Window) Bill {
	type key struct{ account, operation string }
	counts := map[key]int{}
	for _, req := range requests {
		counts[key{req.Account, req.Operation}]++
	}
	bill := Bill{Calls: []Price{}}
	for k, n := range counts {
		w := windows(k.account, k.operation)
		price := Price{
			Account: k.account, Operation: k.operation, Count: n,
			PerSecond: perSecond(w), Seconds: lasting(n, w).Seconds(),
		}
		bill.Calls = append(bill.Calls, price)
		bill.Seconds = max(bill.Seconds, price.Seconds)
	}
	slices.SortFunc(bill.Calls, func(a, b Price) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Operation, b.Operation))
	})
	return bill
}

// lasting returns when the last of n calls can be sent. Call i has to wait
// until a whole window after the call that many places before it, in each
// window; with one window that is (n-1)/Limit windows, rounded down, with
// several the slowest decides, and the others may add to it.
func lasting(n int, windows []Window) time.Duration {
	sent := make([]time.Duration, n)
	for i := range sent {
		for _, w := range windows {
			if i >= w.Limit {
				sent[i] = max(sent[i], sent[i-w.Limit]+w.Per)
			}
		}
	}
	if n == 0 {
		return 0
	}
	return sent[n-1]
}

// perSecond returns the calls a second that the slowest window allows, 0 where
// there is none.
func perSecond(windows []Window) float64 {
	var slowest float64
	for i, w := range windows {
		rate := float64(w.Limit) / w.Per.Seconds()
		if i == 0 || rate < slowest {
			slowest = rate
		}
	}
	return slowest
}
