package reconcile

import (
	"strings"
	"testing"
	"time"
)

// TestFailure_P03_WhatWeirWroteIsItsOwn: a process dies between a call and its
// record. What the cloud then holds is weir's own, whatever is declared next:
// it is undone where it was taken away, and is no drift where only drift is
// reported.
func TestFailure_P03_WhatWeirWroteIsItsOwn(t *testing.T) {
	for next, files := range map[string][]string{
		"removed":  {"b.yaml", relay},
		"reverted": {"a.yaml", multiOff, "b.yaml", relay},
	} {
		t.Run(next, func(t *testing.T) {
			inTime(t, nil, func(h *house) {
				h.stop()
				report := func(_ *house, o *Options) { o.Policy.HealDrift = false }
				h.build(report)
				h.start()
				h.commit("a.yaml", multiOff, "b.yaml", relay)
				h.wait(2 * time.Minute)
				h.stop()
				h.build(report, func(_ *house, o *Options) { o.Store = &crashing{Store: h.store, after: "Save"} })
				h.writes()
				h.commit("a.yaml", multiOn, "b.yaml", relay)
				h.start()
				h.wait(time.Second)
				h.expectWrites("SetLiveDomainMultiStreamConfig on")
				h.stop()
				h.build(report)
				h.commit(files...)
				h.start()
				h.wait(5 * time.Minute)
				h.expectWrites("SetLiveDomainMultiStreamConfig off")
			})
		})
	}
}

// TestFailure_P03_WhatNoReadShows: the end of a block cannot be read, and yet the
// block that a process made before it died is known again.
func TestFailure_P03_WhatNoReadShows(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", strings.ReplaceAll(forbid, "false", "true"), "b.yaml", relay)
		h.wait(2 * time.Minute)
		h.stop()
		h.build(func(_ *house, o *Options) { o.Store = &crashing{Store: h.store, after: "Save"} })
		h.writes()
		until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		h.commit("a.yaml", strings.ReplaceAll(forbid, "false", "false, until: "+until), "b.yaml", relay)
		h.start()
		h.wait(time.Second)
		h.expectWrites("ForbidLiveStream bad")
		h.stop()
		h.build()
		h.commit("b.yaml", relay)
		h.start()
		h.wait(5 * time.Minute)
		h.expectWrites("ResumeLiveStream bad")
	})
}
