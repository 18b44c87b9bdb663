package blame

import (
	"fmt"
	"reflect"
	"time"

	"weir/sync/call"
	"weir/sync/resource"
	"weir/sync/state"
)

// made returns the call that gave a field its value, or why there is none.
func (e Evidence) made(path string, value any) (*Call, string) {
	if e.Applied == nil && e.Declared.Spec != "" {
		return nil, e.unmade(path, value)
	}
	if e.Applied != nil && !holds(e.Applied.Spec, path, value) {
		return nil, e.unmade(path, value)
	}
	has := func(s resource.Spec) bool { return holds(s, path, value) }
	if n := e.turned(has); n >= 0 {
		return callOf(e.Calls[e.closest(n, value)]), ""
	}
	return nil, e.found(has)
}

// turned returns the newest call after which a resource had what it had not
// before, -1 for none.
func (e Evidence) turned(has func(resource.Spec) bool) int {
	for i, c := range e.Calls {
		if e.took(i) && has(c.Change.After) && !has(c.Change.Before) {
			return i
		}
	}
	return -1
}

// succeeded reports whether a call is known to have had its effect.
func succeeded(e state.Entry) bool {
	if e.Change == nil || e.Outcome.Closed.IsZero() {
		return false
	}
	switch call.Code(e.Outcome.Code) {
	case call.OK, call.AlreadyDone:
		return true
	case call.NotFound:
		return e.Change.After == ""
	default:
		return false
	}
}

// took reports whether call i had its effect: by its answer or, where that was
// lost, by what was found afterwards.
func (e Evidence) took(i int) bool {
	c := e.Calls[i]
	if !doubtful(c) {
		return succeeded(c)
	}
	for n := i - 1; n >= 0; n-- {
		if next := e.Calls[n].Change; next != nil && *next != *c.Change {
			return next.Before.Equal(c.Change.After)
		}
	}
	if e.Applied == nil {
		return c.Change.After == "" && e.Declared.Spec == ""
	}
	return !e.Applied.At.Before(c.Opened) && e.Applied.Spec.Equal(c.Change.After)
}

// doubtful reports whether nobody knows if a call had its effect.
func doubtful(e state.Entry) bool {
	return e.Change != nil && (e.Outcome.Closed.IsZero() || e.Outcome.Code == string(call.Unknown))
}

// closest returns, of the calls of one change, the one that has the value among
// its parameters: a change of several regions is several calls.
func (e Evidence) closest(n int, value any) int {
	for i := n; i < len(e.Calls); i++ {
		c := e.Calls[i]
		if c.Plan != e.Calls[n].Plan || c.Change == nil || *c.Change != *e.Calls[n].Change {
			break
		}
		if e.took(i) && within(c.Params, value) {
			return i
		}
	}
	return n
}

// within reports whether a value stands somewhere among parameters.
func within(v, value any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, sub := range v {
			if within(sub, value) {
				return true
			}
		}
	case []any:
		for _, sub := range v {
			if within(sub, value) {
				return true
			}
		}
	default:
		return reflect.DeepEqual(v, value)
	}
	return false
}

func callOf(e state.Entry) *Call {
	c := &Call{
		Number: e.Number, At: e.Opened.UTC(), Operation: e.Operation, RequestID: e.Outcome.RequestID, Plan: e.Plan,
		Process: e.Process, Commit: e.Origin.Commit,
	}
	if e.Change != nil {
		c.Action, c.Reason = e.Change.Action, e.Change.Reason
	}
	c.Lost = doubtful(e)
	return c
}

// unmade says why a value that is declared was not made true.
func (e Evidence) unmade(path string, value any) string {
	for _, c := range e.Calls {
		if e.Applied != nil && !c.Opened.After(e.Applied.At) || c.Change == nil {
			break
		}
		switch {
		case !holds(c.Change.After, path, value):
		case doubtful(c):
			return fmt.Sprintf("in doubt: how %s at %s ended is not known", c.Operation, stamp(c.Opened))
		case !succeeded(c):
			return fmt.Sprintf("not applied yet: %s at %s ended as %s", c.Operation, stamp(c.Opened), c.Outcome.Code)
		}
	}
	return "not applied yet"
}

// found says why the journal has no call that made something true which is so.
func (e Evidence) found(has func(resource.Spec) bool) string {
	for _, c := range e.Calls {
		switch {
		case c.Change == nil:
			return "made by a weir that did not keep what a call changed"
		case doubtful(c) && has(c.Change.After):
			return fmt.Sprintf("in doubt: how %s at %s ended is not known", c.Operation, stamp(c.Opened))
		}
	}
	switch {
	case e.Pruned:
		return "older than the journal, which begins at " + stamp(e.Journal) + ", or found so in the cloud"
	case len(e.Calls) > 0:
		return "found so in the cloud, and taken over"
	case e.Applied != nil:
		return "found so in the cloud, and taken over at " + stamp(e.Applied.At)
	}
	return "the journal has no call for it"
}

// removal returns the call that took the resource away, nil for none.
func (e Evidence) removal() *Call {
	for i, c := range e.Calls {
		if e.took(i) && c.Change.After == "" {
			return callOf(c)
		}
	}
	return nil
}

// stamp writes a time as all of weir's output does.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
