package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/sync/emulator"
	"weir/sync/source"
)

// heard is what a house tells of its resources, in order.
type heard struct {
	mu    sync.Mutex // the house goes on while a test looks
	lines []string
	ends  time.Time // of the lease that was told last
}

func (h *heard) in(_ *house, o *Options) {
	note := func(format string, args ...any) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.lines = append(h.lines, fmt.Sprintf(format, args...))
	}
	o.News = News{
		Made:    func(m Made) { note("made %s %s %s by %d", m.Action, m.ID.Kind, m.Reason, m.Calls) },
		Failing: func(f Failing) { note("failing %s over %v %s", f.ID.Kind, f.Over, f.Code) },
		Drift:   func(d Drifting) { note("drift %s over %v %s", d.ID.Kind, d.Over, strings.Join(d.Fields, ",")) },
		Lease: func(l Lease) {
			note("lease %s ends %v", l.ID.Kind, !l.Ends.IsZero())
			h.mu.Lock()
			defer h.mu.Unlock()
			h.ends = l.Ends
		},
	}
}

// since returns what was heard since the last look, and when the lease that was told
// last ends.
func (h *heard) since() (lines []string, ends time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines, h.lines = h.lines, nil
	return lines, h.ends
}

// expect compares what was heard since the last look, and returns when the lease that
// was told last ends.
func (h *heard) expect(t *testing.T, want ...string) (ends time.Time) {
	t.Helper()
	lines, ends := h.since()
	if !slices.Equal(lines, want) {
		t.Errorf("heard\n  %s\nwant\n  %s", strings.Join(lines, "\n  "), strings.Join(want, "\n  "))
	}
	return ends
}

// TestNewsOfDrift: what somebody changed is told when it is found, with the field,
// that it was put back, and that it is over; nothing is told twice.
func TestNewsOfDrift(t *testing.T) {
	var told heard
	inTime(t, []change{minutely, told.in}, func(h *house) {
		h.commit("b.yaml", relay)
		h.wait(time.Minute)
		told.expect(t, "made create RelaySource new by 1")
		h.patch(changedRelay("c.example.org", ""))
		h.wait(10 * time.Minute)
		told.expect(t, "drift RelaySource over false groups[0].servers[0].address", "made update RelaySource drifted by 1",
			"drift RelaySource over true groups[0].servers[0].address")
	})
}

// TestNewsOfReportedDrift: what is not put back stands until somebody mends it.
func TestNewsOfReportedDrift(t *testing.T) {
	var told heard
	report := func(_ *house, o *Options) { o.Policy.HealDrift = false }
	inTime(t, []change{minutely, told.in, report}, func(h *house) {
		h.commit("b.yaml", relay)
		h.wait(time.Minute)
		h.patch(changedRelay("c.example.org", ""))
		h.wait(time.Hour)
		told.expect(t, "made create RelaySource new by 1", "drift RelaySource over false groups[0].servers[0].address")
		h.patch(changedRelay("a.example.org", ""))
		h.wait(5 * time.Minute)
		told.expect(t, "drift RelaySource over true groups[0].servers[0].address")
	})
}

// TestNewsOfFailures: once each, however often it is tried, and when it is made or
// not wanted any more.
func TestNewsOfFailures(t *testing.T) {
	refuse := emulator.Fault{Operation: "UpdateRelaySourceV3", Kind: "error", Code: "InvalidParameter", Status: 400}
	for name, mend := range map[string]func(h *house){
		"made":       func(h *house) { h.faults() },
		"not wanted": func(h *house) { h.commit("a.yaml", multiOn) },
	} {
		t.Run(name, func(t *testing.T) {
			var told heard
			inTime(t, []change{told.in}, func(h *house) {
				h.commit("a.yaml", multiOn)
				h.wait(time.Minute)
				told.expect(t, "made create MultiStream new by 1")
				h.faults(refuse)
				h.commit("a.yaml", multiOn, "b.yaml", relay)
				h.wait(20 * time.Minute)
				told.expect(t, "failing RelaySource over false invalid")
				mend(h)
				h.wait(20 * time.Minute)
				if name == "made" {
					told.expect(t, "made create RelaySource new by 1", "failing RelaySource over true ")
				} else {
					told.expect(t, "failing RelaySource over true ")
				}
			})
		})
	}
}

// TestNewsOfLeases: when what was applied ends, again when that changes, and that it
// is gone; one that is renewed has no end.
func TestNewsOfLeases(t *testing.T) {
	lasting := strings.Replace(prefetchOnce, "connectionTimeout: 10m", "connectionTimeout: 1h", 1)
	if lasting == prefetchOnce {
		t.Fatalf("no such duration in %s", prefetchOnce)
	}
	var told heard
	inTime(t, []change{told.in}, func(h *house) {
		began := time.Now()
		h.onAir(true, "main")
		h.commit("p.yaml", lasting)
		h.wait(time.Minute)
		ends := told.expect(t, "made create RtcPrefetch new by 2", "lease RtcPrefetch ends true")
		if left := ends.Sub(began); left < time.Hour || left > time.Hour+time.Minute {
			t.Errorf("it ends after %s", left)
		}
		h.commit("p.yaml", strings.TrimSuffix(lasting, "}\n")+", renew: true}\n")
		h.wait(time.Minute)
		told.expect(t, "lease RtcPrefetch ends false")
		h.commit("p.yaml", lasting)
		h.wait(time.Minute)
		told.expect(t, "lease RtcPrefetch ends true")
		h.wait(2 * time.Hour)
		told.expect(t, "lease RtcPrefetch ends false")

		until := time.Now().Add(2 * time.Hour).UTC().Format(time.RFC3339)
		h.commit("p.yaml", lasting, "f.yaml", strings.Replace(forbid, "allowed: false", "allowed: false, until: "+until, 1))
		h.wait(time.Minute)
		lines, ends := told.since()
		if want := "lease StreamIngest ends true"; !slices.Contains(lines, want) || ends.UTC().Format(time.RFC3339) != until {
			t.Errorf("%v, ends %s, want %s", lines, ends, until)
		}
	})
}

// TestNoNewsInADryRun: nothing is done, and nothing is told.
func TestNoNewsInADryRun(t *testing.T) {
	var told heard
	inTime(t, []change{told.in, func(_ *house, o *Options) { o.DryRun = true }}, func(h *house) {
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(time.Hour)
		told.expect(t)
	})
}

// TestRefusedNamesItsProblems: the first of them, with their places, and how many
// there are.
func TestRefusedNamesItsProblems(t *testing.T) {
	var told []Verdict
	inTime(t, []change{func(_ *house, o *Options) { o.Verdict = func(v Verdict) { told = append(told, v) } }}, func(h *house) {
		var files []string
		for i := range 30 {
			files = append(files, fmt.Sprintf("f%02d.yaml", i), strings.Replace(relay, "protocol: rtmp", "protocol: hls", 1))
		}
		h.commit(files...)
		h.wait(time.Minute)
		if len(told) != 1 || told[0].Outcome != Rejected || told[0].Problems < 30 || len(told[0].Errors) != errorsTold || told[0].Errors[0].Line == 0 {
			t.Errorf("%+v", told)
		}
	})
}

// TestVerdictsOfWhatIsHeldBack: while a source holds its newest revision back, looks
// and passes say nothing new of it, or of what was refused before; once it delivers
// again, what it delivers is told.
func TestVerdictsOfWhatIsHeldBack(t *testing.T) {
	var told []string
	tell := func(_ *house, o *Options) {
		o.Verdict = func(v Verdict) { told = append(told, fmt.Sprintf("%s, behind %v", v.Outcome, v.Behind)) }
	}
	inTime(t, []change{minutely, tell}, func(h *house) {
		expect := func(want ...string) {
			t.Helper()
			h.wait(3 * time.Minute)
			if !slices.Equal(told, want) {
				t.Errorf("told %q, want %q", told, want)
			}
			told = nil
		}
		h.commit("a.yaml", multiOn)
		expect("applied, behind false")
		good := h.source.current
		h.commit("a.yaml", strings.Replace(multiOn, "true", "no!", 1))
		expect("rejected, behind false")
		for range 3 {
			h.source.set(nil, &source.Error{Code: source.CodeRewritten, Err: errors.New("was rewritten"), Revision: "c"})
			h.wait(5 * time.Minute)
		}
		expect("stopped, behind false")
		h.source.set(good, nil)
		expect("applied, behind false")
		h.source.set(nil, &source.Error{Code: source.CodeRewritten, Err: errors.New("was rewritten"), Revision: "c"})
		expect("stopped, behind false")
		h.commit("a.yaml", multiOff)
		expect("applied, behind false")
	})
}

// unreadable are faults that keep everything from being read, or written where
// also is a write.
func unreadable(also ...string) []emulator.Fault {
	var out []emulator.Fault
	for _, operation := range append([]string{"DescribeRelaySourceV3", "DescribeLiveStreamsBlockList"}, also...) {
		out = append(out, emulator.Fault{Operation: operation, Kind: "error", Code: "InternalError", Status: 500})
	}
	return out
}

// TestNoNewsOfWhatCannotBeRead: while nothing is known nothing has been mended, and
// no lease has ended.
func TestNoNewsOfWhatCannotBeRead(t *testing.T) {
	var told heard
	inTime(t, []change{minutely, told.in}, func(h *house) {
		until := time.Now().Add(20 * time.Hour).UTC().Format(time.RFC3339)
		h.commit("f.yaml", strings.Replace(forbid, "allowed: false", "allowed: false, until: "+until, 1), "b.yaml", relay)
		h.wait(5 * time.Minute)
		told.since()
		h.faults(emulator.Fault{Operation: "UpdateRelaySourceV3", Kind: "error", Code: "InvalidParameter", Status: 400})
		h.commit("f.yaml", strings.Replace(forbid, "allowed: false", "allowed: false, until: "+until, 1),
			"b.yaml", strings.Replace(relay, "a.example.org", "d.example.org", 1))
		h.wait(5 * time.Minute)
		told.expect(t, "failing RelaySource over false invalid")
		h.faults(unreadable("UpdateRelaySourceV3")...)
		h.wait(2 * time.Hour)
		told.expect(t)
		h.faults()
		h.wait(2 * time.Hour)
		told.expect(t, "made update RelaySource edited by 1", "failing RelaySource over true ")
	})
}
