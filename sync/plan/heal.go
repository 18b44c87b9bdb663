package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"weir/sync/resource"
)

// The waits between two heals of one resource: the first is at once, and each
// one of the last healsCounted makes the next wait double, up to healMost.
const (
	healFirst    = 10 * time.Second
	healMost     = 10 * time.Minute
	healsCounted = 2 * time.Hour
)

// A fight is that many heals against one change, no two further apart than
// fightGap, after which it is found again. What is seen as declared for
// fightGap is settled, and forgotten.
const (
	fightRounds = 3
	fightGap    = 24 * time.Hour
)

// Fight says that somebody undoes what weir puts back, or that it never came
// true.
type Fight struct {
	// Unseen says that no read has shown what weir wrote: the cloud accepts it and
	// ignores it, or somebody undoes it at once.
	Unseen  bool      `json:"unseen,omitempty"`
	Times   int       `json:"times"`   // how often weir has put it back
	PutBack time.Time `json:"putBack"` // when it did last
	Found   time.Time `json:"found"`   // when it was found changed again
}

// String says what happened and what ends it.
func (f Fight) String() string {
	if f.Unseen {
		return fmt.Sprintf("not effective: written again %d times, last at %s, and no read has ever shown it; weir has stopped",
			f.Times, f.PutBack.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("fight: put back %d times, last at %s, and found changed again at %s; weir has stopped",
		f.Times, f.PutBack.UTC().Format(time.RFC3339), f.Found.UTC().Format(time.RFC3339))
}

// recall takes over what the record of its case knows of heals that still counts, and
// keeps the change from being made where it has to wait or is a fight. That
// another process wrote the record is no edit.
func (c *Change) recall(of Case, another bool) {
	if of.Want == nil || of.Last == nil || len(of.Last.Heals) == 0 {
		return
	}
	if !another && !of.Last.Spec.Equal(of.Want.Spec) {
		return // an edit begins anew
	}
	c.Heals = of.Last.Heals
	switch {
	case c.State == InSync && !another:
		c.Heals = agreed(of)
	case c.Reason == Drifted && c.Action != None && c.Withheld == "":
		c.face(of)
	}
	if !c.Adopt && !slices.Equal(c.Heals, of.Last.Heals) {
		record := *of.Last
		record.Heals = c.Heals
		c.Record = &record
	}
}

// ours returns c as the process that has made own true is to see it. Where that
// is still declared, and the record says that something else was applied since,
// another process did it for another declaration: two that edit each other's
// edits would never end, so it counts as drift.
func ours(c Case, own resource.Spec) Case {
	if own == "" || c.Want == nil || c.Last == nil || c.Want.Spec != own || c.Last.Spec.Equal(own) {
		return c
	}
	last := *c.Last
	last.Spec, last.Confirmed = own, true
	c.Last = &last
	return c
}

// agreed returns what is left of heals while the cloud holds what is declared.
func agreed(c Case) []resource.Heal {
	heals := c.Last.Heals
	last := heals[len(heals)-1]
	switch {
	case last.Found == resource.HealLeft:
		return append(slices.Clone(heals[:len(heals)-1]), resource.Heal{At: c.Seen.At, Found: resource.HealsAgree})
	case !c.Now.Before(last.At.Add(fightGap)):
		return nil
	}
	return heals
}

// face decides whether drift is put back now, later or not at all.
func (c *Change) face(of Case) {
	back := putBack(c.Heals)
	if len(back) == 0 {
		return
	}
	last := back[len(back)-1].At
	if n := rounds(back, foundMark(c.Before)); n >= fightRounds {
		c.Heals = left(c.Heals, of.Seen.At)
		c.Fight = &Fight{Unseen: !of.Last.Confirmed, Times: n, PutBack: last, Found: c.Heals[len(c.Heals)-1].At}
		c.Withheld = fmt.Sprintf("%s; edit the declaration, or say `weir settle %s again`", c.Fight, c.ID)
		return
	}
	if next := last.Add(healWait(back, of.Now)); of.Now.Before(next) {
		c.Withheld = fmt.Sprintf("put back at %s, and changed again; not put back before %s",
			last.UTC().Format(time.RFC3339), next.UTC().Format(time.RFC3339))
		c.Next = Earliest(c.Next, next)
	}
}

// left returns heals with the mark that says since when weir leaves the change
// alone.
func left(heals []resource.Heal, at time.Time) []resource.Heal {
	if heals[len(heals)-1].Found == resource.HealLeft {
		return heals
	}
	return kept(append(putBack(heals), resource.Heal{At: at, Found: resource.HealLeft}))
}

// putBack returns the heals without the mark that may follow them.
func putBack(heals []resource.Heal) []resource.Heal {
	return slices.DeleteFunc(slices.Clone(heals), func(h resource.Heal) bool { return !h.PutBack() })
}

// kept returns the newest heals, as many as a record holds.
func kept(heals []resource.Heal) []resource.Heal {
	return heals[max(0, len(heals)-resource.HealsKept):]
}

// rounds counts the latest heals against one change that follow each other
// closely.
func rounds(heals []resource.Heal, found string) int {
	n := 0
	var after time.Time
	for _, h := range slices.Backward(heals) {
		if h.Found != found {
			continue
		}
		if n > 0 && after.Sub(h.At) > fightGap {
			break
		}
		n, after = n+1, h.At
	}
	return n
}

// healWait returns how long after the last of heals the next one may come.
func healWait(heals []resource.Heal, now time.Time) time.Duration {
	wait := time.Duration(0)
	for _, h := range heals {
		if h.At.Before(now.Add(-healsCounted)) {
			continue
		}
		wait = min(max(healFirst, 2*wait), healMost)
	}
	return wait
}

// foundMark identifies what was found where something else is declared.
func foundMark(s resource.Spec) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// HealsAfter returns what the record of c's resource remembers of heals once c
// has been carried out.
func (c Change) HealsAfter(now time.Time) []resource.Heal {
	switch c.Reason {
	case Drifted:
		return kept(append(putBack(c.Heals), resource.Heal{At: now, Found: foundMark(c.Before)}))
	case Conflict:
		return []resource.Heal{{At: now, Found: foundMark(c.Before)}}
	case Expired, Restart, "":
		return c.Heals
	}
	return nil
}
