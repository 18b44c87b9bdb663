package reconcile

import (
	"context"
	"sync"
	"time"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/resource"
)

// Reading is how far observing resources is.
type Reading struct {
	Resources int
	Made      int // calls that have been answered
	// Foreseen is how it was expected to go when it began. A list may take more
	// calls, and so does what nothing is found of at the first look.
	Foreseen apply.Forecast
	Took     time.Duration // until now
	Ended    bool
}

// Calls returns the calls that were foreseen.
func (r Reading) Calls() int { return len(r.Foreseen.Ends) }

// Left returns how much longer it takes.
func (r Reading) Left() time.Duration { return r.Foreseen.Left(r.Took, r.Made) }

// reads follows the observing of resources: of a command, which has someone who
// waits for it. The zero value tells nobody.
type reads struct {
	mu      sync.Mutex
	tell    func(Reading) // nil for nobody
	began   time.Time     // zero while nothing is observed
	current Reading
}

// begin is of the observing of resources.
func (r *reads) begin(resources int, foreseen func() apply.Forecast) {
	if r.tell == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began, r.current = time.Now(), Reading{Resources: resources, Foreseen: foreseen()}
	r.tell(r.current)
}

// answered counts a call.
func (r *reads) answered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.began.IsZero() {
		r.current.Made++
		r.current.Took = time.Since(r.began)
		r.tell(r.current)
	}
}

// end is of all of it, or of what could be observed.
func (r *reads) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.began.IsZero() {
		r.current.Ended, r.current.Took = true, time.Since(r.began)
		r.began = time.Time{}
		r.tell(r.current)
	}
}

// last returns the latest that ended.
func (r *reads) last() (Reading, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current, r.current.Ended
}

// counted makes the calls of targets count, where anybody wants to know.
func (r *reads) counted(targets map[string]apply.Target) map[string]apply.Target {
	if r.tell == nil {
		return targets
	}
	out := map[string]apply.Target{}
	for name, t := range targets {
		next := t.Caller
		t.Caller = call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
			defer r.answered()
			return next.Call(ctx, req)
		})
		out[name] = t
	}
	return out
}

// readingBegins tells what observing resources will take.
func (r *Reconciler) readingBegins(want []resource.Resource) {
	r.reads.begin(len(want), func() apply.Forecast { return r.applier.ForeseeReads(want) })
}

// ReadsDocument is what observing the accounts for a plan took.
type ReadsDocument struct {
	Resources int     `json:"resources"`
	call.Bill         // as it was foreseen: seconds, calls, critical
	Made      int     `json:"made"` // calls, with those of further pages and second looks
	Took      float64 `json:"took"` // seconds
}

// readsDocument renders the latest observing, nil where nobody asked to be told.
func (r *Reconciler) readsDocument() *ReadsDocument {
	last, ended := r.reads.last()
	if !ended {
		return nil
	}
	return &ReadsDocument{
		Resources: last.Resources, Bill: last.Foreseen.Bill(), Made: last.Made, Took: last.Took.Seconds(),
	}
}
