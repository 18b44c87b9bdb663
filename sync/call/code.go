package call

import (
	"errors"
	"fmt"
	"time"
)

// Code is weir's class of an outcome. Clouds misuse HTTP statuses (throttling
// as 400, "already exists" as 429, an error as 200), so a provider maps the
// cloud's own code to one of these, the wrappers decide by it, and it is the
// metric label.
type Code string

// The codes, and what the wrappers do with each.
const (
	OK          Code = "ok"
	Throttled   Code = "throttled"   // above a quota: wait a window, try again
	Unavailable Code = "unavailable" // the cloud failed without an effect: try again
	Unknown     Code = "unknown"     // no answer that can be trusted: perhaps an effect
	Invalid     Code = "invalid"     // the request is wrong: never again
	NotFound    Code = "not-found"   // the thing named does not exist
	Exists      Code = "exists"      // the thing to create exists already
	AlreadyDone Code = "already-done"
	NotLive     Code = "not-live"    // the stream is not on air: wait for it
	Denied      Code = "denied"      // this resource may not be touched
	Unauthentic Code = "unauthentic" // key, signature or token refused: stop the account
	Billing     Code = "billing"     // account in arrears or not activated: stop the account
	Clock       Code = "clock"       // our time is off: correct once, then stop
	Unsupported Code = "unsupported" // operation or version gone: stop the operation
	Withheld    Code = "withheld"    // dry run did not make the call
	Stopped     Code = "stopped"     // a circuit or an account stop did not let it out
	Canceled    Code = "canceled"    // the caller gave up before it was sent
	Internal    Code = "internal"    // our own fault
)

// Codes lists every code, for metrics that are pre-filled.
func Codes() []Code {
	return []Code{
		OK, Throttled, Unavailable, Unknown, Invalid, NotFound, Exists, AlreadyDone, NotLive, Denied,
		Unauthentic, Billing, Clock, Unsupported, Withheld, Stopped, Canceled, Internal,
	}
}

// Error is the outcome of a call that was not accepted.
type Error struct {
	Code      Code
	Operation string
	CloudCode string        // the cloud's own code, "Throttling.User"
	Message   string        // the cloud's or the transport's words, cut and free of secrets
	Status    int           // HTTP status, 0 where there was no answer
	RequestID string        // the cloud's, "" where there was none
	After     time.Duration // how long the cloud asks to wait, 0 where it does not say
	Attempts  int           // tries it took, set by Retry
	RTT       time.Duration // from request written to answer, 0 where there was no answer
	Err       error         // the cause in our process, may be nil

	unsent bool // made by a wrapper here: nothing left this process
}

// Error returns operation, cloud code and message.
func (e *Error) Error() string {
	name := e.CloudCode
	if name == "" {
		name = string(e.Code)
	}
	msg := fmt.Sprintf("%s: %s", e.Operation, name)
	if e.Message != "" {
		msg += ": " + e.Message
	}
	if e.RequestID != "" {
		msg += " (request " + e.RequestID + ")"
	}
	return msg
}

// Unwrap returns the cause in our process.
func (e *Error) Unwrap() error { return e.Err }

// Unsent reports whether err says of a call that it did not leave this process.
func Unsent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.unsent
}

// Telling reports whether a cloud that gave this code has looked at the thing
// in question, so that it says more than an unknown outcome of a call before.
func (c Code) Telling() bool {
	switch c {
	case OK, Invalid, NotFound, Exists, AlreadyDone, NotLive, Denied, Unsupported:
		return true
	default:
		return false
	}
}

// CodeOf returns the code of err: OK for nil, Internal for an error that no
// caller made.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}
