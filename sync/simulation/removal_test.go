package simulation

import (
	"context"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

// readMost is how old a read may be by which something is written, with all the
// waiting there can be between the two.
const readMost = 2 * time.Minute

// sends looks at a write when it is first sent: I4, it rests on a read, and
// nothing of its plan was removed before.
func (r *run) sends(p *process, req *call.Request) {
	id, err := resource.ParseID(req.Cause.Resource)
	if err != nil || !req.Write {
		return
	}
	o, now := &r.oracle, time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if p.saved != "" {
		if by, ok := o.carriers[p.saved]; ok && by != p.name {
			r.violate("I5", "plan %s is carried out by %s and by %s", p.saved, by, p.name)
		}
		o.carriers[p.saved] = p.name
	}
	of := p.name + " " + req.Cause.Plan + " " + id.Account
	again := o.first[of+callKey(req)]
	o.first[of+callKey(req)] = true
	if again {
		return
	}
	readable := id.Kind != "Recording" && id.Kind != "RtcPrefetch"
	if read := p.lastRead(id); readable && now.Sub(read) > readMost {
		r.violate("I4", "%s writes %s by what was read at %s", req.Operation, id, read)
	}
	if req.Cause.Action == string(plan.Delete) {
		o.removing[of] = now
		return
	}
	if at, ok := o.removing[of]; ok && now.Sub(at) < 3*time.Second {
		r.violate("I6", "%s of %s comes after a removal of its plan", req.Operation, id)
	}
}

// checkRemoval holds a removal against the guards: I6.
func (r *run) checkRemoval(ctx context.Context, p *process, req *call.Request) {
	o, hash := &r.oracle, req.Cause.Plan
	r.tally.check("I6")
	if p.policy.Mode != plan.Sync {
		r.violate("I6", "%s removes %s in mode %s", req.Operation, req.Cause.Resource, p.policy.Mode)
	}
	if o.removals[hash] == nil {
		o.removals[hash] = map[string]bool{}
		records, _ := r.store.Applied(ctx)
		o.owned[hash] = len(records) + o.lately(time.Now())
	}
	o.removals[hash][req.Cause.Resource] = true
	if o.let[hash] {
		return
	}
	n := len(o.removals[hash])
	if e, _ := r.source.edition(req.Cause.Revision); len(e.declared) == 0 {
		r.violate("I6", "the source declares nothing, and %s is removed without consent", req.Cause.Resource)
	}
	if n > p.policy.MaxRemoved || n*100 > p.policy.MaxRemovedPercent*o.owned[hash] {
		r.violate("I6", "plan %s removes %d of %d without consent", hash, n, o.owned[hash])
	}
	r.checkAir(req)
}

// airedMost is how old weir's knowledge of what is on air may be when a removal
// arrives: ten seconds when it is sent, and as long as a call takes.
const airedMost = 10*time.Second + clientPatience + 5*time.Second

// checkAir: I7, nothing that is on air is taken away without consent.
func (r *run) checkAir(req *call.Request) {
	id, _ := resource.ParseID(req.Cause.Resource)
	w := r.clouds.World()
	for _, s := range w.Streams {
		of := id.Kind == "RelaySource" && s.Vhost == id.Part(0) && s.App == id.Part(1) ||
			id.Kind == "MultiStream" && s.Vhost == "" && s.Domain == id.Part(0) ||
			id.Kind == "Recording" && s.Vhost == "" && s.Domain == id.Part(0) && s.Stream == id.Part(2)
		if !of {
			continue
		}
		r.tally.check("I7")
		if s.Online && time.Since(s.PublishTime) > airedMost+r.oldest() {
			r.violate("I7", "%s interrupts %s, on air since %s, without consent", req.Operation, id, s.PublishTime)
		}
	}
}
