package reconcile

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/provider/aliyunlive"
	"weir/sync/provider/volcenginelive"
	"weir/sync/resource"
)

const readSwitch = "DescribeLiveDomainMultiStreamConfig"

// switchesOff is one document with n switches, each of a domain of its own.
func switchesOff(n int) string {
	var docs []string
	for i := range n {
		docs = append(docs, strings.Replace(multiOff, "live.example.com", fmt.Sprintf("live.c%04d.example.com", i), 1))
	}
	return strings.Join(docs, "---\n")
}

// calls counts the calls of an operation, "" for all, since the last look, and
// clears the journal.
func (h *house) calls(operation string) int {
	n := 0
	for _, c := range h.clouds.Journal() {
		if operation == "" || c.Operation == operation {
			n++
		}
	}
	h.clouds.ClearJournal()
	return n
}

// flip is what somebody makes of the switch of a domain in the console.
func flip(domain, to string) emulator.World {
	return emulator.World{Domains: []emulator.Domain{{Name: domain, MultiStream: to}}}
}

// oldest is how long ago the oldest observation was made, by the status.
func (h *house) oldest(account string) time.Duration {
	for _, s := range h.rec.Status().Scrub {
		if s.Account == account {
			return time.Since(s.Oldest)
		}
	}
	return -1
}

// TestScrub_FindsDriftAndNeedsNoPassElse: everything is read again once an
// interval; where all is as it was no pass is run for it, and the ages are right
// at each scrape all the same. What differs is put back.
func TestScrub_FindsDriftAndNeedsNoPassElse(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", switchesOff(100), "b.yaml", multiOn, "c.yaml", forbid, "d.yaml", relay, "e.yaml", stopped)
		h.wait(6 * time.Minute) // one interval, and the first reads of the next
		passes, scans := h.rec.Status().Passes, h.rec.Status().LastFull
		h.calls("")
		for range 12 {
			h.wait(5 * time.Minute)
			if ali, volc := h.oldest("ali"), h.oldest("volc"); ali > 6*time.Minute || volc > 6*time.Minute || ali < 0 || volc < 0 {
				t.Fatalf("the oldest observations are of %v and %v ago", ali, volc)
			}
			for _, kind := range []string{"MultiStream", "StreamIngest", "Recording"} {
				if age := h.age("ali", kind); age > 6*60 || age < 0 {
					t.Fatalf("weir_observation_age_seconds of %s is %v", kind, age)
				}
			}
			if n := h.calls(readSwitch); n < 90 || n > 110 {
				t.Errorf("%d reads of 101 switches in an interval", n)
			}
		}
		s := h.rec.Status()
		if n := s.Passes - passes; n > 15 || !s.LastFull.Equal(scans) {
			t.Errorf("%d passes in an hour without news, the last full one at %v", n, s.LastFull)
		}
		h.patch(flip("live.example.com", "off"))
		h.patch(changedRelay("z.example.org", ""))
		h.wait(6 * time.Minute)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "UpdateRelaySourceV3")
		if n := testutil.ToFloat64(h.rec.opts.Metrics.scrubReads.WithLabelValues("ali", readSwitch)); n < 1100 {
			t.Errorf("weir_scrub_reads_total %v", n)
		}
	})
}

// age returns weir_observation_age_seconds as a scrape sees it, -1 for none.
func (h *house) age(account, kind string) float64 {
	h.t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "weir_observation_age_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == account && m.GetLabel()[1].GetValue() == kind {
				return m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

// TestScrub_KeepsItsShare: where there is more to read than the share allows, just
// that is spent, minute for minute, and the rest of the quota is free.
func TestScrub_KeepsItsShare(t *testing.T) {
	third := func(_ *house, o *Options) { o.Scrub = map[string]float64{"ali": 0.3} }
	for name, tc := range map[string]struct {
		changes []change
		share   float64
	}{"by default": {nil, DefaultScrub}, "as configured": {[]change{third}, 0.3}} {
		t.Run(name, func(t *testing.T) {
			inTime(t, tc.changes, func(h *house) {
				h.commit("a.yaml", switchesOff(2000))
				h.wait(10 * time.Minute)
				want := 9 * 60 * tc.share // nine a second are weir's
				h.calls("")
				for minute := range 5 {
					h.wait(time.Minute)
					if n := float64(h.calls(readSwitch)); math.Abs(n-want) > 0.05*want {
						t.Errorf("minute %d: %v reads, want %v", minute, n, want)
					}
				}
				s := h.rec.Status().Scrub[0]
				if s.Share != tc.share || math.Abs(s.Used-tc.share) > 0.05*tc.share || math.Abs(s.Cycle-2000/(9*tc.share)) > 1 {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}

// TestScrub_FollowsAThrottle: what a throttling answer takes from the quota it takes
// from the scrub in the same part, at once, and it comes back as the quota does.
func TestScrub_FollowsAThrottle(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", switchesOff(2000))
		h.wait(10 * time.Minute)
		h.faults(emulator.Fault{Operation: readSwitch, Kind: "throttle"})
		h.wait(3 * time.Second)
		h.faults()
		h.calls("")
		h.wait(time.Minute)
		if n := h.calls(readSwitch); n > 40 {
			t.Errorf("%d reads in the minute after throttling answers, want far fewer than 108", n)
		}
		h.wait(5 * time.Minute)
		h.calls("")
		h.wait(time.Minute)
		if n := h.calls(readSwitch); n < 103 || n > 113 {
			t.Errorf("%d reads in a minute when the quota is whole again, want 108", n)
		}
	})
}

// TestScrub_OneKeyOneShare: accounts of one key have one quota, and together spend
// one share of it.
func TestScrub_OneKeyOneShare(t *testing.T) {
	one := func(h *house, _ *Options) {
		limits := aliyunlive.New().Limits()
		maps.Copy(limits, volcenginelive.New().Limits())
		l, err := call.NewLimiter(call.LimiterOptions{Limits: limits})
		if err != nil {
			t.Fatal(err)
		}
		h.limiters = call.Limiters{"ali": l, "volc": l}
	}
	for name, tc := range map[string]struct {
		changes []change
		want    float64
	}{"two keys": {nil, DefaultScrub}, "one key": {[]change{one}, DefaultScrub / 2}} {
		t.Run(name, func(t *testing.T) {
			inTime(t, tc.changes, func(h *house) {
				for _, s := range h.rec.Status().Scrub {
					if s.Share != tc.want {
						t.Errorf("%s has a share of %v, want %v", s.Account, s.Share, tc.want)
					}
				}
			})
		})
	}
}

// TestScrub_OneReadForAllItServes: what one read serves is read by one.
func TestScrub_OneReadForAllItServes(t *testing.T) {
	inTime(t, nil, func(h *house) {
		var docs []string
		for i := range 200 {
			docs = append(docs, relayOf(fmt.Sprint("app", i)), strings.Replace(forbid, "bad", fmt.Sprint("bad", i), 1))
		}
		h.commit("a.yaml", strings.Join(docs, "---\n"))
		h.wait(2 * time.Minute)
		h.calls("")
		h.wait(50 * time.Minute)
		relays, blocks := 0, 0
		for _, c := range h.clouds.Journal() {
			switch c.Operation {
			case "DescribeRelaySourceV3":
				relays++
			case "DescribeLiveStreamsBlockList":
				blocks++
			}
		}
		if relays < 9 || relays > 11 || blocks < 9 || blocks > 11 {
			t.Errorf("%d and %d reads in ten intervals, want one each", relays, blocks)
		}
	})
}

// TestScrub_LeavesTheUnreadableToThePasses: what cannot be read is not read once
// more by the scrub; when it can be again, that is seen.
func TestScrub_LeavesTheUnreadableToThePasses(t *testing.T) {
	inTime(t, []change{minutely}, func(h *house) {
		h.commit("a.yaml", multiOn, "d.yaml", relay)
		h.wait(30 * time.Second)
		h.faults(emulator.Fault{Operation: readSwitch, Kind: "error", Code: "Forbidden.RAM", Status: 403})
		h.wait(2 * time.Minute)
		h.expectStates(map[string]string{"MultiStream live.example.com": "unknown", "RelaySource push.example.com/live": "in-sync"})
		h.calls("")
		h.wait(10 * time.Minute)
		if n := h.calls(readSwitch); n > 21 {
			t.Errorf("%d reads in ten minutes of what cannot be read", n)
		}
		h.faults()
		h.wait(time.Minute)
		h.expectStates(map[string]string{"MultiStream live.example.com": "in-sync", "RelaySource push.example.com/live": "in-sync"})
		h.calls("")
		h.wait(10 * time.Minute)
		if n := h.calls(readSwitch); n < 9 || n > 11 {
			t.Errorf("%d reads in ten intervals after it could be read again", n)
		}
	})
}

// TestScrub_ReadBeforeAWrite: what was asked before a write of this process says
// nothing, whenever its answer comes.
func TestScrub_ReadBeforeAWrite(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", multiOn)
		h.wait(30 * time.Second)
		id := resource.ID{Account: "ali", Kind: "MultiStream", Key: "live.example.com"}
		asked := time.Now()
		h.commit("a.yaml", multiOff)
		h.wait(30 * time.Second)
		h.expectWrites("SetLiveDomainMultiStreamConfig on", "SetLiveDomainMultiStreamConfig off")
		k := h.rec.sights
		k.mu.Lock()
		counts, _ := k.put(k.at[id], resource.Observation{ID: id, At: asked, Spec: `{"domain":"live.example.com","enabled":true}`, Exists: true})
		k.mu.Unlock()
		if counts {
			t.Error("what was read before the write counts")
		}
		h.expectStates(map[string]string{"MultiStream live.example.com": "in-sync"})
	})
}

// TestScrub_OnAirComesFirst: what is on air, with the switch of its domain, is
// read more often than the rest.
func TestScrub_OnAirComesFirst(t *testing.T) {
	little := func(_ *house, o *Options) { o.Scrub = map[string]float64{"ali": 0.02} }
	inTime(t, []change{little}, func(h *house) {
		h.onAir(true, "main")
		h.commit("a.yaml", switchesOff(300), "b.yaml", multiOn, "c.yaml", record)
		h.wait(2 * time.Hour) // what weir wrote is no news any more
		h.clouds.ClearJournal()
		h.wait(time.Hour)
		reads := map[any]int{}
		for _, c := range h.clouds.Journal() {
			if c.Operation == readSwitch {
				reads[c.Params["Domain"]]++
			}
		}
		if air, rest := reads["live.example.com"], reads["live.c0007.example.com"]; air < 8*rest || rest < 2 || air > 48 {
			t.Errorf("on air %d reads in an hour, another %d", air, rest)
		}
	})
}

// TestOnlyTheTouchedIsRead: an edit of three of a thousand costs the reads of
// three, while the scrub goes on.
func TestOnlyTheTouchedIsRead(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.onAir(false, "main")
		var relays []string
		for i := range 1000 {
			relays = append(relays, strings.Replace(relayOf(fmt.Sprint("app", i)), "push.example.com", fmt.Sprintf("v%04d.example.com", i/2), 1))
			h.patch(emulator.World{Vhosts: []emulator.Vhost{{Name: fmt.Sprintf("v%04d.example.com", i/2)}}})
		}
		all, many := switchesOff(1000), strings.Join(relays, "---\n")
		h.commit("a.yaml", all, "b.yaml", many)
		h.wait(time.Hour)
		// Three of each are edited; two of the relay sources are of one vhost.
		for _, i := range []int{100, 500, 900} {
			name := fmt.Sprintf("live.c%04d.example.com, enabled: ", i)
			all = strings.Replace(all, name+"false", name+"true", 1)
		}
		for i, doc := range relays {
			if i == 100 || i == 101 || i == 901 {
				relays[i] = strings.Replace(doc, "a.example.org", "edited.example.org", 1)
			}
		}
		h.calls("")
		h.commit("a.yaml", all, "b.yaml", strings.Join(relays, "---\n"))
		h.wait(10 * time.Second)
		reads, writes := map[string]int{}, 0
		for _, c := range h.clouds.Journal() {
			if strings.HasPrefix(c.Operation, "Describe") {
				reads[c.Operation]++
			} else {
				writes++
			}
		}
		if writes != 6 {
			t.Errorf("%d writes, want 6", writes)
		}
		// Before and after each write, and what the scrub spends in ten seconds.
		scrub := 10 * 9 * DefaultScrub
		if n := float64(reads[readSwitch]); n < scrub-1 || n > scrub+1+6 {
			t.Errorf("%v reads of switches beside %v of the scrub, want at most 6", n, scrub)
		}
		if n := float64(reads["DescribeRelaySourceV3"]); n < scrub-1 || n > scrub+1+9 {
			t.Errorf("%v reads of vhosts beside %v of the scrub, want at most 9", n, scrub)
		}
	})
}
