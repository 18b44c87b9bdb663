package aliyunlive

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
)

// The notes of resources that no read shows and that ask for no call.
const (
	cannotBeRead = "applied; cannot be read back"
	writtenDown  = "nothing to call; only written down"
)

// onAirPoll is how often weir asks whether a stream to be recorded is on air:
// one call for all of a domain's, of which the quota allows 10,000 a minute.
const onAirPoll = 5 * time.Second

// session is a case of a recording, together with what is believed of it: no
// operation says whether a stream is being recorded. A manual recording ends
// with the ingest it was started in, so belief is tied to that ingest's epoch.
type session struct {
	plan.Case
	want, last recording
	running    bool // weir started it in the ingest that is on air
}

// judgeRecording decides from belief and from whether the stream is on air.
func judgeRecording(c plan.Case) plan.Verdict {
	v := plan.Verdict{Action: plan.None, State: plan.Unknown, Before: c.LastSpec(), After: c.WantSpec()}
	if v.Note = blind(c.Seen); v.Note != "" {
		return v
	}
	if c.Seen.Live {
		v.Epoch = c.Seen.Epoch
	}
	s := newSession(c)
	if s.want.State == stateRecording {
		v.Next = c.Now.Add(onAirPoll)
	}
	switch {
	case c.Want == nil:
		return s.remove(v)
	case s.want.State == stateStopped:
		return s.stop(v)
	case !c.Seen.Live:
		return s.await(v)
	case !s.running:
		return s.due(v, s.whyStart(), commandStart)
	case s.begunSince(commandStop):
		return s.resume(v)
	}
	return s.keep(v)
}

func newSession(c plan.Case) session {
	s := session{Case: c, want: decoded[recording](c.WantSpec()), last: decoded[recording](c.LastSpec())}
	s.running = s.sameIngest() && s.last.State == stateRecording
	return s
}

// blind says why nothing is known of a resource, "" where something is.
func blind(seen *resource.Observation) string {
	if seen == nil {
		return "not read yet"
	}
	return seen.Unreadable
}

// sameIngest reports whether the ingest of the last record is still on air.
func (s session) sameIngest() bool {
	return s.Last != nil && s.Seen.Live && s.Seen.Epoch != "" && s.Last.Epoch == s.Seen.Epoch
}

func (s session) edited() bool { return s.Last != nil && !s.Last.Spec.Equal(s.Want.Spec) }

// whyChanged tells a first declaration from an edited one.
func (s session) whyChanged() plan.Reason {
	if s.Last == nil {
		return plan.New
	}
	return plan.Edited
}

func (s session) whyStart() plan.Reason {
	if s.Last == nil || s.edited() {
		return s.whyChanged()
	}
	return plan.Expired
}

// await is for a stream that is not on air. One that was applied before needs
// no change to be recorded again once it is.
func (s session) await(v plan.Verdict) plan.Verdict {
	v.State, v.Note = plan.Waiting, "starts when the stream is on air"
	if s.Last == nil || s.edited() {
		v.Action, v.Reason = s.action(), s.whyChanged()
	}
	return v
}

// keep is for what is being recorded. The restart token that was there when it
// began is the baseline; taking it away asks for nothing.
func (s session) keep(v plan.Verdict) plan.Verdict {
	switch {
	case s.restarts():
		return s.due(v, plan.Restart, commandRestart)
	case s.edited():
		return s.writeDown(v)
	}
	v.Note = cannotBeRead
	return v
}

// restarts reports whether another restart token asks for one.
func (s session) restarts() bool { return s.want.Restart != s.last.Restart && s.want.Restart != "" }

// resume is for what may have been stopped since the record that says it runs
// was written. Where it was not, a start does no harm.
func (s session) resume(v plan.Verdict) plan.Verdict {
	if s.restarts() {
		return s.due(v, plan.Restart, commandStart, commandRestart)
	}
	return s.due(v, s.whyStart(), commandStart)
}

// stop ends what weir started. What it did not start, but may have begun by
// itself, is stopped once.
func (s session) stop(v plan.Verdict) plan.Verdict {
	commands := []string{commandStop}
	if s.want.Finish == finishImmediate {
		commands = append(commands, commandCancelDelay)
	}
	switch {
	case s.Seen.Live && (s.last.State != stateStopped || s.begunSince(commandStart, commandRestart)):
		return s.due(v, s.whyChanged(), commands...)
	case !s.edited() && s.Last != nil:
		v.Note = cannotBeRead
		return v
	case s.sameIngest() && s.want.Finish == finishImmediate:
		return s.due(v, plan.Edited, commandCancelDelay)
	case s.last.State == stateStopped:
		v.Epoch = s.Last.Epoch // the ingest in which it was stopped
	}
	return s.writeDown(v)
}

// remove stops what weir started, or may have started: a crash can have come
// between an act and its record.
func (s session) remove(v plan.Verdict) plan.Verdict {
	v.Action, v.Reason, v.State = plan.Delete, plan.Removed, plan.Pending
	if s.running || s.begunSince(commandStart, commandRestart) {
		return s.due(v, plan.Removed, commandStop)
	}
	v.Note = nothingToUndo
	return v
}

// begunSince reports whether one of the commands was begun, in the ingest on
// air, after the last record was written: a crash or a lost answer can have
// come between, and what is recorded then is not what the record says.
func (s session) begunSince(commands ...string) bool {
	for _, a := range s.Acts {
		if slices.Contains(commands, a.Name) && s.Seen.Live && s.Last != nil && a.Begun.After(s.Last.At) &&
			strings.HasPrefix(a.Token, s.Seen.Epoch+"/") {
			return true
		}
	}
	return false
}

// writeDown is for a declaration that asks for no call: it is only recorded.
func (s session) writeDown(v plan.Verdict) plan.Verdict {
	v.Action, v.Reason, v.State, v.Note = s.action(), s.whyChanged(), plan.Pending, writtenDown
	return v
}

// due makes v a change with one act for each command that is not done yet. A
// command of which nobody knows whether it was carried out stops the change.
func (s session) due(v plan.Verdict, why plan.Reason, commands ...string) plan.Verdict {
	v.Action, v.Reason, v.State = s.action(), why, plan.Pending
	for _, command := range commands {
		act := plan.Act{Name: command, Token: s.token(), Repeatable: command == commandStart}
		before := find(s.Acts, act.Name, act.Token)
		if before.InDoubt() && !act.Repeatable {
			return inDoubt(v, s.ID, command)
		}
		if before.Done.IsZero() {
			v.Acts = append(v.Acts, act)
		}
	}
	return v
}

func (s session) action() plan.Action {
	switch {
	case s.Want == nil:
		return plan.Delete
	case s.Last == nil:
		return plan.Create
	}
	return plan.Update
}

// token names the transition from the last record to what is wanted, within
// one ingest. A crash leaves the record as it was, so the act is recognised.
func (s session) token() string {
	var at int64
	if s.Last != nil {
		at = s.Last.At.UnixNano()
	}
	return s.Seen.Epoch + "/" + hexSum(fmt.Sprintf("%d %s", at, s.WantSpec()))[:16]
}

// find returns the act of that name and token, zero where there is none.
func find(acts []resource.Act, name, token string) resource.Act {
	for _, a := range acts {
		if a.Name == name && a.Token == token {
			return a
		}
	}
	return resource.Act{}
}

// inDoubt is the verdict for an act that only a person can settle.
func inDoubt(v plan.Verdict, id resource.ID, names ...string) plan.Verdict {
	v.Action, v.Reason, v.State, v.Acts = plan.None, "", plan.Unknown, nil
	v.Note = doubtNote(id, names...)
	return v
}

func doubtNote(id resource.ID, names ...string) string {
	return fmt.Sprintf("nobody knows how %s ended; settle: weir settle %s done|again", strings.Join(names, ", "), id)
}
