package call_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

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

func TestCost_Seconds(t *testing.T) {
	minute := func(n int) call.Window { return call.Window{Limit: n, Per: time.Minute} }
	tests := []struct {
		name    string
		n       int
		windows []call.Window
		seconds float64
		rate    float64
	}{
		{"one", 1, []call.Window{second(10)}, 0, 10},
		{"a full window", 10, []call.Window{second(10)}, 0, 10},
		{"one more", 11, []call.Window{second(10)}, 1, 10},
		{"two hundred", 200, []call.Window{second(10)}, 19, 10},
		{"slow window decides", 26, []call.Window{second(10), minute(25)}, 60, 25.0 / 60},
		{"fast window decides", 24, []call.Window{second(10), minute(25)}, 2, 25.0 / 60},
		{"the fast one adds to the slow one", 600, []call.Window{second(10), minute(500)}, 69, 500.0 / 60},
		{"no window", 5, nil, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			windows := func(string, string) []call.Window { return tt.windows }
			bill := call.Cost(requests("a", "Op", tt.n), windows)
			want := call.Price{Account: "a", Operation: "Op", Count: tt.n, PerSecond: tt.rate, Seconds: tt.seconds}
			if len(bill.Calls) != 1 || bill.Calls[0] != want || bill.Seconds != tt.seconds {
				t.Errorf("bill %+v, want %+v", bill, want)
			}
		})
	}
}

func TestCost_WholeTakesAsLongAsTheLongest(t *testing.T) {
	all := append(requests("b", "Op", 11), requests("a", "Op", 21)...)
	all = append(all, requests("a", "Other", 6)...)
	got, err := json.Marshal(call.Cost(all, limiters(t, second(10), "a", "b").Windows))
	want := `{"seconds":2,"calls":[` +
		`{"account":"a","operation":"Op","count":21,"perSecond":10,"seconds":2},` +
		`{"account":"a","operation":"Other","count":6,"perSecond":5,"seconds":1},` +
		`{"account":"b","operation":"Op","count":11,"perSecond":10,"seconds":1}]}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}

func TestCost_OfNothing(t *testing.T) {
	got, err := json.Marshal(call.Cost(nil, nil))
	if want := `{"seconds":0,"calls":[]}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

// TestCost_IsWhatTheLimiterTakes compares the price with the limiter's own
// time on a line without delay, where only the margins of the slots are added.
func TestCost_IsWhatTheLimiterTakes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		windows := []call.Window{second(rapid.IntRange(1, 30).Draw(rt, "a second"))}
		if rapid.Bool().Draw(rt, "minute window") {
			windows = append(windows, call.Window{Limit: rapid.IntRange(1, 200).Draw(rt, "a minute"), Per: time.Minute})
		}
		n := rapid.IntRange(1, 400).Draw(rt, "calls")
		var took time.Duration
		var price float64
		synctest.Test(t, func(t *testing.T) {
			client := &script{}
			c, l := limitedBy(t, client, 1, windows...)
			price = call.Cost(requests("a", "Op", n), call.Limiters{"a": l}.Windows).Seconds
			all(t.Context(), c, n, "Op")
			took = client.sent[n-1].Sub(client.sent[0])
		})
		if s := took.Seconds(); s < price || s > price*1.002+1e-6 {
			rt.Fatalf("priced %v s, took %v s", price, s)
		}
	})
}
