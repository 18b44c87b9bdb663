package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/reconcile"
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
			printPrice(&b, tt.bill, style{})
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
		printResults(&b, rep, style{})
		if !strings.HasSuffix(b.String(), "; "+want+"\n") {
			t.Errorf("got %s want ...%s", b.String(), want)
		}
	}
}

// TestReading_ReadAloud: what is read is said before where that is long, and on a
// terminal how far it is.
func TestReading_ReadAloud(t *testing.T) {
	foreseen := func(calls int, took time.Duration) reconcile.Reading {
		f := apply.Forecast{Took: took, Ends: make([]time.Duration, calls), Calls: []apply.Foreseen{{Price: call.Price{
			Account: "ali", Operation: "Describe", Count: calls, Reads: calls, PerSecond: 9, Seconds: took.Seconds(),
		}}}}
		for i := range f.Ends {
			f.Ends[i] = took * time.Duration(i+1) / time.Duration(calls)
		}
		return reconcile.Reading{Resources: 400, Foreseen: f}
	}
	later := func(r reconcile.Reading, made int, took time.Duration, ended bool) reconcile.Reading {
		r.Made, r.Took, r.Ended = made, took, ended
		return r
	}
	short, long := foreseen(9, time.Second), foreseen(400, 44*time.Second)
	const shorter = "Where a daemon runs, less is read."
	const announced = "Reading 400 resources: 400 calls, about 44s under the quotas; Describe of ali decides: 400 at 9 a second.\n" + shorter + "\n"
	tests := map[string]struct {
		moves bool
		told  []reconcile.Reading
		want  string
	}{
		"a short one": {true, []reconcile.Reading{short, later(short, 5, time.Second/2, false), later(short, 9, time.Second, true)}, ""},
		"no terminal": {false, []reconcile.Reading{long, later(long, 100, 11*time.Second, false), later(long, 400, 44*time.Second, true)}, announced},
		"on a terminal": {
			true,
			[]reconcile.Reading{long, later(long, 100, 11*time.Second, false), later(long, 101, 11*time.Second, false), later(long, 400, 44*time.Second, true)},
			announced + "\r\x1b[Kread 100 of 400 calls, 33s left\r\x1b[K",
		},
		"twice as long": {true, []reconcile.Reading{long, later(long, 100, 24*time.Second, false)}, announced + "\r\x1b[Kread 100 of 400 calls, 1m5s left"},
		"more calls":    {true, []reconcile.Reading{long, later(long, 401, 45*time.Second, false)}, announced + "\r\x1b[Kread 401 calls, more than were foreseen"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var errs bytes.Buffer
			line := &readingLine{app: &app{errs: &errs, output: "text"}, moves: tt.moves, shorter: shorter}
			for _, r := range tt.told {
				line.show(r)
			}
			if errs.String() != tt.want {
				t.Errorf("got %q\nwant %q", errs.String(), tt.want)
			}
		})
	}
}
