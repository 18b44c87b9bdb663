// Package channel brings messages to people and machines: a file for each kind of
// receiver, which says how a message is written there, how it is signed, and what
// an answer means. A channel makes one try and remembers nothing; when to send, how
// often and in what order is decided by whoever has it.
//
// The facts are those of the receivers' own documents: Slack "Incoming webhooks",
// DingTalk "Custom robot access", Feishu "Custom bot usage guide", WeCom "Group robot
// configuration", RFC 5321 and the OpenAPI document of Alertmanager's API v2.
package channel

import (
	"context"
	"errors"
	"time"

	"weir/sync/notify/message"
)

// Letter is a message as it is sent, the same at each try.
type Letter struct {
	ID    string // by which a receiver can tell a second copy
	Title string // "" where no person reads it
	Body  []byte // what is POSTed, but for what is signed anew at each try; of a mail its text
	HTML  []byte // of a mail
}

// Channel is a receiver.
type Channel interface {
	// Compose writes a letter. It asks nobody.
	Compose(d message.Data, id string) (Letter, error)
	// Send makes one try. An error that it will not succeed later either, or when to
	// try again, is a *Fault.
	Send(ctx context.Context, l Letter) error
	// Traits says how the receiver is to be treated.
	Traits() Traits
	// Close ends connections that are kept open.
	Close()
}

// Traits are what a kind of receiver asks for.
type Traits struct {
	Single  bool          // each event is a message of its own
	All     bool          // each message tells all that stands, whatever it is of
	Most    int           // events in one message
	Rate    int           // messages a minute that it takes, with room to spare
	Again   time.Duration // after which what stands is told again, 0: as for people
	Repeats bool          // it is told again of what stands
}

// Fault is a try that did not succeed.
type Fault struct {
	Final bool          // the receiver does not take the letter, whatever happens
	After time.Duration // not to be tried again before
	Err   error
}

// Error returns what went wrong.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap returns the error.
func (f *Fault) Unwrap() error { return f.Err }

// FaultOf returns err as a fault; another error may be mended.
func FaultOf(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	return &Fault{Err: err}
}

// fits returns what limits a body to so many bytes.
func fits(most int) func(message.Text) bool {
	return func(t message.Text) bool { return len(t.Body) <= most }
}
