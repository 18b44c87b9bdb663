package reconcile

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir/sync/emulator"
)

// relayFor declares a relay source of an app with one server.
func relayFor(app, address string) string {
	return "apiVersion: volcengine/v1\nkind: RelaySource\nspec:\n  vhost: push.example.com\n  app: " + app +
		"\n  groups: [{name: g, servers: [{address: " + address + ", protocol: rtmp}]}]\n"
}

// TestFailure_D12_RemovalsLastAndSlowly: where the quota is small, what creates
// and updates has it first; then what goes, goes one at a time.
func TestFailure_D12_RemovalsLastAndSlowly(t *testing.T) {
	scarce := func(h *house, o *Options) {
		h.share, o.Policy.MaxRemoved, o.Policy.MaxRemovedPercent = 0.2, 50, 100
		h.away = &far{rtt: 100 * time.Millisecond, gate: make(chan struct{}, 1)}
	}
	inTime(t, []change{scarce}, func(h *house) {
		var before, after []string
		for i := range 8 {
			before = append(before, relayFor(fmt.Sprint("old", i), "a.example.net"), relayFor(fmt.Sprint("kept", i), "a.example.net"))
			after = append(after, relayFor(fmt.Sprint("new", i), "a.example.net"), relayFor(fmt.Sprint("kept", i), "b.example.net"))
		}
		h.commit("a.yaml", strings.Join(before, "---\n"))
		h.wait(time.Minute)
		h.writes()
		h.commit("a.yaml", strings.Join(after, "---\n"))
		h.wait(time.Minute)
		h.ordered(16, 8)
	})
}

// ordered checks that so many updates came before so many removals, which did
// not overlap.
func (h *house) ordered(updates, removals int) {
	h.t.Helper()
	var ops []string
	var gone []time.Time
	for _, c := range h.clouds.Journal() {
		if strings.HasPrefix(c.Operation, "Describe") {
			continue
		}
		ops = append(ops, c.Operation)
		if c.Operation == "DeleteRelaySourceV3" {
			gone = append(gone, c.Time)
		}
	}
	want := append(slices.Repeat([]string{"UpdateRelaySourceV3"}, updates), slices.Repeat([]string{"DeleteRelaySourceV3"}, removals)...)
	if !slices.Equal(ops, want) {
		h.t.Errorf("writes %v, want %v", ops, want)
	}
	for i := 1; i < len(gone); i++ {
		if apart := gone[i].Sub(gone[i-1]); apart < 100*time.Millisecond {
			h.t.Errorf("removal %d came %s after the one before it, which was not answered yet", i, apart)
		}
	}
}

// TestFailure_D12_NewsStopsRemovals: news that arrives while removals are under
// way is seen before the next of them.
func TestFailure_D12_NewsStopsRemovals(t *testing.T) {
	scarce := func(h *house, o *Options) {
		h.share, o.Policy.MaxRemoved, o.Policy.MaxRemovedPercent = 0.1, 50, 100
	}
	inTime(t, []change{scarce}, func(h *house) {
		var all []string
		for i := range 10 {
			all = append(all, relayFor(fmt.Sprint("app", i), "a.example.net"))
		}
		whole := strings.Join(all, "---\n")
		h.commit("a.yaml", whole)
		h.wait(time.Minute)
		h.writes()
		h.commit("a.yaml", all[0])
		h.wait(3500 * time.Millisecond)
		h.commit("a.yaml", whole)
		h.wait(time.Minute)
		gone := 0
		for _, w := range h.writes() {
			if strings.HasPrefix(w, "DeleteRelaySourceV3") {
				gone++
			}
		}
		if gone == 0 || gone > 5 {
			t.Errorf("%d of 9 were removed before the way back was seen, want some and no more than 5", gone)
		}
		if n := len(h.clouds.World().RelaySources); n != 10 {
			t.Errorf("the cloud holds %d of 10", n)
		}
	})
}

// console makes an entry in the console at the very moment at which weir
// creates it, and the cloud answers that it exists already.
type console struct {
	next  http.RoundTripper
	house *house
	entry emulator.RelaySource
	done  atomic.Bool
}

// RoundTrip lets all but the first update through.
func (c *console) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.Contains(r.URL.RawQuery, "UpdateRelaySourceV3") || c.done.Swap(true) {
		return c.next.RoundTrip(r)
	}
	c.house.patch(emulator.World{RelaySources: []emulator.RelaySource{c.entry}})
	const body = `{"ResponseMetadata":{"RequestId":"r1","Error":{"Code":"RequestLimitExceeded.Exist","Message":"live already exist"}}}`
	return &http.Response{
		StatusCode: http.StatusTooManyRequests, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader([]byte(body))),
	}, nil
}

// TestFailure_D14_ExistsIsLookedAt: a create that is answered "exists already"
// is read back. What stands there as declared is taken over without a call,
// what differs is updated in its place; nothing is removed to be made anew.
func TestFailure_D14_ExistsIsLookedAt(t *testing.T) {
	for name, tc := range map[string]struct {
		address string
		writes  []string
	}{
		"as declared": {"a.example.net", nil},
		"otherwise":   {"other.example.net", []string{"UpdateRelaySourceV3"}},
	} {
		t.Run(name, func(t *testing.T) {
			busy := func(h *house, _ *Options) {
				h.through = func(next http.RoundTripper) http.RoundTripper {
					return &console{next: next, house: h, entry: emulator.RelaySource{
						Vhost: "push.example.com", App: "live",
						Groups: []emulator.RelayGroup{{Name: "g", Servers: []emulator.RelayServer{{Address: tc.address, Protocol: "rtmp"}}}},
					}}
				}
			}
			inTime(t, []change{busy}, func(h *house) {
				h.commit("a.yaml", relayFor("live", "a.example.net"))
				h.wait(time.Minute)
				h.expectWrites(tc.writes...)
				h.expectStates(map[string]string{"RelaySource push.example.com/live": "in-sync"})
				if owned := h.owned(); len(owned) != 1 {
					t.Errorf("weir's are %v, want the one", owned)
				}
			})
		})
	}
}
