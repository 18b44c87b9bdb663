package simulation

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/state"
)

// oracle is what the simulation knows by itself, from what reaches the clouds
// and the disk.
type oracle struct {
	mu          sync.Mutex // guards what goroutines of processes touch
	sent        map[int64]sending
	written     map[int64]bool // entries of the store's journal that a call answers to
	generation  map[string]int // of the acts of a thing, by its name and the act's
	begun       map[string]string
	applied     map[resource.ID]bool // records that ever were
	removals    map[string]map[string]bool
	owned       map[string]int       // records when the first write of a plan went out
	carriers    map[string]string    // of saved plans
	first       map[string]bool      // writes that were sent before
	removing    map[string]time.Time // when a plan removed something
	forgot      []time.Time
	disowned    map[resource.ID]time.Time // when what was weir's was last forgotten
	given       map[string]time.Time      // consents, by plan
	let         map[string]bool           // plans that were let through
	everyone    map[resource.ID]bool      // ever declared
	commands    int                       // that run beside the daemon
	lastCommand time.Time                 // its end
	overlap     time.Time                 // until when calls of a command count against the daemon's quotas
	behind      map[resource.ID]bool      // of which such a command wrote a record
	muddled     map[resource.ID]bool      // written by a command whose revision was not the newest any more

	// What follows belongs to the story.
	effects map[string]int
	touched map[resource.ID]time.Time // by anybody
	console map[resource.ID]bool      // by people
}

// sending is a call that arrives.
type sending struct {
	p   *process
	req *call.Request
	act string
}

func (o *oracle) init(*run) {
	o.sent, o.written = map[int64]sending{}, map[int64]bool{}
	o.generation, o.begun = map[string]int{}, map[string]string{}
	o.applied, o.everyone = map[resource.ID]bool{}, map[resource.ID]bool{}
	o.behind = map[resource.ID]bool{}
	o.muddled, o.disowned = map[resource.ID]bool{}, map[resource.ID]time.Time{}
	o.removals, o.owned = map[string]map[string]bool{}, map[string]int{}
	o.carriers = map[string]string{}
	o.first, o.removing = map[string]bool{}, map[string]time.Time{}
	o.given, o.let = map[string]time.Time{}, map[string]bool{}
	o.effects, o.touched, o.console = map[string]int{}, map[resource.ID]time.Time{}, map[resource.ID]bool{}
}

// actKey names an act in the life it belongs to; mu is held.
func (o *oracle) actKey(id resource.ID, name, token string) string {
	return fmt.Sprintf("%s %s %s %d %d", id, name, token, o.generation[id.String()], o.generation[id.String()+" "+name])
}

// forgotten begins a new life of things: their acts may happen again.
func (r *run) forgotten(ids ...resource.ID) {
	r.oracle.mu.Lock()
	defer r.oracle.mu.Unlock()
	for _, id := range ids {
		r.oracle.generation[id.String()]++
		r.oracle.forgot = append(r.oracle.forgot, time.Now())
		r.oracle.disowned[id] = time.Now()
	}
}

// underWay reports whether a removal that arrives now may have been sent while
// the thing was weir's, and given up; mu is held.
func (o *oracle) underWay(id resource.ID, now time.Time) bool {
	at, ok := o.disowned[id]
	return ok && now.Sub(at) < clientPatience+2*time.Second
}

// unrecorded reports whether a thing was written after its record was removed, and
// has none since.
func (o *oracle) unrecorded(id resource.ID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	at, forgotten := o.disowned[id]
	return forgotten && o.touched[id].After(at)
}

// lately counts what was forgotten within the last minute, and may have been
// there when the plan was made.
func (o *oracle) lately(now time.Time) int {
	n := 0
	for _, at := range o.forgot {
		if now.Sub(at) < time.Minute {
			n++
		}
	}
	return n
}

// begins notes an act in the store. One with another token replaces it, and
// what was before may be asked for again.
func (r *run) begins(a resource.Act) {
	o := &r.oracle
	o.mu.Lock()
	defer o.mu.Unlock()
	key := a.ID.String() + " " + a.Name
	if o.begun[key] != a.Token {
		o.generation[key]++
	}
	o.begun[key] = a.Token
}

// saved notes what weir holds for its own.
func (r *run) saved(p *process, records ...resource.Applied) {
	r.oracle.mu.Lock()
	defer r.oracle.mu.Unlock()
	for _, rec := range records {
		r.oracle.applied[rec.ID] = true
		if p.command && rec.Revision != r.newest().snap.Revision {
			r.oracle.behind[rec.ID] = true
		}
	}
}

// commandBegins and commandEnds tell when two processes work on the same.
func (r *run) commandBegins() {
	r.oracle.mu.Lock()
	defer r.oracle.mu.Unlock()
	r.oracle.commands++
}

func (r *run) commandEnds() {
	r.oracle.mu.Lock()
	defer r.oracle.mu.Unlock()
	r.oracle.commands--
	r.oracle.lastCommand = time.Now()
	r.oracle.overlap = r.oracle.lastCommand.Add(70 * time.Second)
}

// together reports whether two processes worked on the same a moment ago; mu is
// held.
func (o *oracle) together(at time.Time) bool { return o.commands > 0 || !at.After(o.overlap) }

// consented notes what a person said.
func (r *run) consented(hash string) {
	r.note("people: consent to %s", hash)
	r.oracle.mu.Lock()
	defer r.oracle.mu.Unlock()
	r.oracle.given[hash] = time.Now()
}

// released notes that a plan is let through: I6, once, and by a consent to it
// that has not run out.
func (r *run) released(hash string) {
	r.note("consent: %s is let through", hash)
	o := &r.oracle
	o.mu.Lock()
	defer o.mu.Unlock()
	given, ok := o.given[hash]
	if !ok || o.let[hash] || time.Since(given) > consentTime+time.Minute {
		r.violate("I6", "plan %s is let through: consent %t, of %s, used before %t", hash, ok, given, o.let[hash])
	}
	o.let[hash] = true
}

// effectsOf returns how often the clouds carried an act out.
func (r *run) effectsOf(a resource.Act) int {
	r.drain()
	r.oracle.mu.Lock()
	defer r.oracle.mu.Unlock()
	return r.oracle.effects[r.oracle.actKey(a.ID, a.Name, a.Token)]
}

// readSucceeded notes what a process has been told.
func (r *run) readSucceeded(p *process, req *call.Request) {
	key := req.Operation
	for _, name := range []string{"Domain", "DomainName", "Vhost", "App"} {
		if v, ok := req.Params[name]; ok {
			key += fmt.Sprint(" ", v)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads[key] = time.Now()
}

// lastRead returns when the process was last told of a thing that can be read.
func (p *process) lastRead(id resource.ID) time.Time {
	domain := id.Part(0)
	var keys []string
	switch id.Kind {
	case "MultiStream":
		keys = []string{"DescribeLiveDomainMultiStreamConfig " + domain}
	case "StreamIngest":
		keys = []string{"DescribeLiveStreamsBlockList " + strings.Replace(domain, "push", "live", 1)}
	case "RelaySource":
		keys = []string{"DescribeRelaySourceV3 " + domain, "DescribeRelaySourceV3 " + domain + " " + id.Part(1)}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var last time.Time
	for _, k := range keys {
		if at := p.reads[k]; at.After(last) {
			last = at
		}
	}
	return last
}

// arrives looks at a call at the moment at which it reaches the clouds.
func (r *run) arrives(ctx context.Context, p *process, req *call.Request) {
	ctx = context.WithoutCancel(ctx)
	now := time.Now()
	r.note("call: %s: %s %s %s %s", p.name, req.Operation, req.Cause.Resource, req.Act.Name, req.Cause.Action)
	o := &r.oracle
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, twice := o.sent[now.UnixNano()]; twice {
		r.violate("I16", "two calls arrive at one instant")
	}
	id, _ := resource.ParseID(req.Cause.Resource)
	o.sent[now.UnixNano()] = sending{p, req, o.actKey(id, req.Act.Name, req.Act.Token)}
	if reads(req.Operation) {
		return
	}
	r.tally.check("I10")
	if p.dryRun || p.policy.Mode == plan.Observe {
		r.violate("I10", "%s goes out of a process that must not write", req.Operation)
	}
	r.checkIntent(ctx, p, req, id)
	r.checkTarget(ctx, p, req, id)
	if req.Cause.Action == string(plan.Delete) {
		r.checkRemoval(ctx, p, req)
	}
}

// checkIntent looks for the call in the store: I9.
func (r *run) checkIntent(ctx context.Context, p *process, req *call.Request, id resource.ID) {
	r.tally.check("I9")
	entries, err := r.store.Journal(ctx, state.Query{Resource: req.Cause.Resource, Writes: true, Limit: 50})
	if err != nil {
		r.violate("I8", "the journal cannot be read: %v", err)
	}
	found := false
	for _, e := range entries {
		if !r.oracle.written[e.Number] && e.Operation == req.Operation {
			r.oracle.written[e.Number], found = true, true
			break
		}
	}
	if !found {
		r.violate("I9", "%s of %s goes out without an entry in the journal", req.Operation, req.Cause.Resource)
	}
	if req.Act.Name == "" || p.dead.Load() {
		return
	}
	acts, err := r.store.Acts(ctx)
	if err != nil {
		r.violate("I8", "acts cannot be read: %v", err)
	}
	for _, a := range acts {
		if a.ID == id && a.Name == req.Act.Name && a.Token == req.Act.Token {
			return
		}
	}
	r.violate("I9", "act %s of %s goes out and is not begun", req.Act.Name, id)
}

// checkTarget holds a write against what its revision declares: I3, I11.
func (r *run) checkTarget(ctx context.Context, p *process, req *call.Request, id resource.ID) {
	r.tally.check("I11")
	e, ok := r.source.edition(req.Cause.Revision)
	if !ok || e.broken {
		r.violate("I11", "%s of %s is made for revision %q, which was refused", req.Operation, id, req.Cause.Revision)
		return
	}
	r.tally.check("I3")
	_, declared := e.declared[id]
	if req.Cause.Action != string(plan.Delete) {
		if !declared {
			r.violate("I3", "%s writes %s, which is not declared", req.Operation, id)
		}
		if p.policy.Mode == plan.CreateOnly && req.Cause.Action != string(plan.Create) {
			r.violate("I6", "%s updates %s in mode create-only", req.Operation, id)
		}
		return
	}
	if declared {
		r.violate("I3", "%s removes %s, which is declared", req.Operation, id)
	}
	if !r.recorded(ctx, id) && !p.dead.Load() && !r.oracle.together(time.Now()) && !r.oracle.underWay(id, time.Now()) {
		r.violate("I3", "%s removes %s, which weir did not apply", req.Operation, id)
	}
	if app, _ := req.Params["App"].(string); req.Operation == "DeleteRelaySourceV3" && app == "" {
		r.violate("I3", "%s has no app", req.Operation)
	}
}

func (r *run) recorded(ctx context.Context, id resource.ID) bool {
	records, err := r.store.Applied(ctx)
	if err != nil {
		r.violate("I8", "records cannot be read: %v", err)
	}
	for _, rec := range records {
		if rec.ID == id {
			return true
		}
	}
	return false
}

// drain takes over what the clouds have seen, and looks at it.
func (r *run) drain() {
	calls := r.clouds.Journal()
	r.clouds.ClearJournal()
	for _, c := range calls {
		if c.Fault != "" {
			r.strikeOf(c)
		}
		if c.Code != "" || c.Fault != "" {
			r.noteAt(c.Time, "cloud: %s answers %q, fault %q", c.Operation, c.Code, c.Fault)
		}
		r.checkQuota(c)
		r.oracle.mu.Lock()
		s, known := r.oracle.sent[c.Time.UnixNano()]
		r.oracle.mu.Unlock()
		switch {
		case !known:
			r.violate("I16", "%s reached the clouds and nobody sent it", c.Operation)
		case c.Code == "" && !reads(c.Operation):
			r.took(s, c)
		case c.Code == "TaskAlreadyStarted" || c.Code == "StreamNotFound":
			r.tally.strike("natural " + c.Code)
		}
	}
}

// checkQuota: I2.
func (r *run) checkQuota(c emulator.Call) {
	r.tally.check("I2")
	throttled := strings.HasPrefix(c.Code, "Throttling") || strings.Contains(c.Code, "FlowLimit")
	r.oracle.mu.Lock()
	together := r.oracle.together(c.Time)
	r.oracle.mu.Unlock()
	if throttled && !strings.Contains(c.Fault, "throttle") && !r.lowered && !together {
		r.violate("I2", "%s at %s is above the quota", c.Operation, c.Time.Format("15:04:05.000"))
	}
}

// took notes an effect.
func (r *run) took(s sending, c emulator.Call) {
	o := &r.oracle
	o.mu.Lock()
	defer o.mu.Unlock()
	id, _ := resource.ParseID(s.req.Cause.Resource)
	o.touched[id] = c.Time
	if s.req.Act.Name == "" {
		return
	}
	r.tally.check("I5")
	o.effects[s.act]++
	if o.effects[s.act] > 1 {
		r.violate("I5", "act %s of %s happened %d times", s.req.Act.Name, id, o.effects[s.act])
	}
	if s.p.command && s.req.Cause.Revision != r.newest().snap.Revision {
		o.muddled[id] = true
	}
	logical := r.logical(s.req, id)
	if logical == "" || o.muddled[id] {
		return
	}
	o.effects[logical]++
	if most := r.occasions(s.req, id); o.effects[logical] > most {
		r.violate("I5", "%s happened %d times, declared anew %d times", logical, o.effects[logical], most)
	}
}
