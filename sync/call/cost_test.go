package call_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

// requests returns n requests.
func requests(account, operation string, n int) []*call.Request {
	all := make([]*call.Request, n)
	for i := range all {
		all[i] = &call.Request{Account: account, Operation: operation}
	}
	return all
}

func TestNewBill_Critical(t *testing.T) {
	price := func(operation string, writes, verifies int, rate, seconds float64) call.Price {
		return call.Price{
			Account: "a", Operation: operation, Count: writes + verifies, Writes: writes, Verifies: verifies,
			PerSecond: rate, Seconds: seconds,
		}
	}
	tests := []struct {
		name   string
		prices []call.Price
		want   *call.Critical
	}{
		{"nothing", nil, nil},
		{
			"a slow one ends last",
			[]call.Price{price("Fast", 100, 0, 50, 2), price("Slow", 100, 0, 10, 10)},
			&call.Critical{Account: "a", Operation: "Slow", Paced: call.ByQuota},
		},
		{
			"the write and not its reads back",
			[]call.Price{price("Describe", 0, 100, 10, 10.1), price("Update", 100, 0, 10, 10)},
			&call.Critical{Account: "a", Operation: "Update", Paced: call.ByQuota},
		},
		{
			"the reads back where their quota is lower",
			[]call.Price{price("Describe", 0, 100, 5, 20), price("Update", 100, 0, 10, 20)},
			&call.Critical{Account: "a", Operation: "Describe", Paced: call.ByQuota},
		},
		{
			"one after the other",
			[]call.Price{price("Delete", 40, 0, 10, 40), price("Update", 100, 0, 10, 10)},
			&call.Critical{Account: "a", Operation: "Delete", Paced: call.ByRoundTrip},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := call.NewBill(1, tt.prices...)
			if (got.Critical == nil) != (tt.want == nil) || got.Critical != nil && *got.Critical != *tt.want {
				t.Errorf("got %+v, want %+v", got.Critical, tt.want)
			}
		})
	}
}

func TestNewBill_AsJSON(t *testing.T) {
	prices := []call.Price{
		{Account: "b", Operation: "Op", Count: 11, Writes: 11, PerSecond: 10, Seconds: 1},
		{Account: "a", Operation: "Op", Count: 2, Reads: 1, Verifies: 1, PerSecond: 5},
	}
	for want, bill := range map[string]call.Bill{
		`{"seconds":0,"calls":[]}`: call.NewBill(0),
		`{"seconds":1.5,"calls":[` +
			`{"account":"a","operation":"Op","count":2,"writes":0,"verifies":1,"reads":1,"perSecond":5,"seconds":0},` +
			`{"account":"b","operation":"Op","count":11,"writes":11,"verifies":0,"reads":0,"perSecond":10,"seconds":1}],` +
			`"critical":{"account":"b","operation":"Op","paced":"quota"}}`: call.NewBill(1.5, prices...),
	} {
		if got, err := json.Marshal(bill); err != nil || string(got) != want {
			t.Errorf("got %s, %v\nwant %s", got, err, want)
		}
	}
}

// TestOutlook_GrowsAsTheLimiterDoes compares what a limiter foresees of its
// limits with what they are then.
func TestOutlook_GrowsAsTheLimiterDoes(t *testing.T) {
	for name, cut := range map[string]func(c call.Caller, l *call.Limiter){
		"whole":    func(call.Caller, *call.Limiter) {},
		"throttle": func(c call.Caller, _ *call.Limiter) { _, _ = c.Call(t.Context(), requests("a", "Op", 1)[0]) },
		"outage":   func(_ call.Caller, l *call.Limiter) { l.Ramp("Op") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, l := limitedBy(t, &script{outcomes: fails(1, call.Throttled)}, 1, second(20), call.Window{Limit: 500, Per: time.Minute})
				cut(c, l)
				time.Sleep(7 * time.Second)
				look, began := l.Outlook("Op", call.Routine), time.Now()
				for range 400 {
					for i, now := range l.Windows("Op") {
						if limit, _ := look.Windows[i].At(time.Since(began)); limit != now.Limit {
							t.Fatalf("%v later the limit is %d of %v, and %d was foreseen", time.Since(began), now.Limit, now.Per, limit)
						}
					}
					time.Sleep(time.Second)
				}
			})
		})
	}
}

// TestOutlook_Trips: an operation that was never called takes as long as others.
func TestOutlook_Trips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const trip = 80 * time.Millisecond
		c, l := limitedBy(t, newCloud(line{forth: trip / 2, back: trip / 2}, 1), 1, second(10))
		if look := l.Outlook("Other", call.Routine); look.Trip != 0 || look.Credit(100) != 0 {
			t.Errorf("before anything was called: %+v", look)
		}
		all(t.Context(), c, 20, "Op")
		if look := l.Outlook("Op", call.Routine); look.Trip != trip || look.Credit(0) != trip*92/100 || len(look.Windows[0].Busy) != 10 {
			t.Errorf("of what was called: %+v", look)
		}
		if look := l.Outlook("Other", call.Routine); look.Trip != trip || look.Credit(15) != 0 || look.Credit(20) != trip*92/100 || len(look.Windows[0].Busy) != 0 {
			t.Errorf("of what was not: %+v", look)
		}
	})
}
