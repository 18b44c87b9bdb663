package main

import (
	"flag"
	"fmt"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"weir/sync/emulator"
)

// beside is the number of changes of the apply in the story of processes that
// share a quota; each of its daemons has a fifth of them.
var beside = flag.Int("together", 20, "changes that an apply makes beside two daemons; from 100 on the use of the quota is checked")

// togetherVars are what the story knows of the numbers.
func togetherVars() []string {
	return []string{fmt.Sprint("MANY=", *beside), fmt.Sprint("FEW=", max(10, *beside/5))}
}

// checkFilled waits for a number of calls of an operation and checks that it was
// never called more often within a sliding second than it may be, both ends
// included: `filled OPERATION LIMIT CALLS...`.
func checkFilled(ts *testscript.TestScript, _ bool, args []string) {
	limit, err := strconv.Atoi(args[1])
	ts.Check(err)
	want := 0
	for _, arg := range args[2:] {
		n, err := strconv.Atoi(arg)
		ts.Check(err)
		want += n
	}
	arrivals := awaitCalls(ts, args[0], want)
	most := mostWithin(arrivals, time.Second)
	if most > limit || len(arrivals) < want {
		ts.Fatalf("%d of %d calls within one second, want at most %d of %d", most, len(arrivals), limit, want)
	}
	span := arrivals[len(arrivals)-1].Sub(arrivals[0])
	used := float64(len(arrivals)-limit) / float64(limit) / span.Seconds()
	ts.Logf("%d calls in %v: %.1f %% of the quota used, at most %d within a second", len(arrivals), span, 100*used, most)
	if *beside >= 100 && used < 0.95 {
		ts.Fatalf("%.3f of the quota used, want 0.95", used)
	}
}

// awaitCalls returns when an operation was called, as soon as it was called often
// enough.
func awaitCalls(ts *testscript.TestScript, operation string, enough int) (arrivals []time.Time) {
	deadline := time.Now().Add(20 * time.Second)
	for len(arrivals) < enough && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
		arrivals = nil
		for _, c := range ts.Value("clouds").(*emulator.Emulator).Journal() {
			if c.Operation == operation {
				arrivals = append(arrivals, c.Time)
			}
		}
	}
	return arrivals
}

// mostWithin counts the most arrivals in any sliding window, both ends included.
func mostWithin(arrivals []time.Time, window time.Duration) (most int) {
	first := 0
	for i, at := range arrivals {
		for at.Sub(arrivals[first]) > window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
