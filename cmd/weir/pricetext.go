package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"weir/sync/call"
)

// soon is the time up to which it does not matter how long a plan takes, in
// seconds: nothing waits for a quota.
const soon = 2

// printPrice writes what a plan costs, by account and operation where it is worth
// a look.
func printPrice(w io.Writer, b call.Bill, s style) {
	if len(b.Calls) == 0 {
		return
	}
	s.line(w, 7, cell{"Price: ", bold}, cell{priceText(b), ""})
	if b.Seconds < soon || len(b.Calls) == 1 {
		return
	}
	t := table{indent: 2}
	for _, p := range b.Calls {
		t.text(p.Account, p.Operation, purposes(p), fmt.Sprintf("%.3g a second", p.PerSecond), "the last after "+about(p.Seconds))
	}
	t.write(w, s)
}

// priceText says what a plan costs in quota, how long that takes and which
// operation decides.
func priceText(b call.Bill) string {
	var all call.Price
	for _, p := range b.Calls {
		all.Count += p.Count
		all.Writes += p.Writes
		all.Verifies += p.Verifies
		all.Reads += p.Reads
	}
	what := fmt.Sprintf("%s (%s)", plural(all.Count, "call"), purposes(all))
	if b.Seconds < soon || b.Critical == nil {
		return fmt.Sprintf("%s, less than %ds under the quotas.", what, soon)
	}
	return fmt.Sprintf("%s, about %s under the quotas; %s.", what, about(b.Seconds), criticalText(b))
}

// criticalText says which operation the time comes from, and why.
func criticalText(b call.Bill) string {
	c := b.Critical
	for _, p := range b.Calls {
		if p.Account != c.Account || p.Operation != c.Operation {
			continue
		}
		why := fmt.Sprintf("%d at %.3g a second", p.Count, p.PerSecond)
		if c.Paced == call.ByRoundTrip {
			why = fmt.Sprintf("%d, one after the other", p.Count)
		}
		return fmt.Sprintf("%s of %s decides: %s", c.Operation, c.Account, why)
	}
	return "no operation decides"
}

// purposes says what calls are for, such as "2 writes, 1 read back".
func purposes(p call.Price) string {
	var parts []string
	if p.Writes > 0 {
		parts = append(parts, plural(p.Writes, "write"))
	}
	if p.Verifies > 0 {
		parts = append(parts, plural(p.Verifies, "read")+" back")
	}
	if p.Reads > 0 {
		parts = append(parts, plural(p.Reads, "read")+" before a write")
	}
	return strings.Join(parts, ", ")
}

// about writes seconds as precisely as a forecast is.
func about(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d < time.Second:
		return "1s"
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
