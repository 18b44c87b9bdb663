package reconcile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"weir/sync/emulator"
)

// crowd lets so many of everything through.
func crowd(_ *house, o *Options) {
	o.Policy.MaxRemoved, o.Policy.MaxRemovedPercent, o.Policy.MaxUpdated = 1000, 100, 1000
}

// manySwitches declares the dual-stream switch of n domains.
func manySwitches(n int, on bool) string {
	var docs []string
	for i := range n {
		docs = append(docs, fmt.Sprintf("apiVersion: aliyun/v1\nkind: MultiStream\nspec: {domain: live.c%03d.example.com, enabled: %t}\n", i, on))
	}
	return strings.Join(docs, "---\n")
}

// relaysTo declares relay sources of n apps.
func relaysTo(n int, address string) string {
	var docs []string
	for i := range n {
		docs = append(docs, relayFor(fmt.Sprintf("app%03d", i), address))
	}
	return strings.Join(docs, "---\n")
}

// soon fails unless a write with such a text in its operation and parameters
// arrives within a second.
func (h *house) soon(texts ...string) {
	h.t.Helper()
	h.wait(time.Second)
	for _, c := range h.clouds.Journal() {
		line := fmt.Sprint(c.Operation, " ", c.Params)
		found := true
		for _, text := range texts {
			found = found && strings.Contains(line, text)
		}
		if found {
			return
		}
	}
	h.t.Errorf("%v was not called within a second", texts)
}

// count returns how many calls of an operation arrived.
func (h *house) count(operation string) int {
	n := 0
	for _, c := range h.clouds.Journal() {
		if c.Operation == operation {
			n++
		}
	}
	return n
}

// TestNothingSlowHoldsUpAnother: while one account's cloud hangs, throttles or has
// very much to do, an edit of another account, and of another kind of the same
// one, is called within a second.
func TestNothingSlowHoldsUpAnother(t *testing.T) {
	for name, fault := range map[string]emulator.Fault{
		"writes hang":      {Operation: "SetLiveDomainMultiStreamConfig", Kind: "latency", Delay: emulator.Duration(20 * time.Second)},
		"reads hang":       {Operation: "DescribeLiveDomainMultiStreamConfig", Kind: "latency", Delay: emulator.Duration(20 * time.Second)},
		"writes throttled": {Operation: "SetLiveDomainMultiStreamConfig", Kind: "throttle"},
		"reads throttled":  {Operation: "DescribeLiveDomainMultiStreamConfig", Kind: "throttle"},
		"very much to do":  {Operation: "none", Kind: "throttle"},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, []change{crowd}, func(h *house) {
				h.commit("a.yaml", manySwitches(300, true), "b.yaml", relay, "c.yaml", forbid)
				h.wait(5 * time.Minute)
				h.writes()
				h.faults(fault)
				h.commit("a.yaml", manySwitches(300, false), "b.yaml", relay, "c.yaml", forbid)
				h.wait(30 * time.Second)
				h.clouds.ClearJournal()
				h.commit("a.yaml", manySwitches(300, false), "b.yaml", relayShort, "c.yaml", forbid)
				h.soon("UpdateRelaySourceV3", "a2.example.org")
				h.commit("a.yaml", manySwitches(300, false), "b.yaml", relayShort, "c.yaml", changed(forbid, "allowed: false", "allowed: true"))
				h.soon("ResumeLiveStream", "bad")
			})
		})
	}
}

// TestUrgentPassesManyOfItsKind: a stream is forbidden within a second while
// hundreds of the same kind wait.
func TestUrgentPassesManyOfItsKind(t *testing.T) {
	inTime(t, []change{crowd}, func(h *house) {
		many := func(allowed bool) string {
			var docs []string
			for i := range 300 {
				docs = append(docs, changed(changed(forbid, "stream: bad", fmt.Sprintf("stream: s%03d", i)), "false", fmt.Sprint(allowed)))
			}
			return strings.Join(docs, "---\n")
		}
		h.commit("a.yaml", many(false), "b.yaml", changed(forbid, "false", "true"))
		h.wait(5 * time.Minute)
		h.writes()
		h.commit("a.yaml", many(true), "b.yaml", changed(forbid, "false", "true"))
		h.wait(5 * time.Second)
		if n := h.count("ResumeLiveStream"); n == 0 || n > 200 {
			t.Fatalf("%d of 300 are done", n)
		}
		h.commit("a.yaml", many(true), "b.yaml", forbid)
		h.soon("ForbidLiveStream", "bad")
		h.wait(2 * time.Minute)
		if n := h.count("ResumeLiveStream"); n != 300 {
			t.Errorf("%d of 300 are done", n)
		}
	})
}

// TestRevertStopsWhatHasNotBegun: what is taken back while it is being applied is
// not applied any more, and what was is set back.
func TestRevertStopsWhatHasNotBegun(t *testing.T) {
	inTime(t, []change{crowd}, func(h *house) {
		h.commit("a.yaml", relaysTo(300, "a.example.net"))
		h.wait(3 * time.Minute)
		h.writes()
		h.commit("a.yaml", relaysTo(300, "b.example.net"))
		h.wait(10 * time.Second)
		done := h.count("UpdateRelaySourceV3")
		if s := h.rec.Status().UnderWay; len(s) != 1 || s[0].Account != "volc" || s[0].Count == 0 {
			t.Errorf("under way %+v", s)
		}
		h.commit("a.yaml", relaysTo(300, "a.example.net"))
		h.wait(2 * time.Minute)
		if n := h.count("UpdateRelaySourceV3"); done < 20 || n > 2*done+10 {
			t.Errorf("%d updates after %d", n, done)
		}
		for _, s := range h.clouds.World().RelaySources {
			if s.Groups[0].Servers[0].Address != "a.example.net" {
				t.Errorf("%s goes to %s", s.App, s.Groups[0].Servers[0].Address)
			}
		}
	})
}

// TestOneWriteAResourceAtATime: edits that follow each other while a cloud takes
// its time never write one resource at once, and the last one holds.
func TestOneWriteAResourceAtATime(t *testing.T) {
	slow := func(h *house, _ *Options) { h.away = &far{rtt: 4 * time.Second, gate: make(chan struct{}, 1)} }
	inTime(t, []change{crowd, slow}, func(h *house) {
		h.commit("a.yaml", relaysTo(5, "a.example.net"))
		h.wait(time.Minute)
		h.clouds.ClearJournal()
		for i := range 12 {
			h.commit("a.yaml", relaysTo(5, fmt.Sprintf("v%d.example.net", i)))
			h.wait(time.Second)
		}
		h.wait(2 * time.Minute)
		last := map[any]time.Time{}
		for _, c := range h.clouds.Journal() {
			if c.Operation != "UpdateRelaySourceV3" {
				continue
			}
			if apart := c.Time.Sub(last[c.Params["App"]]); apart < 4*time.Second {
				t.Errorf("%v is written again after %s", c.Params["App"], apart)
			}
			last[c.Params["App"]] = c.Time
		}
		for _, s := range h.clouds.World().RelaySources {
			if s.Groups[0].Servers[0].Address != "v11.example.net" {
				t.Errorf("%s goes to %s", s.App, s.Groups[0].Servers[0].Address)
			}
		}
	})
}

// TestFailure_D06_RenameAcrossRuns: the old one stays while the new one, which is
// made by another run, is not there.
func TestFailure_D06_RenameAcrossRuns(t *testing.T) {
	inTime(t, []change{crowd}, func(h *house) {
		h.commit("a.yaml", relaysTo(200, "a.example.net"), "b.yaml", relay)
		h.wait(2 * time.Minute)
		h.writes()
		h.commit("a.yaml", relaysTo(200, "b.example.net"), "b.yaml", relay)
		h.wait(5 * time.Second)
		h.clouds.ClearJournal()
		h.commit("a.yaml", relaysTo(200, "b.example.net"), "b.yaml", relayOf("renamed"))
		h.wait(2 * time.Minute)
		made := time.Time{}
		for _, c := range h.clouds.Journal() {
			switch {
			case c.Operation == "UpdateRelaySourceV3" && c.Params["App"] == "renamed":
				made = c.Time
			case c.Operation == "DeleteRelaySourceV3" && made.IsZero():
				t.Error("the old one went before the new one was made")
			}
		}
		if h.count("DeleteRelaySourceV3") != 1 || made.IsZero() {
			t.Errorf("%d removals, made at %v", h.count("DeleteRelaySourceV3"), made)
		}
	})
}

// TestFailure_D03_ReadInPortions: a template error is held as one, though the
// reads of what it changes take minutes.
func TestFailure_D03_ReadInPortions(t *testing.T) {
	scarce := func(h *house, o *Options) { h.share, o.Policy.MaxUpdated = 0.1, 50 }
	inTime(t, []change{scarce}, func(h *house) {
		h.commit("a.yaml", manySwitches(60, true))
		h.wait(10 * time.Minute)
		h.writes()
		h.commit("a.yaml", manySwitches(60, false))
		h.wait(10 * time.Minute)
		h.expectWrites()
		h.expectHeld("updates")
	})
}

// TestStopInTheMiddle: what is under way ends, nothing else begins, and the next
// process does the rest.
func TestStopInTheMiddle(t *testing.T) {
	slow := func(h *house, _ *Options) { h.away = &far{rtt: 2 * time.Second, gate: make(chan struct{}, 1)} }
	inTime(t, []change{crowd, slow}, func(h *house) {
		h.commit("a.yaml", relaysTo(100, "a.example.net"))
		h.wait(8 * time.Second)
		began := time.Now()
		h.stop()
		if took := time.Since(began); took > 9*time.Second {
			t.Errorf("stopping took %s", took)
		}
		n, records := h.count("UpdateRelaySourceV3"), len(h.owned())
		h.wait(time.Minute)
		if now := h.count("UpdateRelaySourceV3"); now != n || n != records || n == 0 || n == 100 {
			t.Errorf("%d were written, %d when it had stopped, %d are recorded", now, n, records)
		}
		h.build(crowd, slow)
		h.start()
		h.wait(2 * time.Minute)
		if h.count("UpdateRelaySourceV3") != 100 || len(h.owned()) != 100 {
			t.Errorf("%d were written, %d are recorded", h.count("UpdateRelaySourceV3"), len(h.owned()))
		}
	})
}

// TestHeldAfterAWaitIsAtRest: what waited for the rest of its plan, and is held
// then, leads to no pass after another.
func TestHeldAfterAWaitIsAtRest(t *testing.T) {
	inTime(t, []change{crowd}, func(h *house) {
		h.onAir(true, "main")
		h.commit("a.yaml", multiOn, "b.yaml", relay)
		h.wait(time.Minute)
		h.commit("a.yaml", multiOff, "b.yaml", relayShort)
		h.wait(2 * time.Second)
		h.expectHeld("on-air")
		before := h.rec.Status().Passes
		h.wait(time.Minute)
		if n := h.rec.Status().Passes - before; n > 20 {
			t.Errorf("%d passes in a minute", n)
		}
	})
}
