// Package call holds one API call as data, the error codes weir decides by,
// and the wrappers round a cloud's client: retry, circuit, limit, journal,
// meter and withhold (dry run). Every wrapper wraps the one method of Caller,
// and Stack is the one place where they are put on top of each other.
package call

import (
	"context"
	"time"
)

// Caller makes one API call. A nil error means that the cloud accepted it; any
// other outcome is an *Error.
type Caller interface {
	Call(ctx context.Context, req *Request) (*Response, error)
}

// Request is an API call that has not been made.
type Request struct {
	Account   string         // name in weir's config
	Operation string         // the cloud's name, "HotLiveRtcStream"
	Params    map[string]any // the operation's own parameters under the cloud's names
	Write     bool           // has an effect; false for reads
	// Repeatable says that a second call has no second effect, so that one
	// whose outcome is unknown may be made again.
	Repeatable bool
	// Priority is a write's own, where what it does is more urgent than what it is
	// part of; see PriorityOf.
	Priority Priority
	Act      Act // for calls that must not happen twice; zero for all others
	// Begin is called before each try, after every wait, when the call is
	// really about to go out; an error of it keeps the call from being sent.
	// nil for none.
	Begin func(context.Context) error
	Cause Cause // who asked for it, for the journal
}

// Act names what a call does once: see resource.Act.
type Act struct {
	Name  string
	Token string
	Lasts time.Duration // how long its effect lasts, 0 for ever
	// Repeatable says that the cloud makes a second one harmless.
	Repeatable bool
}

// Cause ties a call to what asked for it.
type Cause struct {
	Resource string `json:"resource,omitempty"` // text form of the resource's ID
	Source   string `json:"source,omitempty"`   // name of the source that File is below
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Commit   string `json:"commit,omitempty"`
	Author   string `json:"author,omitempty"`
	Revision string `json:"revision,omitempty"`
	Plan     string `json:"plan,omitempty"` // hash of the plan
	// What the call is a part of: the change's action and reason, and the
	// resource's specs before and after it as JSON text, "" for absent.
	Action string `json:"action,omitempty"`
	Reason string `json:"reason,omitempty"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Response is the cloud's answer to an accepted call.
type Response struct {
	RequestID string
	Status    int           // HTTP status
	Body      []byte        // whole, at most the client's body limit
	Attempts  int           // tries it took, set by Retry
	RTT       time.Duration // from the moment the request was written to the first byte of the answer
}

// Func makes a Caller of a function.
type Func func(ctx context.Context, req *Request) (*Response, error)

// Call calls f.
func (f Func) Call(ctx context.Context, req *Request) (*Response, error) { return f(ctx, req) }

// Window is a quota: at most Limit calls of one operation and account in any
// sliding Per.
type Window struct {
	Limit int
	Per   time.Duration
}
