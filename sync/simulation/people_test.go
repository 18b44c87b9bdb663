package simulation

import (
	"encoding/json"
	"fmt"
	"time"

	"weir/sync/emulator"
	"weir/sync/reconcile"
)

// console changes a thing behind weir's back.
func (r *run) console(remove bool) { r.tamper(one(&r.dice, r.things...), remove) }

// fight undoes the same thing again and again.
func (r *run) fight() {
	t, remove := one(&r.dice, r.things...), r.dice.chance(0.5)
	for range 4 {
		r.tamper(t, remove)
		r.wait(r.dice.within(5*time.Second, 40*time.Second))
		r.check()
	}
}

func (r *run) tamper(t *thing, remove bool) {
	domain, app := t.id.Part(0), t.id.Part(1)
	var w emulator.World
	switch t.id.Kind {
	case "MultiStream":
		w.Domains = []emulator.Domain{{Name: domain, MultiStream: map[bool]string{true: "off", false: "on"}[remove]}}
	case "StreamIngest":
		w.Blocked = []emulator.Block{{Domain: domain, App: app, Stream: t.id.Part(2), Deleted: remove}}
	case "RelaySource":
		w.RelaySources = []emulator.RelaySource{{
			Vhost: domain, App: app, Deleted: remove, Groups: one(&r.dice, relayGroups()...),
		}}
	default:
		return
	}
	r.note("people: console %s, delete %t", t.id, remove)
	r.oracle.touched[t.id], r.oracle.console[t.id] = time.Now(), true
	r.must(r.clouds.Patch(w))
}

// savePlan is `weir diff --out` before an edit is applied.
func (r *run) savePlan() {
	p, err := r.newProcess("diff", r.policy, true)
	r.must(err)
	r.all = append(r.all, p)
	r.put()
	if d := r.some(whichever); d != nil {
		r.vary(d)
	}
	number := len(r.all)
	r.commit("to be planned", false)
	p.runBeside(func() {
		doc, ok := p.look()
		if !ok {
			return
		}
		doc.ID = fmt.Sprintf("saved-%d", number)
		text, err := json.Marshal(doc)
		r.must(err)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.plans = append(r.plans, text)
	})
}

// applyPlans is `weir apply PLANFILE`, by one person or by two at once.
func (r *run) applyPlans() {
	r.mu.Lock()
	saved := r.plans
	r.mu.Unlock()
	if len(saved) == 0 {
		r.savePlan()
		return
	}
	text := one(&r.dice, saved...)
	for range 1 + r.dice.below(2) {
		var doc reconcile.PlanDocument
		r.must(json.Unmarshal(text, &doc))
		p, err := r.newProcess("saved", r.policy, r.dryRun)
		r.must(err)
		p.saved = doc.ID
		r.all = append(r.all, p)
		r.note("process: %s applies %s", p.name, doc.ID)
		p.runBeside(func() { p.applySaved(doc) })
	}
}

func (p *process) applySaved(doc reconcile.PlanDocument) {
	_, _ = p.rec.Fetch(p.ctx) // without which it goes on
	made, _, err := p.rec.Restore(p.ctx, doc)
	if err != nil || len(made.Held) > 0 || p.dryRun {
		return
	}
	rep, err := p.rec.Apply(p.ctx, made)
	if rep != nil {
		p.run.note("process: %s: %v: %v", p.name, rep.Summary, err)
	}
}
