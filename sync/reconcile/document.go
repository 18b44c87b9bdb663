package reconcile

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

// The formats of the machine-readable documents.
const (
	PlanFormat   = "weir.plan/v1"
	ReportFormat = "weir.report/v1"
)

// PlanDocument is a plan as `weir diff --output json` prints it and as it is
// saved: with the exact calls and their price.
type PlanDocument struct {
	Format   string           `json:"format"`
	Revision string           `json:"revision"`
	Hash     string           `json:"hash"`
	Held     []plan.Hold      `json:"held"`
	Changes  []ChangeDocument `json:"changes"`
	Summary  plan.Summary     `json:"summary"`
	Cost     call.Bill        `json:"cost"`
	// Reads is what observing the accounts for it took, nil where that was not
	// followed.
	Reads *ReadsDocument `json:"reads,omitempty"`
	// Unreadable holds what nothing is known of because a read failed, or because
	// an act is in doubt.
	Unreadable []Unread `json:"unreadable"`
	// ID is a saved plan's, which is carried out once.
	ID string `json:"id,omitempty"`
	// Sum is a saved plan's too, over all the rest; see Seal.
	Sum string `json:"sum,omitempty"`
	// Declared counts the resources declared by source, and Consented is when the
	// last consent was used: the guards compare with the one, the hash has both.
	Declared  map[string]int `json:"declared,omitempty"`
	Consented time.Time      `json:"consented,omitzero"`
	// Cached says how much of it another process has read, nil where nothing was
	// taken over.
	Cached *Cached `json:"cached,omitempty"`
}

// ChangeDocument is one change of a PlanDocument.
type ChangeDocument struct {
	ID          string           `json:"id"`
	Action      plan.Action      `json:"action"`
	Reason      plan.Reason      `json:"reason"`
	State       plan.State       `json:"state"`
	Origin      resource.Origin  `json:"origin"`
	Fields      []resource.Field `json:"fields"`
	Calls       []CallDocument   `json:"calls"`
	Fingerprint string           `json:"fingerprint"`
	Withheld    string           `json:"withheld,omitempty"`
	Note        string           `json:"note,omitempty"`
	Fight       *plan.Fight      `json:"fight,omitempty"` // somebody undoes what weir puts back
	OnAir       string           `json:"onAir,omitempty"` // what it would interrupt
	Wide        string           `json:"wide,omitempty"`  // what it takes in beyond its own resource
	// What follows lets a saved plan be applied without its source.
	Before resource.Spec     `json:"before"`
	After  resource.Spec     `json:"after"`
	Acts   []plan.Act        `json:"acts,omitempty"`
	Epoch  string            `json:"epoch,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
}

// CallDocument is one call as it would be made.
type CallDocument struct {
	Operation string         `json:"operation"`
	Params    map[string]any `json:"params"`
	Verify    bool           `json:"verify,omitempty"` // a read that shows what became of the write
}

// Document renders p. With all it holds unchanged resources too.
func (r *Reconciler) Document(p *plan.Plan, all bool) (PlanDocument, error) {
	doc := r.frame(p)
	var err error
	if all {
		err = r.add(&doc, p.All())
	} else {
		err = r.add(&doc, p.Actions())
	}
	doc.Cost = r.Price(p)
	doc.Reads = r.readsDocument()
	return doc, err
}

// frame renders p but for its changes, their price and the reads.
func (r *Reconciler) frame(p *plan.Plan) PlanDocument {
	doc := PlanDocument{
		Format: PlanFormat, Revision: p.Revision, Hash: p.Hash, Summary: p.Summary(),
		Held: append([]plan.Hold{}, p.Held...), Changes: []ChangeDocument{}, Unreadable: []Unread{},
		ID: p.ID, Declared: p.Declared, Consented: p.Consented, Cached: r.cached,
	}
	for _, c := range p.Changes { // of what is calm nothing was read, or all is well
		if c.Unread || c.InDoubt {
			doc.Unreadable = append(doc.Unreadable, unreadOf(c))
		}
	}
	return doc
}

// add renders changes.
func (r *Reconciler) add(doc *PlanDocument, changes iter.Seq[plan.Change]) error {
	for c := range changes {
		reqs, verify, err := r.calls(c)
		if err != nil {
			return err
		}
		doc.Changes = append(doc.Changes, changeDocument(c, reqs, verify))
	}
	return nil
}

// Price returns what carrying out p costs now.
func (r *Reconciler) Price(p *plan.Plan) call.Bill { return r.applier.Foresee(p).Bill() }

// Page renders p with at most limit of its changes from offset on, all with 0, but
// without their price, and returns how many there are.
func (r *Reconciler) Page(p *plan.Plan, offset, limit int) (doc PlanDocument, total int, err error) {
	var part []plan.Change
	for c := range p.Actions() {
		if total++; total > offset && (limit == 0 || len(part) < limit) {
			part = append(part, c)
		}
	}
	doc = r.frame(p)
	return doc, total, r.add(&doc, slices.Values(part))
}

// calls returns the calls of a change that is due, addressed to its account.
func (r *Reconciler) calls(c plan.Change) (reqs, verify []*call.Request, err error) {
	if !c.Due() {
		return nil, nil, nil
	}
	account := r.opts.Accounts[c.ID.Account]
	kind := account.Provider.Kinds()[c.ID.Kind]
	if reqs, err = kind.Calls(c); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.ID, err)
	}
	if kind.Verify != nil && c.Action != plan.Delete {
		verify = kind.Verify(c)
	}
	for _, req := range slices.Concat(reqs, verify) {
		req.Account = c.ID.Account
	}
	return reqs, verify, nil
}

func changeDocument(c plan.Change, reqs, verify []*call.Request) ChangeDocument {
	doc := ChangeDocument{
		ID: c.ID.String(), Action: c.Action, Reason: c.Reason, State: c.State, Origin: c.Origin,
		Fields: append([]resource.Field{}, c.Fields...), Calls: []CallDocument{},
		Fingerprint: c.Fingerprint, Withheld: c.Withheld, Note: c.Note, Fight: c.Fight,
		Before: c.Before, After: c.After, Acts: c.Acts, Epoch: c.Epoch, Labels: c.Labels, OnAir: c.OnAir, Wide: c.Wide,
	}
	for _, req := range reqs {
		doc.Calls = append(doc.Calls, CallDocument{Operation: req.Operation, Params: req.Params})
	}
	for _, req := range verify {
		doc.Calls = append(doc.Calls, CallDocument{Operation: req.Operation, Params: req.Params, Verify: true})
	}
	return doc
}

// ReportDocument is a report as `weir apply --output json` prints it.
type ReportDocument struct {
	Format   string  `json:"format"`
	Revision string  `json:"revision"`
	Plan     string  `json:"plan"`
	Seconds  float64 `json:"seconds"`
	// Predicted is what was foreseen when it began, nil where nothing was due.
	Predicted *Prediction           `json:"predicted,omitempty"`
	Results   []apply.Result        `json:"results"`
	Summary   map[apply.Outcome]int `json:"summary"`
}

// Prediction is what was foreseen of carrying out a plan.
type Prediction struct {
	Seconds float64 `json:"seconds"`
	Calls   int     `json:"calls"`
	// Ratio is the time it took as a part of these seconds, left out where not all
	// of the plan was done.
	Ratio float64 `json:"ratio,omitempty"`
}

func predictionOf(rep *apply.Report) *Prediction {
	if rep.Foreseen == nil {
		return nil
	}
	p := &Prediction{Seconds: rep.Foreseen.Took.Seconds()}
	for _, c := range rep.Foreseen.Calls {
		p.Calls += c.Count
	}
	p.Ratio, _ = rep.Ratio()
	return p
}

// Report renders rep.
func Report(rep *apply.Report) ReportDocument {
	return ReportDocument{
		Predicted: predictionOf(rep),
		Format:    ReportFormat, Revision: rep.Revision, Plan: rep.Plan, Seconds: rep.Took.Seconds(),
		Results: append([]apply.Result{}, rep.Results...), Summary: rep.Summary,
	}
}
