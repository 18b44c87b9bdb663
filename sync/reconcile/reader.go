package reconcile

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

// dueChunk is how many resources that are due to be looked at again one Observe
// is asked for, so that the last does not keep the first from being known.
const dueChunk = 200

// job is a read under way beside the passes, of resources of one account.
type job struct {
	account string
	want    []resource.Resource
	first   bool // of what was edited, or never read: what it finds comes into force at once
	scan    bool
	began   time.Time
	done    chan struct{}
}

// readers are the jobs under way. They belong to the goroutine that runs passes.
type readers struct {
	jobs []*job
	of   map[resource.ID]*job // what is being read, but for scans
	// lines says by account and kind with which others a kind shares its reads:
	// kinds that share none are read beside each other.
	lines map[accountKind]string
}

// quiet reports whether nothing of an account is read for the first time.
func (r *readers) quiet(account string) bool {
	return !slices.ContainsFunc(r.jobs, func(j *job) bool { return j.account == account && j.first })
}

// begunSince reports whether a read of what is not known yet has begun since a time.
func (r *readers) begunSince(at time.Time) bool {
	return slices.ContainsFunc(r.jobs, func(j *job) bool { return (j.first || j.scan) && j.began.After(at) })
}

// scan is a full read under way.
type scan struct {
	since  time.Time       // when it began; zero: none under way
	finish time.Time       // when the last one was complete
	left   map[string]bool // accounts that it still reads
	known  map[string]bool // accounts that have been read whole
	ended  bool            // it has, and no pass has said so
}

// scanJobs returns a job an account where everything is to be read: where that is
// due or asked for, and not under way. One that is asked for meanwhile comes after
// it: a scan begun anew each time would never end for one who asks often.
func (r *Reconciler) scanJobs(m memory) []*job {
	now := time.Now()
	if !r.scan.since.IsZero() || !r.scanDue() {
		return nil
	}
	r.scan.since, r.scan.left = now, map[string]bool{}
	byAccount := map[string][]resource.Resource{}
	for _, res := range r.everything(m) {
		byAccount[res.ID.Account] = append(byAccount[res.ID.Account], res)
	}
	var jobs []*job
	for _, account := range sortedKeys(byAccount) {
		r.scan.left[account] = true
		jobs = append(jobs, &job{account: account, want: byAccount[account], scan: true})
	}
	if len(jobs) == 0 {
		r.scanned(now)
	}
	return jobs
}

// beginScan begins the jobs of a scan, after those that somebody waits for.
func (r *Reconciler) beginScan(ctx context.Context, jobs []*job) {
	for _, j := range jobs {
		r.read(ctx, j)
	}
}

func (r *Reconciler) scanDue() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	due := r.full || r.scan.finish.IsZero() // the scrub finds what drifts after that
	if due {
		r.full = false
	}
	return due
}

// scanned notes that everything was read.
func (r *Reconciler) scanned(now time.Time) {
	known := r.scan.known
	if known == nil {
		known = map[string]bool{}
	}
	for account := range r.opts.Accounts {
		known[account] = true
	}
	r.scan = scan{finish: now, known: known, ended: true}
}

// readEnded takes over that a job has ended.
func (r *Reconciler) readEnded(j *job) {
	r.readers.jobs = slices.DeleteFunc(r.readers.jobs, func(other *job) bool { return other == j })
	if !j.scan {
		for _, res := range j.want {
			if r.readers.of[res.ID] == j {
				delete(r.readers.of, res.ID)
			}
		}
		return
	}
	delete(r.scan.left, j.account)
	if r.scan.known == nil {
		r.scan.known = map[string]bool{}
	}
	r.scan.known[j.account] = true
	if len(r.scan.left) == 0 {
		r.scanned(time.Now())
	}
}

// look lets be read what p cannot be decided without: what was never read, what
// was edited and is not known well enough, and what time alone makes worth a look.
// What is being changed is read by who changes it.
func (r *Reconciler) look(ctx context.Context, p *plan.Plan, m memory) {
	now := time.Now()
	first, other, again := newReading(r), newReading(r), newReading(r)
	for c := range r.unseen(p) {
		_, planned := r.wake[c.ID]
		switch {
		case r.desired.changed[c.ID]:
			first.add(c.ID, m)
		case !planned && !r.scan.left[c.ID.Account]: // another process has made it, or let go of it
			other.add(c.ID, m)
		}
	}
	for id := range r.desired.changed {
		if c, ok := p.Find(id); ok && len(p.Held) > 0 && !c.Read.IsZero() && c.Read.Before(now.Add(-fresh)) {
			first.add(id, m)
		}
	}
	for _, want := range first.lists() {
		r.read(call.WithPriority(ctx, call.Routine), &job{account: want[0].ID.Account, want: want, first: true})
	}
	for _, want := range other.lists() {
		r.read(ctx, &job{account: want[0].ID.Account, want: want, first: true})
	}
	made := !r.opts.DryRun && len(p.Held) == 0
	for id := range r.due(now) {
		if c, ok := p.Find(id); !ok || !made || !c.Due() {
			again.add(id, m)
		}
	}
	r.readAgain(ctx, again)
}

// wakeUp lets be read what time alone makes worth a look, without a pass before. It
// reports whether there was any.
func (r *Reconciler) wakeUp(ctx context.Context) bool {
	again := newReading(r)
	for id := range r.due(time.Now()) {
		again.add(id, r.memory)
	}
	r.readAgain(ctx, again)
	return len(again.want) > 0
}

// due yields what is due to be looked at again, and forgets that it is.
func (r *Reconciler) due(now time.Time) iter.Seq[resource.ID] {
	return func(yield func(resource.ID) bool) {
		for id, at := range r.wake {
			if at.After(now) {
				continue
			}
			delete(r.wake, id)
			if !yield(id) {
				return
			}
		}
	}
}

func (r *Reconciler) readAgain(ctx context.Context, again *reading) {
	for _, want := range again.lists() {
		r.read(ctx, &job{account: want[0].ID.Account, want: want})
	}
}

// unseen yields what was never read, or was written since.
func (r *Reconciler) unseen(p *plan.Plan) iter.Seq[plan.Change] {
	return func(yield func(plan.Change) bool) {
		all := slices.Values(p.Changes)
		if p.Summary().Unknown > 0 {
			all = p.All()
		}
		for c := range all {
			if c.Read.IsZero() && !yield(c) {
				return
			}
		}
	}
}

// reading collects what is to be read, by what may be read by one job.
type reading struct {
	r    *Reconciler
	want map[accountKind][]resource.Resource
}

func newReading(r *Reconciler) *reading {
	return &reading{r, map[accountKind][]resource.Resource{}}
}

func (l *reading) add(id resource.ID, m memory) {
	j := l.r.readers.of[id]
	if j != nil && !l.r.wrote[id].After(j.began) || l.r.under[id] != nil {
		return
	}
	if res, ok := l.r.lookup(id, m); ok {
		k := accountKind{id.Account, l.r.lineOf(res)}
		l.want[k] = append(l.want[k], res)
	}
}

// lists returns what is to be read, a list a job.
func (l *reading) lists() [][]resource.Resource {
	var out [][]resource.Resource
	keys := slices.SortedFunc(maps.Keys(l.want), func(a, b accountKind) int {
		return strings.Compare(a.account+"/"+a.kind, b.account+"/"+b.kind)
	})
	for _, k := range keys {
		slices.SortFunc(l.want[k], func(a, b resource.Resource) int { return resource.Compare(a.ID, b.ID) })
		out = append(out, l.want[k])
	}
	return out
}

// lineOf names the operations that observe a resource: what shares none is read
// by jobs of its own, so that a slow operation holds up no other.
func (r *Reconciler) lineOf(res resource.Resource) string {
	k := accountKind{res.ID.Account, res.ID.Kind}
	if line, ok := r.readers.lines[k]; ok {
		return line
	}
	var names []string
	if of := r.kinds[k.account][k.kind].Reads; of != nil {
		for _, req := range of(res) {
			names = append(names, req.Operation)
		}
	}
	slices.Sort(names)
	line := strings.Join(slices.Compact(names), " ")
	r.readers.lines[k] = line
	return line
}

// read begins a job. A scan begins after what is read of its account already: that
// is what somebody waits for.
func (r *Reconciler) read(ctx context.Context, j *job) {
	var before []*job
	j.done, j.began = make(chan struct{}), time.Now()
	if j.scan {
		before = slices.Clone(r.readers.jobs)
	} else {
		for _, res := range j.want {
			r.readers.of[res.ID] = j
		}
	}
	r.readers.jobs = append(r.readers.jobs, j)
	r.workers.Go(func() {
		defer close(j.done)
		for _, other := range before {
			if other.account == j.account {
				<-other.done
			}
		}
		r.deliverRead(j, r.tracedRead(ctx, j))
	})
}

// readAll observes what a job wants, and returns what it has not delivered yet.
func (r *Reconciler) readAll(ctx context.Context, j *job) []resource.Observation {
	target := r.opts.Accounts[j.account]
	most := observeChunk
	if !j.first && !j.scan {
		most = dueChunk
	}
	var out []resource.Observation
	for chunk := range portions(j.want, most) {
		seen, err := target.Provider.Observe(ctx, target.Caller, chunk)
		out = append(out, read(seen, err)...)
		switch {
		case ctx.Err() != nil:
			return out
		case most == dueChunk:
			r.leave(out)
			r.markSoon(0)
			out = nil
		}
	}
	return out
}
