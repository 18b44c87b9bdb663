package apply

import (
	"fmt"
	"slices"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/resource"
)

// rehearsal is a plan carried out in virtual time, as if every call succeeded and
// every read showed what was written. Its methods are those of run, in the order
// of apply.go, canary.go, rename.go and change.go, each with what comes after it
// as its last argument: what is changed there is to be changed here.
type rehearsal struct {
	clock
	terms   Terms
	plan    *plan.Plan
	kinds   map[string]map[string]provider.Kind // by account
	glances map[string]*glance
	ledgers map[operation]*ledger
	gates   map[budget]*gate
	ends    []time.Duration // of the changes that are due
}

func rehearse(p *plan.Plan, t Terms) *rehearsal {
	r := newRehearsal(t)
	r.plan = p
	r.all()
	r.run()
	return r
}

func newRehearsal(t Terms) *rehearsal {
	return &rehearsal{
		terms: t, kinds: map[string]map[string]provider.Kind{}, glances: map[string]*glance{},
		ledgers: map[operation]*ledger{}, gates: map[budget]*gate{},
	}
}

// operation is an account's, and budget has its slots.
type (
	operation struct{ account, name string }
	budget    struct {
		of   any // the limiter that accounts of one key have in common, or the account
		name string
	}
)

// nothing comes last.
func nothing() {}

func (r *rehearsal) all() {
	for _, changes := range byAccount(r.plan) {
		r.account(changes)
	}
}

func (r *rehearsal) account(changes []plan.Change) {
	first, last := waves(changes)
	r.wave(first, r.terms.Parallel, func() {
		r.keepOld(changes, last, func(rest []plan.Change) { r.wave(rest, removalParallel, nothing) })
	})
}

func (r *rehearsal) wave(changes []plan.Change, parallel int, then func()) {
	kinds := byKind(changes)
	left := len(kinds) + 1
	ended := func() {
		if left--; left == 0 {
			then()
		}
	}
	for _, list := range kinds {
		r.kind(list, parallel, ended)
	}
	ended()
}

func (r *rehearsal) kind(changes []plan.Change, parallel int, then func()) {
	r.canary(changes, func(rest []plan.Change) {
		r.each(len(rest), parallel, func(i int, done func()) { r.change(&rest[i], done) }, then)
	})
}

// each does n things, so many at a time.
func (r *rehearsal) each(n, parallel int, do func(i int, done func()), then func()) {
	begun, flying, busy := 0, 0, false
	var more func()
	more = func() {
		if busy {
			return // of a thing that ends as soon as it begins
		}
		busy = true
		for begun < n && flying < parallel {
			i := begun
			begun, flying = begun+1, flying+1
			do(i, func() { flying--; more() })
		}
		busy = false
		if begun == n && flying == 0 {
			begun++ // only once
			then()
		}
	}
	more()
}

// inTurn does things one after the other.
func (r *rehearsal) inTurn(n int, do func(i int, done func()), then func()) {
	r.each(n, 1, do, then)
}

func (r *rehearsal) canary(changes []plan.Change, then func(rest []plan.Change)) {
	many, stopped := many(r.plan, changes, 0)
	if many == 0 {
		then(changes)
		return
	}
	tried := map[int]bool{}
	if stopped == "" {
		r.inTurn(2, func(i int, done func()) {
			picked := pick(changes, tried, sampleSizes(many)[i])
			r.each(len(picked), r.terms.Parallel, func(n int, done func()) {
				c := &changes[picked[n]]
				r.change(c, func() { r.shows(c, done) })
			}, done)
		}, func() { then(spared(changes, tried, stopped)) })
		return
	}
	then(spared(changes, tried, stopped))
}

// shows reads a change back once.
func (r *rehearsal) shows(c *plan.Change, then func()) {
	kind := r.of(c)
	if !kind.Readable {
		then()
		return
	}
	r.calls(r.observing(c, kind), verifying, nil, then)
}

// observing returns the reads that observe a resource now.
func (r *rehearsal) observing(c *plan.Change, kind provider.Kind) []*call.Request {
	if kind.Reads == nil {
		return nil
	}
	var reads []*call.Request
	for _, req := range kind.Reads(resourceOf(*c)) {
		if !r.terms.remembered(c.ID.Account, req) {
			reads = append(reads, req)
		}
	}
	return reads
}

func (r *rehearsal) keepOld(changes, last []plan.Change, then func(rest []plan.Change)) {
	if len(last) == 0 {
		return
	}
	outcomes := map[resource.ID]Outcome{}
	for _, c := range changes {
		switch {
		case c.State == plan.Waiting:
			outcomes[c.ID] = Waiting
		case c.Due():
			outcomes[c.ID] = Done
		}
	}
	why, made := renamed(changes, last, outcomes)
	kinds := make([][]plan.Change, 0, len(made))
	for _, list := range made {
		kinds = append(kinds, list)
	}
	rest := slices.DeleteFunc(slices.Clone(last), func(c plan.Change) bool { return why[c.ID.Kind] != "" })
	r.inTurn(len(kinds), func(i int, done func()) { r.unseen(kinds[i], done) }, func() { then(rest) })
}

// unseen reads what was made once, all that one read serves together.
func (r *rehearsal) unseen(made []plan.Change, then func()) {
	kind := r.of(&made[0])
	var reads [][]*call.Request
	known := map[string]bool{}
	for i := range made {
		chain := r.observing(&made[i], kind)
		if key := fmt.Sprint(keyOf(chain)); kind.Readable && !known[key] {
			known[key] = true
			reads = append(reads, chain)
		}
	}
	r.each(len(reads), len(reads), func(i int, done func()) { r.calls(reads[i], verifying, nil, done) }, then)
}

func (r *rehearsal) change(c *plan.Change, then func()) {
	if !c.Due() {
		then()
		return
	}
	kind := r.of(c)
	ended := func() {
		r.ends = append(r.ends, r.now)
		then()
	}
	if kind.Calls == nil {
		ended()
		return
	}
	reqs, err := kind.Calls(*c)
	if err != nil {
		ended() // it fails at once
		return
	}
	r.moved(c, kind, func() {
		r.calls(addressed(c, reqs), writing, r.offAir(c, kind), func() { r.verify(c, kind, ended) })
	})
}

// glance is what look is in a rehearsal.
type glance struct {
	begun   time.Duration // the latest read
	known   bool          // there was one
	waiting []func()      // for the one under way, nil where none is
}

// moved reads a resource again where that was long ago. Who comes first reads for
// all that wait for the same read.
func (r *rehearsal) moved(c *plan.Change, kind provider.Kind, then func()) {
	if r.terms.Fresh == 0 || r.now <= c.Read.Sub(r.terms.Now)+r.terms.Fresh {
		then()
		return
	}
	reads := addressed(c, r.observing(c, kind))
	key := keyOf(reads)
	g, ok := r.glances[key]
	if !ok {
		g = &glance{}
		r.glances[key] = g
	}
	switch {
	case len(reads) == 0 || g.waiting == nil && g.known && r.now-g.begun <= r.terms.Fresh:
		then()
	case g.waiting != nil:
		g.waiting = append(g.waiting, then)
	default:
		g.begun, g.known, g.waiting = r.now, true, []func(){then}
		r.calls(reads, asking, nil, func() { g.end() })
	}
}

// end lets go on who waited.
func (g *glance) end() {
	waiting := g.waiting
	g.waiting = nil
	for _, then := range waiting {
		then()
	}
}

func (r *rehearsal) verify(c *plan.Change, kind provider.Kind, then func()) {
	if kind.Verify == nil || kind.Repair == nil || c.Action == plan.Delete {
		then()
		return
	}
	r.calls(addressed(c, kind.Verify(*c)), verifying, nil, then)
}

// offAir returns what is done with a call's slot in the hand before it goes out,
// nil for nothing: where that was not asked a moment ago, whether something would
// be interrupted.
func (r *rehearsal) offAir(c *plan.Change, kind provider.Kind) func(next func()) {
	if c.OnAir != "" || kind.Interrupts == nil || kind.Airing == nil || !kind.Interrupts(*c) {
		return nil
	}
	known := c.Aired.Sub(r.terms.Now) + airedFor
	reads := addressed(c, kind.Airing(*c))
	return func(next func()) {
		if r.now <= known {
			next()
			return
		}
		r.calls(reads, asking, nil, next)
	}
}

// calls makes calls one after the other.
func (r *rehearsal) calls(reqs []*call.Request, of purpose, before func(next func()), then func()) {
	switch len(reqs) {
	case 0:
		then()
	case 1:
		r.ledger(reqs[0]).call(of, before, then)
	default:
		r.ledger(reqs[0]).call(of, before, func() { r.calls(reqs[1:], of, before, then) })
	}
}

// ledger returns where a call is written down, and through it the quota that it
// counts against.
func (r *rehearsal) ledger(req *call.Request) *ledger {
	key := operation{req.Account, req.Operation}
	l, ok := r.ledgers[key]
	if !ok {
		look := r.terms.Outlook(key.account, key.name, r.terms.Priority)
		l = &ledger{gate: r.gate(key, look), operation: key}
		l.reads = r.terms.Fresh > 0 && !req.Write // beside it goes on what plans
		r.ledgers[key] = l
	}
	return l
}

func (r *rehearsal) gate(of operation, look call.Outlook) *gate {
	key := budget{of.account, of.name}
	if look.Budget != nil {
		key.of = look.Budget
	}
	g, ok := r.gates[key]
	if !ok {
		g = newGate(&r.clock, look)
		r.gates[key] = g
	}
	return g
}

// of returns the kind of what is changed.
func (r *rehearsal) of(c *plan.Change) provider.Kind {
	p, ok := r.terms.Providers[c.ID.Account]
	if !ok {
		return provider.Kind{}
	}
	if r.kinds[c.ID.Account] == nil {
		r.kinds[c.ID.Account] = p.Kinds()
	}
	return r.kinds[c.ID.Account][c.ID.Kind]
}

// addressed are requests to the account of a change.
func addressed(c *plan.Change, reqs []*call.Request) []*call.Request {
	for _, req := range reqs {
		req.Account = c.ID.Account
	}
	return reqs
}
