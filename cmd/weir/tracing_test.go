package main

import (
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"weir/sync/trace/otlp/otlptest"
)

// collector is a story's own, where it has started one.
type collector struct{ *otlptest.Receiver }

// startCollector starts a collector: `collector`, whose address is $COLLECTOR.
func startCollector(ts *testscript.TestScript, _ bool, _ []string) {
	c, _ := ts.Value("collector").(*collector)
	c.Receiver = otlptest.New()
	ts.Defer(c.Close)
	ts.Setenv("COLLECTOR", c.URL)
}

// spanLines are the spans that the story's collector has taken.
func spanLines(ts *testscript.TestScript) []string {
	c, _ := ts.Value("collector").(*collector)
	_, spans, err := c.Requests()
	ts.Check(err)
	return otlptest.Lines(spans)
}

// checkSpan waits for a span: `span PATH PART...`, its names from the root down and
// parts of how it ended and of its attributes. With `!` there is none now.
func checkSpan(ts *testscript.TestScript, neg bool, args []string) {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		lines := spanLines(ts)
		found := hasSpan(lines, args[0], args[1:])
		switch {
		case found && neg:
			ts.Fatalf("there is such a span among\n%s", strings.Join(lines, "\n"))
		case found || neg:
			return
		case time.Now().After(deadline):
			ts.Fatalf("there is no such span among\n%s", strings.Join(lines, "\n"))
		}
	}
}

func hasSpan(lines []string, path string, parts []string) bool {
	for _, line := range lines {
		got, rest, _ := strings.Cut(line, " ")
		all := got == path || path == "*"
		for _, part := range parts {
			all = all && strings.Contains(" "+rest+" ", part)
		}
		if all {
			return true
		}
	}
	return false
}
