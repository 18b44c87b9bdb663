package aliyunlive

import (
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
)

// defaultBlock is how long a block without an end lasts: six months by the
// newer pages of ForbidLiveStream, for ever by an older one. The shortest six
// months have 181 days, so a block found gone after 180 has most likely run
// out rather than been lifted by someone.
const defaultBlock = 180 * 24 * time.Hour

const nothingToUndo = "nothing to undo in the cloud; only forgotten"

// judgeMultiStream compares. A removal undoes what weir turned on; a switch
// that weir turned off and someone turned on since is not weir's to undo.
func judgeMultiStream(c plan.Case) plan.Verdict {
	v := plan.Compare(c)
	if v.Action == plan.Delete && v.Before != "" && !decoded[multiStream](c.LastSpec()).Enabled {
		v.Before, v.Note = "", nothingToUndo
	}
	return v
}

// judgeIngest compares, after completing what was seen by what cannot be read:
// the end of a block. Once that end has passed weir does nothing any more.
func judgeIngest(c plan.Case) plan.Verdict {
	if c.Want == nil {
		return judgeIngestRemoval(c)
	}
	v := plan.Compare(completed(c))
	if v.State == plan.Unknown {
		return v
	}
	until := instant(decoded[ingest](c.Want.Spec).Until)
	switch {
	case until.IsZero():
		if v.Reason == plan.Drifted && !c.Seen.Exists && !c.Now.Before(c.Last.At.Add(defaultBlock)) {
			v.Reason, v.State = plan.Expired, plan.Pending
		}
	case c.Now.Before(until):
		v.Next = plan.Earliest(v.Next, until)
		if c.Seen != nil && c.Seen.Exists {
			v.Ends = until
		}
	default:
		return blockIsOver(c)
	}
	return v
}

// completed returns c with the end of the block written into what was seen,
// as far as weir knows it, and with a block of weir's that has run its time
// counted as applied and over.
func completed(c plan.Case) plan.Case {
	if c.Last == nil || c.Seen == nil || c.Seen.Unreadable != "" {
		return c
	}
	last := decoded[ingest](c.Last.Spec)
	if c.Seen.Exists {
		seen := *c.Seen
		seen.Spec = with(seen.Spec, func(s *ingest) { s.Until = last.Until })
		c.Seen = &seen
	}
	if !c.Seen.Exists && passed(last, c.Now) {
		record := *c.Last
		record.Spec = with(record.Spec, func(s *ingest) { s.Allowed, s.Until = true, "" })
		c.Last = &record
	}
	return c
}

// blockIsOver is the verdict once the wanted end has passed.
func blockIsOver(c plan.Case) plan.Verdict {
	v := plan.Verdict{Action: plan.None, State: plan.InSync, Before: c.Seen.Spec, After: c.Want.Spec}
	if c.Seen.Exists {
		v.State, v.Note = plan.Differs, "until has passed and the stream is still blocked; weir leaves this block alone"
	}
	return v
}

// judgeIngestRemoval lifts a block that weir made and that is seen. A block
// seen where weir had allowed the stream, or after its own had run its time,
// is someone else's.
func judgeIngestRemoval(c plan.Case) plan.Verdict {
	v := plan.Compare(c)
	last := decoded[ingest](c.LastSpec())
	if v.Action == plan.Delete && (last.Allowed || passed(last, c.Now)) {
		v.Before, v.Note = "", nothingToUndo
	}
	if v.Action == plan.Delete && v.Before != "" && !last.Allowed {
		v.Before = with(v.Before, func(s *ingest) { s.Until = last.Until }) // what a rollback blocks again
	}
	return v
}

// passed reports whether the end of a block is behind now.
func passed(s ingest, now time.Time) bool {
	until := instant(s.Until)
	return !until.IsZero() && !now.Before(until)
}

func with(spec resource.Spec, change func(*ingest)) resource.Spec {
	s := decoded[ingest](spec)
	change(&s)
	out, err := resource.NewSpec(s)
	if err != nil {
		return spec
	}
	return out
}

// decoded reads a spec in normal form. One that cannot be read, from a record
// of another version, is the zero value: it differs from whatever is wanted.
func decoded[T any](spec resource.Spec) T {
	var v T
	_ = spec.Decode(&v)
	return v
}

// instant reads a time in normal form, zero for none.
func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}
