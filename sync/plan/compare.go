package plan

import (
	"time"

	"weir/sync/resource"
)

// Lag is how long after a write a read that still shows the old value is taken
// for the cloud's read-after-write lag and not for drift.
const Lag = 60 * time.Second

// lagPoll is when to look again while a write does not show yet.
const lagPoll = 2 * time.Second

// Compare is the judgement for kinds that can be read back: the cloud's answer
// decides what is due, the record of what was last applied decides why.
func Compare(c Case) Verdict {
	if c.Want == nil {
		return compareRemoved(c)
	}
	after := c.Want.Spec
	if v, blind := unread(c, after); blind {
		return v
	}
	v := Verdict{Action: None, State: InSync, Before: c.Seen.Spec, After: after}
	if c.Seen.Spec.Equal(after) {
		return maybeOlder(c, v)
	}
	if lagging(c) {
		v.State, v.Note, v.Next = Pending, "applied, but the cloud does not show it yet", c.Now.Add(lagPoll)
		return v
	}
	v.Reason, v.State = whyDiffers(c)
	if v.Reason == Drifted && !c.Last.Confirmed {
		v.Note = "not effective: applied at " + c.Last.At.UTC().Format(time.RFC3339) + ", and no read has shown it since"
	}
	v.Action = Update
	if !c.Seen.Exists {
		v.Action = Create
	}
	return v
}

// maybeOlder is the verdict for what is seen as declared. Where weir wrote
// something else a moment ago and no read has shown that write yet, what is
// seen may be the state before it, so the declaration is written once more.
func maybeOlder(c Case, v Verdict) Verdict {
	if c.Last == nil || c.Last.Confirmed || c.Last.Spec.Equal(c.Want.Spec) || !c.Now.Before(c.Last.At.Add(Lag)) {
		return v
	}
	v.Action, v.Reason, v.State, v.Before = Update, Edited, Pending, c.Last.Spec
	v.Note = "seen as declared, but that may be from before the last write"
	return v
}

func compareRemoved(c Case) Verdict {
	if v, blind := unread(c, ""); blind {
		v.Before, v.Reason = c.LastSpec(), Removed
		v.Note = "left the source; its removal waits for a fresh read: " + v.Note
		return v
	}
	v := Verdict{Action: Delete, Reason: Removed, State: Pending, Before: c.Seen.Spec}
	switch {
	case c.Seen.Exists:
	case c.Last != nil && c.Now.Before(c.Last.At.Add(Lag)):
		// Forgotten now, what weir wrote would stay when the cloud shows it. That
		// a read has shown it does not help: the next may come from another copy.
		v.Before, v.Note = c.Last.Spec, "seen as absent, but that may be from before it was written"
	default:
		v.Before, v.Note = "", "already gone from the cloud; only forgotten"
	}
	return v
}

// NotReadYet is the note of what is unknown only for a moment.
const NotReadYet = "not read yet"

// unread returns the verdict for a resource nothing is known of.
func unread(c Case, after resource.Spec) (Verdict, bool) {
	v := Verdict{Action: None, State: Unknown, After: after}
	switch {
	case c.Seen == nil:
		v.Note = NotReadYet
	case c.Seen.Unreadable != "":
		v.Note = c.Seen.Unreadable
	default:
		return v, false
	}
	return v, true
}

// lagging reports whether what was seen may be older than weir's own write.
func lagging(c Case) bool {
	return c.Last != nil && !c.Last.Confirmed && c.Last.Spec.Equal(c.Want.Spec) && c.Now.Before(c.Last.At.Add(Lag))
}

func whyDiffers(c Case) (Reason, State) {
	switch {
	case c.Last == nil:
		return New, Pending
	case c.Last.Spec.Equal(c.Want.Spec):
		return Drifted, Differs
	case c.Last.Spec.Equal(c.Seen.Spec):
		return Edited, Pending
	default:
		return Conflict, Pending
	}
}

// Ineffective reports whether c differs because what weir wrote was never seen:
// the cloud accepted it and ignores it, or somebody undid it at once.
func (c Change) Ineffective() bool {
	return c.Reason == Drifted && c.Last != nil && !c.Last.Confirmed
}

// Shows reports whether seen, read at now after calls of c, shows what c was to
// make true. It does not where a read from before them could look the same.
func (c Change) Shows(judge Judge, seen resource.Observation, now time.Time) bool {
	if seen.Unreadable != "" {
		return false
	}
	if c.Action == Delete {
		fresh := c.Last != nil && !c.Last.Confirmed && now.Before(c.Last.At.Add(Lag))
		return !seen.Exists && !fresh
	}
	want := resource.Resource{ID: c.ID, Spec: c.After, Labels: c.Labels, Origin: c.Origin}
	v := judge(Case{ID: c.ID, Want: &want, Last: c.Last, Seen: &seen, Now: now})
	return v.State == InSync
}

// LastSpec returns what was last applied, "" for nothing.
func (c Case) LastSpec() resource.Spec {
	if c.Last == nil {
		return ""
	}
	return c.Last.Spec
}

// WantSpec returns what is declared, "" for what left the source.
func (c Case) WantSpec() resource.Spec {
	if c.Want == nil {
		return ""
	}
	return c.Want.Spec
}
