package apply

import (
	"slices"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

// Outcome is what became of a change.
type Outcome string

// The outcomes.
const (
	Done     Outcome = "applied"
	Failed   Outcome = "failed"
	Withheld Outcome = "withheld" // policy or dry run did not let it happen
	Waiting  Outcome = "waiting"  // its precondition is not met
	Refused  Outcome = "refused"  // a guard, a stop or a moved resource
)

// Outcomes lists every outcome.
func Outcomes() []Outcome { return []Outcome{Done, Failed, Withheld, Waiting, Refused} }

// Result is what became of one change.
type Result struct {
	ID      resource.ID `json:"id"`
	Action  plan.Action `json:"action"`
	Outcome Outcome     `json:"outcome"`
	Calls   []Call      `json:"calls"`
	Error   string      `json:"error"` // "" where there was none
	Code    call.Code   `json:"-"`     // of the failure
	// Shown is a read after the calls that shows what they were to make true, nil
	// where none was made or none did, and for removals.
	Shown *resource.Observation `json:"-"`
	Moved bool                  `json:"-"` // refused as the resource is not as it was
	// Lost says that another process may lead the account, or does: what is not done, or
	// not recorded, is its business.
	Lost bool `json:"-"`
}

// Call is one call of a result, with the last of its attempts.
type Call struct {
	Operation    string    `json:"operation"`
	RequestID    string    `json:"requestId"`
	Code         call.Code `json:"code"`
	Status       int       `json:"status"`
	Attempts     int       `json:"attempts"`
	Milliseconds int64     `json:"milliseconds"` // with waiting for quota and retries
}

// Report is what became of a plan.
type Report struct {
	Revision string
	Plan     string // its hash
	Started  time.Time
	Took     time.Duration
	// Foreseen is what was to be expected when it began, nil where that was not
	// asked for.
	Foreseen *Forecast
	Results  []Result // ordered by ID
	Summary  map[Outcome]int
}

// Failed reports whether any change failed or was refused.
func (r *Report) Failed() bool { return r.Summary[Failed]+r.Summary[Refused] > 0 }

// Ratio returns how long it took as a part of what was foreseen, 1 for exactly so
// long, and reports whether that says anything: not where nothing was foreseen, or
// where not all of it was done.
func (r *Report) Ratio() (ratio float64, says bool) {
	f := r.Foreseen
	if f == nil || f.Took <= 0 || r.Summary[Done] < len(f.Ends) {
		return 0, false
	}
	return r.Took.Seconds() / f.Took.Seconds(), true
}

// Add puts results that were decided elsewhere into the report.
func (r *Report) Add(results ...Result) {
	took := r.Took
	r.Results = append(r.Results, results...)
	r.finish()
	r.Took = took
}

func (r *Report) finish() *Report {
	slices.SortFunc(r.Results, func(a, b Result) int { return resource.Compare(a.ID, b.ID) })
	r.Took = time.Since(r.Started)
	r.Summary = map[Outcome]int{}
	for _, o := range Outcomes() {
		r.Summary[o] = 0
	}
	for _, res := range r.Results {
		r.Summary[res.Outcome]++
	}
	return r
}

// note turns the outcome of a call into its line of the report.
func note(req *call.Request, resp *call.Response, err error, took time.Duration) Call {
	c := Call{Operation: req.Operation, Code: call.CodeOf(err), Milliseconds: took.Milliseconds()}
	if resp != nil {
		c.RequestID, c.Status, c.Attempts = resp.RequestID, resp.Status, resp.Attempts
	}
	if e := asError(err); e != nil {
		c.RequestID, c.Status, c.Attempts = e.RequestID, e.Status, e.Attempts
	}
	return c
}
