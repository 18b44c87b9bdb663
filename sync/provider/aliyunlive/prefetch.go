package aliyunlive

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
)

// regionAct begins the name of the act that prefetches into one region.
const regionAct = "region "

// maxMargin is the longest time by which a renewal comes before the end.
const maxMargin = 30 * time.Second

// warming is a case of a prefetch, and what its regions add up to.
type warming struct {
	plan.Case
	want   prefetch
	params string // hash of what the cloud is told besides the region
	lasts  time.Duration

	acts    []plan.Act
	expired bool     // an act is due because the one before runs out
	doubts  []string // names of acts that nobody knows the end of
	ended   time.Time
	next    time.Time
	ends    time.Time // of the first region that ends and is not renewed
}

// judgePrefetch decides from the acts alone: no operation shows a prefetch.
func judgePrefetch(c plan.Case) plan.Verdict {
	if c.Want == nil {
		return plan.Verdict{
			Action: plan.Delete, Reason: plan.Removed, State: plan.Pending, Before: c.LastSpec(),
			Note: "cannot be undone in the cloud; only forgotten",
		}
	}
	w := newWarming(c)
	for _, region := range w.want.Regions {
		w.region(regionAct + region)
	}
	return w.verdict()
}

func newWarming(c plan.Case) *warming {
	want := decoded[prefetch](c.Want.Spec)
	params := hexSum(strings.Join([]string{
		want.AudioMsid, want.VideoMsid, want.ConnectionTimeout, want.MediaTimeout,
	}, "\x00"))[:16]
	return &warming{Case: c, want: want, params: params, lasts: duration(want.ConnectionTimeout)}
}

// region adds one region. The round in the act's token goes up at each renewal,
// so that every one of them happens once.
func (w *warming) region(name string) {
	act, round := w.last(name)
	renewal := act.Ends.Add(-w.margin())
	switch {
	case act.Begun.IsZero() && act.Done.IsZero():
		w.due(name, round)
	case act.InDoubt():
		w.doubts = append(w.doubts, name)
	case act.Ends.IsZero(): // kept for ever
	case w.want.Renew && !w.Now.Before(renewal):
		w.due(name, round+1)
	case w.want.Renew:
		w.next = plan.Earliest(w.next, renewal)
	case w.Now.Before(act.Ends):
		w.ends = plan.Earliest(w.ends, act.Ends)
	case w.returned(name, act):
		w.due(name, round+1)
	default:
		w.ended = plan.Earliest(w.ended, act.Ends)
	}
}

// returned reports whether a region whose act is over has left the declaration
// since and is in it again. Of one that only is not written down yet, because
// another has failed meanwhile, the record is older than its act.
func (w *warming) returned(name string, act resource.Act) bool {
	return w.Last != nil && w.Last.At.After(act.Done) && !w.recorded(name)
}

// recorded reports whether a region, by the name of its act, was in what was
// applied last.
func (w *warming) recorded(name string) bool {
	region := strings.TrimPrefix(name, regionAct)
	return slices.Contains(decoded[prefetch](w.Case.LastSpec()).Regions, region)
}

// last returns the latest act of that name with the parameters wanted now, and
// its round.
func (w *warming) last(name string) (resource.Act, int) {
	var found resource.Act
	round := 0
	for _, a := range w.Acts {
		params, number, _ := strings.Cut(a.Token, "@")
		n, err := strconv.Atoi(number)
		if a.Name == name && params == w.params && err == nil && n >= round {
			found, round = a, n
		}
	}
	return found, round
}

func (w *warming) due(name string, round int) {
	w.acts = append(w.acts, plan.Act{Name: name, Token: fmt.Sprintf("%s@%d", w.params, round), Lasts: w.lasts})
	w.expired = w.expired || round > 0 || w.recorded(name)
}

func (w *warming) margin() time.Duration { return min(w.lasts/10, maxMargin) }

func (w *warming) verdict() plan.Verdict {
	v := plan.Verdict{
		Action: plan.None, State: plan.Unknown, Before: w.LastSpec(), After: w.Want.Spec,
		Acts: w.acts, Note: w.note(), Next: w.next, Ends: w.ends,
	}
	recorded := w.Last != nil && w.Last.Spec.Equal(w.Want.Spec)
	if len(w.acts) == 0 && (recorded || len(w.doubts) > 0) {
		v.Note = cmp.Or(v.Note, cannotBeRead)
		return v
	}
	if len(w.acts) == 0 {
		v.Note = cmp.Or(v.Note, writtenDown)
	}
	v.Action, v.Reason = w.action(), w.reason(recorded)
	if len(w.doubts) == 0 {
		v.State = plan.Pending
	}
	return v
}

func (w *warming) action() plan.Action {
	if w.Last == nil {
		return plan.Create
	}
	return plan.Update
}

func (w *warming) reason(recorded bool) plan.Reason {
	switch {
	case w.Last != nil && !recorded:
		return plan.Edited
	case w.expired:
		return plan.Expired
	}
	return plan.New
}

// note tells people what the verdict does not: doubts, regions that left, ends.
func (w *warming) note() string {
	var parts []string
	if len(w.doubts) > 0 {
		parts = append(parts, doubtNote(w.ID, w.doubts...))
	}
	if left := w.left(); len(left) > 0 {
		parts = append(parts, "no longer declared and not undone in the cloud: "+strings.Join(left, ", "))
	}
	if !w.ended.IsZero() {
		parts = append(parts, "ended at "+w.ended.UTC().Format(timestampLayout))
	}
	return strings.Join(parts, "; ")
}

// left returns the regions that were applied and are not wanted any more.
func (w *warming) left() []string {
	var out []string
	for _, region := range decoded[prefetch](w.Case.LastSpec()).Regions {
		if !slices.Contains(w.want.Regions, region) {
			out = append(out, region)
		}
	}
	return out
}
