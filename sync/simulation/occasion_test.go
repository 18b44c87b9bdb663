package simulation

import (
	"fmt"
	"strings"

	"weir/sync/call"
	"weir/sync/resource"
)

// logical names what a call does whatever weir's token for it is: a restart for
// a value, a region warmed for ever.
func (r *run) logical(req *call.Request, id resource.ID) string {
	switch {
	case req.Operation == "HotLiveRtcStream" && fmt.Sprint(req.Params["ConnectionTimeout"]) == "0":
		return fmt.Sprint("prefetch of ", id, " into ", req.Params["RegionCode"])
	case req.Params["Command"] == "restart":
		return fmt.Sprint("restart ", restartOf(req), " of ", id)
	}
	return ""
}

func restartOf(req *call.Request) string {
	var after struct{ Restart string }
	_ = resource.Spec(req.Cause.After).Decode(&after)
	return after.Restart
}

// occasions counts how often valid revisions asked for what a call does, where
// the one before did not.
func (r *run) occasions(req *call.Request, id resource.ID) int {
	asks := func(e *edition) bool {
		d, ok := e.declared[id]
		if req.Operation == "HotLiveRtcStream" {
			spec := ""
			if ok {
				spec = d.thing.variants[d.variant].spec
			}
			return ok && !strings.Contains(spec, "connectionTimeout") && strings.Contains(spec, fmt.Sprint(req.Params["RegionCode"]))
		}
		return ok && d.variant == 0 && fmt.Sprint("r", d.restart) == restartOf(req)
	}
	n, before := 0, false
	for _, e := range r.source.valid {
		now := asks(e)
		if now && !before {
			n++
		}
		before = now
	}
	return n
}
