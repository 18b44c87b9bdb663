package reconcile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/emulator"
)

const relayParams = "apiVersion: volcengine/v1\nkind: RelaySource\nspec:\n  vhost: push.example.com\n  app: live\n" +
	"  groups:\n    - {name: a, servers: [{address: a.example.org, protocol: rtmp, params: {token: \"1\"}}]}\n"

// TestFailure_A31_IgnoredField: the cloud accepts a field and does not take it
// over. weir writes a few times, says that it is not effective, and stops; the
// next edit, or the cloud taking it over, ends that.
func TestFailure_A31_IgnoredField(t *testing.T) {
	const id = "RelaySource push.example.com/live"
	var told Verdict // the latest
	inTime(t, []change{func(_ *house, o *Options) { o.Verdict = func(v Verdict) { told = v } }}, func(h *house) {
		if err := h.clouds.SetSettings(emulator.Settings{RelayIgnoresParams: true, AcceptExampleDomains: true}); err != nil {
			t.Fatal(err)
		}
		h.commit("a.yaml", relayParams, "b.yaml", multiOn)
		h.wait(50 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "UpdateRelaySourceV3") // it may be the lag yet
		h.wait(30 * time.Second)
		if note := h.noteOf("RelaySource"); !strings.Contains(note, "not effective") && !strings.Contains(note, "does not show it yet") {
			t.Errorf("note %q", note)
		}
		h.wait(24 * time.Hour)
		if n := len(h.writes()); n == 0 || n > 4 {
			t.Errorf("written again %d times in a day", n)
		}
		h.expectStates(map[string]string{id: "drifted", "MultiStream live.example.com": "in-sync"})
		if note := h.noteOf("RelaySource"); !strings.Contains(note, "not effective: written again") || strings.Contains(note, "fight") {
			t.Errorf("note %q", note)
		}
		if told.Outcome != Unmade || !strings.Contains(told.Text, "not effective") {
			t.Errorf("told %+v", told)
		}
		if n := testutil.ToFloat64(h.rec.opts.Metrics.drift.WithLabelValues("volc", "RelaySource")); n != 0 {
			t.Errorf("counted as drift %v times", n)
		}
		if err := h.clouds.SetSettings(emulator.Settings{AcceptExampleDomains: true}); err != nil {
			t.Fatal(err)
		}
		h.commit("a.yaml", strings.Replace(relayParams, "a.example.org", "b.example.org", 1), "b.yaml", multiOn)
		h.wait(10 * time.Second)
		h.expectWrites("UpdateRelaySourceV3")
		h.expectStates(map[string]string{id: "in-sync", "MultiStream live.example.com": "in-sync"})
	})
}

// TestFailure_A31_LagBeyondTheWindow: reads that are further behind than weir
// waits lead to a few writes more, and to rest once they show.
func TestFailure_A31_LagBeyondTheWindow(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOff)
		h.wait(20 * time.Minute)
		h.writes()
		h.faults(emulator.Fault{Operation: "DescribeLiveDomainMultiStreamConfig", Kind: "stale-read", Delay: emulator.Duration(10 * time.Minute)})
		h.commit("a.yaml", multiOn)
		h.wait(9 * time.Minute)
		if n := len(h.writes()); n < 2 || n > 4 {
			t.Errorf("%d writes", n)
		}
		h.wait(30 * time.Minute)
		h.expectWrites()
		h.expectStates(map[string]string{"MultiStream live.example.com": "in-sync"})
	})
}

// noteOf returns what the plan says of the one resource of a kind.
func (h *house) noteOf(kind string) string {
	h.t.Helper()
	for c := range h.rec.Shown().Plan.All() {
		if c.ID.Kind == kind {
			return fmt.Sprint(c.Note, " ", c.Withheld)
		}
	}
	return ""
}
