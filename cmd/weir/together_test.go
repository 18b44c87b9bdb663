package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"weir/sync/emulator"
	"weir/sync/reconcile"
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

// checkForetold checks in the report on stdout that an apply took as long as was
// foreseen, to so many percent: `foretold PERCENT`. Of a few changes it is only
// told: nobody knows which slots of the seconds in which it begins others will have
// taken, and a busy machine adds its own.
func checkForetold(ts *testscript.TestScript, _ bool, args []string) {
	percent, err := strconv.ParseFloat(args[0], 64)
	ts.Check(err)
	var rep reconcile.ReportDocument
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &rep))
	if rep.Predicted == nil || rep.Predicted.Ratio == 0 {
		ts.Fatalf("nothing was foreseen, or not all of it done: %+v", rep.Predicted)
	}
	off := rep.Seconds - rep.Predicted.Seconds
	ts.Logf("%.2fs foreseen, %.2fs taken: %+.1f %%", rep.Predicted.Seconds, rep.Seconds, 100*(rep.Predicted.Ratio-1))
	slack := percent / 100 * rep.Predicted.Seconds
	if *beside >= 100 && math.Abs(off) > slack {
		ts.Fatalf("%+.2fs off, want at most %.2fs", off, slack)
	}
}

// awaitCalls returns when an operation was called, as soon as it was called often
// enough.
func awaitCalls(ts *testscript.TestScript, operation string, enough int) (arrivals []time.Time) {
	deadline := time.Now().Add(20*time.Second + time.Duration(enough)*time.Second/9) // the daemons let a person go first
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
