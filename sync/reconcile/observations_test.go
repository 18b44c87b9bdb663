package reconcile

import (
	"slices"
	"strings"
	"testing"
	"time"

	"weir/sync/resource"
)

// TestTakeOver: what a running process has read is not read again, but for what
// could not be read, was written since, or is declared anew.
func TestTakeOver(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("a.yaml", switchesOff(20), "b.yaml", multiOn, "d.yaml", relay)
		h.wait(20 * time.Minute)
		offered := slices.Collect(h.rec.Observations(""))
		if len(offered) != 22 || !slices.IsSortedFunc(offered, func(a, b resource.Observation) int { return resource.Compare(a.ID, b.ID) }) {
			t.Fatalf("%d observations, or in another order", len(offered))
		}
		if of := slices.Collect(h.rec.Observations("volc")); len(of) != 1 || of[0].ID != relayID {
			t.Errorf("of one account %+v", of)
		}
		h.commit("a.yaml", switchesOff(20), "b.yaml", multiOff, "d.yaml", relay, "e.yaml", stopped)
		h.wait(time.Minute) // the running process writes the switch
		h.stop()
		for i, o := range offered {
			if strings.HasSuffix(o.ID.Key, "c0007.example.com") {
				offered[i].Unreadable = "no answer"
			}
		}
		h.build()
		h.clouds.ClearJournal()
		h.rec.TakeOver(slices.Values(offered))
		if _, err := h.rec.Fetch(h.t.Context()); err != nil {
			t.Fatal(err)
		}
		p, err := h.rec.Plan(h.t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var read []string
		for _, c := range h.clouds.Journal() {
			read = append(read, c.Operation+" "+fmtParam(c.Params["Domain"]))
		}
		slices.Sort(read)
		want := []string{readSwitch + " live.c0007.example.com", readSwitch + " live.example.com", "DescribeLiveStreamsOnlineList "}
		slices.Sort(want)
		if !slices.Equal(read, want) {
			t.Errorf("reads %v, want %v", read, want)
		}
		c := h.rec.Cached()
		oldest := time.Now()
		for _, o := range offered {
			if o.At.Before(oldest) && o.Unreadable == "" {
				oldest = o.At
			}
		}
		if c.Resources != 20 || !c.Oldest.Equal(oldest) {
			t.Errorf("cached %+v, want 20, the oldest of %v", c, oldest)
		}
		if s := p.Summary(); s.Create+s.Update+s.Delete != 0 {
			t.Errorf("plan %+v", s)
		}
		doc, err := h.rec.Document(p, false)
		if err != nil || doc.Cached == nil || *doc.Cached != *c {
			t.Errorf("document says %+v, %v", doc.Cached, err)
		}
		h.start()
	})
}

func fmtParam(v any) string {
	s, _ := v.(string)
	return s
}
