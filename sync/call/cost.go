package call

import (
	"cmp"
	"slices"
)

// Bill is what a number of calls costs in quota and in time.
type Bill struct {
	Seconds float64 `json:"seconds"` // until all is done, under the quotas as they are now
	Calls   []Price `json:"calls"`   // by account and operation
	// Critical is the operation that the time comes from, nil where there is none.
	Critical *Critical `json:"critical,omitempty"`
}

// Price is the part of one account and operation. Writes, Verifies and Reads make
// up its Count: calls with an effect, reads that show what became of those, and
// reads that have to be made before one of those.
type Price struct {
	Account   string  `json:"account"`
	Operation string  `json:"operation"`
	Count     int     `json:"count"`
	Writes    int     `json:"writes"`
	Verifies  int     `json:"verifies"`
	Reads     int     `json:"reads"`
	PerSecond float64 `json:"perSecond"` // calls a second that its slowest window allows now
	Seconds   float64 `json:"seconds"`   // until the last of them is sent
}

// Critical names the operation that a bill's time comes from.
type Critical struct {
	Account   string `json:"account"`
	Operation string `json:"operation"`
	// Paced is what holds its calls back.
	Paced Pace `json:"paced"`
}

// Pace is what holds calls back.
type Pace string

// The paces.
const (
	ByQuota     Pace = "quota"      // as many a second as may be made
	ByRoundTrip Pace = "round-trip" // each waits for an answer
)

// criticalPart is the part of the time of the whole that an operation has to be
// busy for to be what the time comes from.
const criticalPart = 0.8

// NewBill makes a bill of prices: ordered, and with the operation that the time
// comes from. That is one of which calls go out until close to the end; of
// several, the one that the quotas alone would keep busy for the longest, and of
// those one that writes.
func NewBill(seconds float64, prices ...Price) Bill {
	bill := Bill{Seconds: seconds, Calls: append([]Price{}, prices...)}
	slices.SortFunc(bill.Calls, func(a, b Price) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Operation, b.Operation))
	})
	if len(prices) == 0 {
		return bill
	}
	last := slices.MaxFunc(bill.Calls, func(a, b Price) int { return cmp.Compare(a.Seconds, b.Seconds) })
	worst := slices.MaxFunc(bill.Calls, func(a, b Price) int {
		return cmp.Or(
			compare(a.Seconds >= criticalPart*last.Seconds, b.Seconds >= criticalPart*last.Seconds),
			cmp.Compare(a.alone(), b.alone()),
			compare(a.Writes > 0, b.Writes > 0),
			cmp.Compare(a.Count, b.Count),
		)
	})
	bill.Critical = &Critical{Account: worst.Account, Operation: worst.Operation, Paced: ByQuota}
	if worst.alone() < worst.Seconds/2 {
		bill.Critical.Paced = ByRoundTrip
	}
	return bill
}

// alone returns the seconds that the calls take if nothing but the quota holds
// them back.
func (p Price) alone() float64 {
	if p.PerSecond == 0 {
		return 0
	}
	return float64(p.Count) / p.PerSecond
}

// compare orders false before true.
func compare(a, b bool) int { return int(float(a) - float(b)) }

// PerSecond returns the calls a second that the slowest window allows, 0 where
// there is none.
func PerSecond(windows []Window) float64 {
	var slowest float64
	for i, w := range windows {
		rate := float64(w.Limit) / w.Per.Seconds()
		if i == 0 || rate < slowest {
			slowest = rate
		}
	}
	return slowest
}
