package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/sync/emulator"
	"weir/sync/state"
)

// TestEveryKindOfWriteSaysWhy has every kind of write happen: creation, edit,
// what a merging cloud leaves over, heal, act, renewal, restart, one whose
// answer is lost, and removal. The journal says of each which line of which
// commit asked for it, what it changed and how it ended; and it has every call
// that the clouds have seen.
func TestEveryKindOfWriteSaysWhy(t *testing.T) {
	inBook(t, nil, func(h *house, b *book, _ *[]Verdict) {
		if err := h.clouds.SetSettings(emulator.Settings{RelayUpdate: "merge", AcceptExampleDomains: true}); err != nil {
			t.Fatal(err)
		}
		h.onAir(true, "main")
		first := b.turn(h, "a.yaml", multiOn, "b.yaml", relay, "c.yaml", prefetch, "d.yaml", record, "e.yaml", forbid)
		h.wait(time.Minute)
		h.patch(emulator.World{Domains: []emulator.Domain{
			{Name: "live.example.com", Type: "vhost", MultiStream: "off"},
			{Name: "push.example.com", Type: "publish", Main: "live.example.com"},
		}})
		h.wait(11 * time.Minute) // heals, and renews the prefetch
		h.faults(emulator.Fault{Operation: "UpdateRelaySourceV3", Kind: "lost-response", Count: 1})
		second := b.turn(h, "a.yaml", multiOn, "b.yaml", relayShort, "c.yaml", prefetch, "d.yaml", restart)
		h.wait(time.Minute)

		var got []string
		for _, e := range h.journal() {
			if !e.Write {
				continue
			}
			for _, missing := range unsaid(e) {
				t.Errorf("%s of %s does not say its %s: %+v", e.Operation, e.Resource, missing, e)
			}
			if want := e.Origin.File + "@" + e.Revision; e.Origin.Commit != want {
				t.Errorf("%s of %s was for commit %q, want %q", e.Operation, e.Resource, e.Origin.Commit, want)
			}
			turn := map[string]string{first: "first", second: "second"}[e.Revision]
			line := fmt.Sprintf("%s %s %s %s %s: %s", e.Operation, e.Origin, turn, e.Change.Action, e.Change.Reason, e.Outcome.Code)
			if !slices.Contains(got, line) {
				got = append(got, line)
			}
		}
		slices.Sort(got)
		want := []string{
			"DeleteRelaySourceV3 b.yaml:1 second update edited: ok", // what a merging cloud left over
			"ForbidLiveStream e.yaml:1 first create new: ok",
			"HotLiveRtcStream c.yaml:1 first create new: ok",
			"HotLiveRtcStream c.yaml:1 first update expired: ok", // renewed
			"RealTimeRecordCommand d.yaml:1 first create new: ok",
			"RealTimeRecordCommand d.yaml:1 second update restart: ok",
			"ResumeLiveStream e.yaml:1 second delete removed: ok",
			"SetLiveDomainMultiStreamConfig a.yaml:1 first create drifted: ok", // healed
			"SetLiveDomainMultiStreamConfig a.yaml:1 first create new: ok",
			"UpdateRelaySourceV3 b.yaml:1 first create new: ok",
			"UpdateRelaySourceV3 b.yaml:1 second update edited: ok",
			"UpdateRelaySourceV3 b.yaml:1 second update edited: unknown",
		}
		if !slices.Equal(got, want) {
			t.Errorf("journal\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
		expectSameCalls(t, h)
	})
}

// unsaid returns what an entry of a write does not say.
func unsaid(e state.Entry) (missing []string) {
	said := map[string]bool{
		"resource": e.Resource != "", "file": e.Origin.File != "", "line": e.Origin.Line > 0, "author": e.Origin.Author != "",
		"source": e.Origin.Source != "", "commit": e.Origin.Commit != "", "revision": e.Revision != "", "plan": e.Plan != "",
		"process": e.Process != "", "change": e.Change != nil && e.Change.Action != "" && e.Change.Reason != "",
		"fields":  e.Change != nil && (e.Change.Reason == "expired" || len(e.Change.Fields()) > 0),
		"outcome": !e.Outcome.Closed.IsZero(), "request id": e.Outcome.RequestID != "" || e.Outcome.Code == "unknown",
	}
	for _, what := range slices.Sorted(maps.Keys(said)) {
		if !said[what] {
			missing = append(missing, what)
		}
	}
	return missing
}

// expectSameCalls holds the journal against that of the clouds: the same calls,
// by the request ids that the clouds gave them.
func expectSameCalls(t *testing.T, h *house) {
	t.Helper()
	ours, unanswered := map[string]string{}, 0
	for _, e := range h.journal() {
		if e.Outcome.RequestID == "" {
			unanswered++
			continue
		}
		ours[e.Outcome.RequestID] = e.Operation
	}
	calls := h.clouds.Journal()
	for _, c := range calls {
		if op, found := ours[c.RequestID]; found && op != c.Operation {
			t.Errorf("request %s is %s of the journal and %s of the cloud", c.RequestID, op, c.Operation)
		} else if !found {
			unanswered--
		}
	}
	if unanswered != 0 || len(calls) != len(h.journal()) {
		t.Errorf("the clouds have seen %d calls, the journal has %d", len(calls), len(h.journal()))
	}
}
