package main

import (
	"strings"
	"testing"
	"time"

	"weir/sync/apply"
	"weir/sync/call"
)

func TestPrice_ReadAloud(t *testing.T) {
	update := call.Price{Account: "volc", Operation: "UpdateRelaySourceV3", Count: 500, Writes: 500, PerSecond: 9, Seconds: 56.1}
	describe := call.Price{Account: "volc", Operation: "DescribeRelaySourceV3", Count: 500, Verifies: 500, PerSecond: 9, Seconds: 56.2}
	remove := call.Price{Account: "volc", Operation: "DeleteRelaySourceV3", Count: 40, Writes: 40, PerSecond: 9, Seconds: 60}
	online := call.Price{Account: "volc", Operation: "ListOnlineStreams", Count: 1, Reads: 1, PerSecond: 500.0 / 60, Seconds: 30}
	tests := map[string]struct {
		bill call.Bill
		want string
	}{
		"nothing": {call.NewBill(0), ""},
		"a moment": {
			call.NewBill(0.1, call.Price{Account: "a", Operation: "Op", Count: 1, Writes: 1, PerSecond: 9}),
			"Price: 1 call (1 write), less than 2s under the quotas.\n",
		},
		"by the quota": {call.NewBill(56.3, update, describe), `
Price: 1000 calls (500 writes, 500 reads back), about 56s under the quotas; UpdateRelaySourceV3 of volc decides: 500 at 9 a second.
  volc  DescribeRelaySourceV3  500 reads back  9 a second  the last after 56s
  volc  UpdateRelaySourceV3    500 writes      9 a second  the last after 56s
`},
		"by round trips": {call.NewBill(61.5, remove, online), `
Price: 41 calls (40 writes, 1 read before a write), about 1m2s under the quotas; DeleteRelaySourceV3 of volc decides: 40, one after the other.
  volc  DeleteRelaySourceV3  40 writes              9 a second     the last after 1m0s
  volc  ListOnlineStreams    1 read before a write  8.33 a second  the last after 30s
`},
		"hours": {
			call.NewBill(10_000, call.Price{Account: "a", Operation: "Op", Count: 90_000, Writes: 90_000, PerSecond: 9, Seconds: 10_000}),
			"Price: 90000 calls (90000 writes), about 2h47m under the quotas; Op of a decides: 90000 at 9 a second.\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			printPrice(&b, tt.bill, false)
			if want := strings.TrimPrefix(tt.want, "\n"); b.String() != want {
				t.Errorf("got\n%s\nwant\n%s", b.String(), want)
			}
		})
	}
}

func TestDone_SaysHowGoodTheForecastWas(t *testing.T) {
	foreseen := func(took time.Duration, changes int) *apply.Forecast {
		return &apply.Forecast{Took: took, Ends: make([]time.Duration, changes)}
	}
	for want, rep := range map[string]*apply.Report{
		"0 writes in 12ms.":  {Took: 12 * time.Millisecond},
		"0 writes in 900ms.": {Took: 900 * time.Millisecond, Foreseen: foreseen(700*time.Millisecond, 2), Summary: map[apply.Outcome]int{apply.Done: 2}},
		"0 writes in 58.2s, 56s were foreseen (+4 %).": {
			Took: 58200 * time.Millisecond, Foreseen: foreseen(56*time.Second, 2), Summary: map[apply.Outcome]int{apply.Done: 2},
		},
		"0 writes in 3s, 56s were foreseen for all of it.": {
			Took: 3 * time.Second, Foreseen: foreseen(56*time.Second, 2), Summary: map[apply.Outcome]int{apply.Done: 1, apply.Refused: 1},
		},
	} {
		var b strings.Builder
		printResults(&b, rep, false)
		if !strings.HasSuffix(b.String(), "; "+want+"\n") {
			t.Errorf("got %s want ...%s", b.String(), want)
		}
	}
}
