// Package view is what the daemon shows: one set of shapes of which the API's
// answers, the page and `weir status` are made, so that they never tell two
// stories. Times are UTC, seconds are seconds, sizes are counts.
package view

import (
	"time"

	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
	"weir/sync/source"
	"weir/sync/state"
)

// State is that of a resource as it is shown: one of plan.States, or Failed.
type State string

// Failed is the state of a resource whose last change failed and is tried again
// later; in a plan it is pending.
const Failed State = "failed"

// Overview is the state of everything on one page.
type Overview struct {
	Version string           `json:"version"`
	Now     time.Time        `json:"now"`
	Status  reconcile.Status `json:"status"`
	Total   int              `json:"total"`  // resources
	States  map[State]int    `json:"states"` // every State, also those with 0
	Kinds   []Kind           `json:"kinds"`  // the same by account and kind
	Sources []Source         `json:"sources"`
	Quota   []Gauge          `json:"quota"`
	Passes  []Pass           `json:"passes"` // the last few, newest first; Viewer.Passes has all that are kept
	Run     *Run             `json:"run,omitempty"`
	Cluster *Cluster         `json:"cluster,omitempty"` // nil where the process works alone
}

// Kind is how many resources of a kind in an account are in each state.
type Kind struct {
	Account string        `json:"account"`
	Kind    string        `json:"kind"`
	Total   int           `json:"total"`
	States  map[State]int `json:"states"` // of which there are any
}

// Source is what is in force of a source, and what stands against its newest
// revision.
type Source struct {
	reconcile.SourceStatus
	InForceCommit *Commit   `json:"inForceCommit,omitempty"` // nil for a directory, and where it is not known
	InForceSince  time.Time `json:"inForceSince,omitzero"`   // when this process took it over
	NewestCommit  *Commit   `json:"newestCommit,omitempty"`  // where it is another than the one in force
	Problems      []Problem `json:"problemsAt"`              // the first ones
	// URL is the repository's and Folder where in it the source reads, both "" for
	// a directory: what leads to the pages of a git host.
	URL    string `json:"-"`
	Folder string `json:"-"`
}

// Commit is a revision of a repository as people know it.
type Commit = source.Commit

// SourceProblems is what stands against the newest revision of a source.
type SourceProblems struct {
	Source   string    `json:"source"`
	Revision string    `json:"revision"`
	InForce  string    `json:"inForce"`
	Total    int       `json:"total"`
	Problems []Problem `json:"problems"` // the first ones
}

// Problem is a problem of a manifest with the lines round its place.
type Problem struct {
	manifest.Problem
	Excerpt []Line `json:"excerpt"` // empty where the text is not known
}

// Line is a line of a file.
type Line struct {
	Number int    `json:"number"`
	Text   string `json:"text"`
}

// Gauge is how much of an operation's quota is in use.
type Gauge struct {
	Account   string  `json:"account"`
	Operation string  `json:"operation"`
	PerSecond float64 `json:"perSecond"` // what weir may use now
	Used      float64 `json:"used"`      // part of it that is in use, 0 to 1
	Waiting   int     `json:"waiting"`   // calls of this process
	Throttled uint64  `json:"throttled"` // calls that the cloud refused, since the start
}

// Pass is what the timeline is made of.
type Pass = reconcile.Pass

// Run is how far carrying out the current plan is.
type Run struct {
	Done     int       `json:"done"`
	Total    int       `json:"total"`
	Failed   int       `json:"failed"` // of those that are done
	Began    time.Time `json:"began"`
	Foreseen float64   `json:"foreseen"` // seconds in all
	Left     float64   `json:"left"`     // seconds
}

// Query selects resources. The zero value selects the first of all.
type Query struct {
	Account, Kind, Source string
	State                 State
	Text                  string // part of the identity, the file or the commit, in any case
	Label                 string // "key=value"
	Offset, Limit         int
}

// List is a page of resources.
type List struct {
	Total     int   `json:"total"` // that match
	Offset    int   `json:"offset"`
	Resources []Row `json:"resources"`
}

// Row is a resource in a List.
type Row struct {
	ID       string            `json:"id"`
	State    State             `json:"state"`
	Action   plan.Action       `json:"action"`
	Reason   plan.Reason       `json:"reason,omitempty"`
	Note     string            `json:"note,omitempty"`
	Withheld string            `json:"withheld,omitempty"`
	Origin   resource.Origin   `json:"origin"`
	Labels   map[string]string `json:"labels,omitempty"`
	Read     time.Time         `json:"read,omitzero"`      // when it was last observed, as the plan has it
	UnderWay bool              `json:"underWay,omitempty"` // is being changed now
	// LedBy is the member that makes the change that is due, where that is another than
	// the one who answers; Unled says that nobody does.
	LedBy string `json:"ledBy,omitempty"`
	Unled bool   `json:"unled,omitempty"`
}

// Resource is all that is known of one resource.
type Resource struct {
	Row
	Fields   []Field `json:"fields"`
	Desired  Side    `json:"desired"`
	Applied  Side    `json:"applied"`
	Observed Side    `json:"observed"`
	// What stands against it: the last failure of a change that is still due, a fight,
	// an act of which nobody knows how it ended.
	Failure  string      `json:"failure,omitempty"`
	Attempts int         `json:"attempts,omitempty"` // that have failed
	NextTry  time.Time   `json:"nextTry,omitzero"`
	Fight    *plan.Fight `json:"fight,omitempty"`
	InDoubt  bool        `json:"inDoubt,omitempty"`
	OnAir    string      `json:"onAir,omitempty"` // what its change would interrupt
	Wide     string      `json:"wide,omitempty"`  // what its change takes in beyond it
	// Acts are what was begun for it and must not happen twice. LeaseEnds is when the
	// first effect of one runs out that has not yet, zero for none.
	Acts      []resource.Act `json:"acts"`
	LeaseEnds time.Time      `json:"leaseEnds,omitzero"`
	Journal   []state.Entry  `json:"journal"` // newest first, the last few
}

// Side is one of the three that a resource is made of.
type Side struct {
	Known    bool      `json:"known"`
	Exists   bool      `json:"exists"`
	At       time.Time `json:"at,omitzero"` // edited, applied or read then
	Revision string    `json:"revision,omitempty"`
	Why      string    `json:"why,omitempty"` // where it is not known, or does not exist
	// Confirmed says of what was applied that a read has shown it since.
	Confirmed bool `json:"confirmed,omitempty"`
	// Live and Epoch say of what was observed that it is on air, and since when.
	Live  bool   `json:"live,omitempty"`
	Epoch string `json:"epoch,omitempty"`
}

// Field is one field of a resource on its three sides; nil where a side has none.
type Field struct {
	Path     string `json:"path"`
	Desired  any    `json:"desired,omitempty"`
	Applied  any    `json:"applied,omitempty"`
	Observed any    `json:"observed,omitempty"`
	Differs  bool   `json:"differs"`
}

// Plan is a page of the current plan.
type Plan struct {
	reconcile.PlanDocument        // Changes are those of the page
	Total                  int    `json:"total"` // changes
	Offset                 int    `json:"offset"`
	Consent                string `json:"consent,omitempty"` // the command that lets it through, "" where none does
	Run                    *Run   `json:"run,omitempty"`
}
