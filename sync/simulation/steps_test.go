package simulation

import (
	"maps"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/source"
)

// step is one thing that happens to weir and its surroundings.
type step struct {
	name   string
	of     string // people, source, process, time, faults
	weight int
	always bool // never switched off
	do     func(r *run)
}

// steps is the table.
func steps() []step {
	return []step{
		{"edit", "people", 6, true, (*run).edit},
		{"add", "people", 5, true, (*run).add},
		{"remove", "people", 3, true, (*run).remove},
		{"replace", "people", 2, false, func(r *run) { r.drop(); r.put(); r.commit("replace", false) }},
		{"move file", "people", 1, false, (*run).move},
		{"revert", "people", 2, false, (*run).revert},
		{"template error", "people", 1, false, (*run).template},
		{"restart token", "people", 3, false, (*run).token},
		{"broken revision", "source", 2, false, func(r *run) { r.drop(); r.put(); r.commit("broken", true) }},
		{"empty source", "source", 1, false, (*run).empty},
		{"source fails", "source", 1, false, func(r *run) {
			r.source.fail(&source.Error{Code: source.CodeMissing, Err: errRead})
			synctest.Wait()
		}},
		{"console edit", "people", 3, false, func(r *run) { r.console(false) }},
		{"console delete", "people", 2, false, func(r *run) { r.console(true) }},
		{"stream up", "people", 2, false, func(r *run) { r.stream(true) }},
		{"stream down", "people", 2, false, func(r *run) { r.stream(false) }},
		{"policy change", "people", 1, false, (*run).changePolicy},
		{"console fight", "people", 1, false, (*run).fight},
		{"saved plan", "people", 2, false, (*run).savePlan},
		{"saved plan applied", "people", 3, false, (*run).applyPlans},
		{"consent", "people", 3, false, (*run).consent},
		{"late consent", "people", 1, false, (*run).lateConsent},
		{"settle", "people", 1, false, func(r *run) { r.wait(20 * time.Second); r.settle(r.store) }},
		{"term", "process", 2, false, (*run).term},
		{"kill", "process", 2, false, (*run).die},
		{"cut", "process", 5, false, (*run).cutSomewhere},
		{"second instance", "process", 2, false, func(r *run) { r.put(); r.commit("second", false); r.beside("", false) }},
		{"dry run beside", "process", 1, false, func(r *run) { r.put(); r.commit("diff", false); r.beside("", true) }},
		{"hours pass", "time", 1, false, (*run).sleepLong},
		{"minutes pass", "time", 2, false, func(r *run) { r.wait(r.dice.within(time.Minute, 5*time.Minute)) }},
		{"faults change", "faults", 8, true, (*run).disturb},
	}
}

// story is a whole run.
func story(r *run) {
	for range 2 + r.dice.below(6) {
		r.put()
	}
	r.commit("begin", false)
	r.running()
	r.wait(r.dice.within(time.Millisecond, 8*time.Second))
	r.check()
	for range 5 + r.dice.below(8) {
		if r.violated() {
			return
		}
		r.step()
	}
	if !r.violated() {
		r.finish()
	}
}

// step takes one of the steps that the run has.
func (r *run) step() {
	total := 0
	for _, s := range r.steps {
		total += s.weight
	}
	n := r.dice.below(total)
	for _, s := range r.steps {
		if n -= s.weight; n < 0 {
			r.note("step: %s", s.name)
			r.struckNow(s.name)
			s.do(r)
			break
		}
	}
	if r.dice.chance(0.8) {
		r.running()
	}
	r.wait(r.dice.within(time.Millisecond, 12*time.Second))
	r.check()
	if r.dice.chance(0.5) {
		r.source.fail(nil)
		synctest.Wait()
	}
}

// commit makes what people are working on the newest revision.
func (r *run) commit(why string, broken bool) {
	r.oracle.mu.Lock()
	for _, docs := range r.files {
		for _, d := range docs {
			r.oracle.everyone[d.thing.id] = true
		}
	}
	r.oracle.mu.Unlock()
	e := r.source.commit(r.files, broken)
	r.note("people: commit %s: %s, broken %t, %v", why, e.snap.Revision, broken, idsOf(e))
	synctest.Wait() // what comes next finds the processes at rest, not at their beginning
}

// place is where a document is.
type place struct {
	file string
	at   int
}

// documents lists what there is, in order.
func (r *run) documents() []place {
	var out []place
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		for i := range r.files[name] {
			out = append(out, place{name, i})
		}
	}
	return out
}

// some returns a document, nil where there is none.
func (r *run) some(accept func(document) bool) *document {
	var fit []place
	for _, p := range r.documents() {
		if accept(r.files[p.file][p.at]) {
			fit = append(fit, p)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	p := one(&r.dice, fit...)
	return &r.files[p.file][p.at]
}

func whichever(document) bool { return true }

func (r *run) vary(d *document) { d.variant = r.dice.below(len(d.thing.variants)) }

func (r *run) edit() {
	if d := r.some(whichever); d != nil {
		r.vary(d)
	}
	r.commit("edit", false)
}

// put adds a document of something that is not declared yet.
func (r *run) put() {
	free := slices.DeleteFunc(slices.Clone(r.things), func(t *thing) bool {
		return r.some(func(d document) bool { return d.thing == t }) != nil
	})
	if len(free) == 0 || len(r.documents()) >= 13 {
		return
	}
	d := document{thing: one(&r.dice, free...)}
	r.vary(&d)
	name := one(&r.dice, "a.yaml", "b.yaml", "c/d.yaml")
	r.files[name] = append(r.files[name], d)
}

func (r *run) add() { r.put(); r.commit("add", false) }

// drop takes a document away.
func (r *run) drop() {
	all := r.documents()
	if len(all) == 0 {
		return
	}
	p := one(&r.dice, all...)
	r.files[p.file] = slices.Delete(r.files[p.file], p.at, p.at+1)
}

func (r *run) remove() {
	for range 1 + r.dice.below(2) {
		r.drop()
	}
	r.commit("remove", false)
}

func (r *run) move() {
	from, to := one(&r.dice, "a.yaml", "b.yaml"), one(&r.dice, "moved.yaml", "c/d.yaml")
	r.files[to] = append(r.files[to], r.files[from]...)
	delete(r.files, from)
	r.commit("move", false)
}

func (r *run) revert() {
	e := one(&r.dice, r.source.valid...)
	r.files = map[string][]document{}
	for name, docs := range e.files {
		r.files[name] = slices.Clone(docs)
	}
	r.commit("revert", false)
}

func (r *run) template() {
	for _, p := range r.documents() {
		r.vary(&r.files[p.file][p.at])
	}
	r.commit("template", false)
}

func (r *run) token() {
	if d := r.some(func(d document) bool { return d.thing.recordable() }); d != nil {
		r.restarts++
		d.variant, d.restart = 0, r.restarts
	}
	r.commit("restart", false)
}

func (r *run) empty() {
	if r.dice.chance(0.5) {
		r.files = map[string][]document{}
	}
	for name := range r.files {
		r.files[name] = nil
	}
	r.commit("empty", false)
}

func (r *run) stream(online bool) {
	s := one(&r.dice, streams()...)
	s.Online = online
	r.note("people: %s%s/%s online %t", s.Domain, s.Vhost, s.Stream, online)
	r.must(r.clouds.SetStreams(s))
}

func (r *run) thing(id resource.ID) *thing {
	i := slices.IndexFunc(r.things, func(t *thing) bool { return t.id == id })
	return r.things[i]
}

func (r *run) changePolicy() {
	r.policy.Mode = one(&r.dice, plan.Sync, plan.Sync, plan.Upsert)
	r.policy.HealDrift = r.dice.chance(0.7)
	r.note("people: policy %+v", r.policy)
	r.term()
}

// running starts a daemon where none runs.
func (r *run) running() {
	if r.daemon != nil && !r.daemon.dead.Load() {
		return
	}
	p, err := r.newProcess("daemon", r.policy, r.dryRun)
	r.must(err)
	r.all, r.daemon = append(r.all, p), p
	r.note("process: %s starts", p.name)
	p.start()
	synctest.Wait()
}

// term is a restart in good order.
func (r *run) term() {
	if r.daemon != nil && !r.daemon.dead.Load() {
		began := time.Now()
		r.daemon.stop()
		if took := time.Since(began); took > 10*time.Second {
			r.violate("P05", "stopping took %s", took)
		}
	}
	r.daemon = nil
	if r.dice.chance(0.5) {
		r.wait(r.dice.within(time.Millisecond, 20*time.Second))
	}
	r.running()
}

func (r *run) die() {
	r.running()
	r.put()
	r.commit("before the kill", false)
	r.wait(r.dice.within(time.Millisecond, 2*time.Second))
	r.killed()
}

// killed ends the daemon at once, and now and then starts another at once.
func (r *run) killed() {
	r.daemon.kill()
	r.note("process: %s is dead", r.daemon.name)
	synctest.Wait()
	r.daemon = nil
	if r.dice.chance(0.5) {
		r.wait(r.dice.within(time.Millisecond, 10*time.Second))
	}
}

// cutSomewhere kills the daemon at a write of its store or at a call.
func (r *run) cutSomewhere() {
	r.running()
	c := &cutPoint{moment: one(&r.dice, "before write", "after write", "before call", "after call")}
	among := 12
	if strings.HasSuffix(c.moment, "call") {
		among = 4
	}
	c.left.Store(int64(1 + r.dice.below(among)))
	if d := r.some(whichever); d != nil {
		r.vary(d)
	}
	r.put()
	r.commit("before the cut", false)
	r.daemon.cutAt.Store(c)
	r.wait(r.dice.within(time.Second, 6*time.Second))
	r.killed()
}

// beside runs a command beside the daemon.
func (r *run) beside(consent string, dryRun bool) {
	p, err := r.newProcess("command", r.policy, dryRun || r.dryRun)
	r.must(err)
	r.all = append(r.all, p)
	r.note("process: %s starts, consent %q", p.name, consent)
	do := func() { p.once(consent) }
	if p.dryRun {
		do = func() { p.look() }
	}
	p.runBeside(do)
}

// runBeside lets a command do its work.
func (p *process) runBeside(do func()) {
	p.command = true
	p.run.commandBegins()
	go func() {
		defer close(p.ended)
		defer p.run.commandEnds()
		do()
	}()
	synctest.Wait()
}

func (r *run) consent() {
	r.running()
	if p := r.daemon.rec.Shown().Plan; p != nil && len(p.Held) > 0 {
		r.beside(p.Hash, false)
	}
}

// lateConsent consents to a plan after a new commit.
func (r *run) lateConsent() {
	r.running()
	p := r.daemon.rec.Shown().Plan
	if p == nil || len(p.Held) == 0 {
		return
	}
	r.put()
	r.commit("before a late consent", false)
	r.wait(time.Second)
	r.beside(p.Hash, false)
}

// sleepLong lets hours pass while weir does not run.
func (r *run) sleepLong() {
	if r.daemon != nil && !r.daemon.dead.Load() {
		r.daemon.stop()
	}
	r.daemon = nil
	r.wait(r.dice.within(time.Hour, 9*time.Hour))
	r.running()
}
