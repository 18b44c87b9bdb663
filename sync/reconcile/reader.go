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
	term    int64  // under which this process leads the account, 0 without a cluster
	stop    func() // ends it
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

// scanJobs returns a job an account that is to be read: one of which too little is
// known, or all where that was asked for and no scan is under way. One that is asked for
// meanwhile comes after it: a scan begun anew each time would never end for one who asks
// often. What others lead they read, and it is known once they have.
func (r *Reconciler) scanJobs(m memory) []*job {
	all := r.scan.since.IsZero() && r.takeFull()
	if !all && !r.scanDue() {
		return nil
	}
	want := map[string][]resource.Resource{}
	if all {
		r.scan.since, r.scan.left = time.Now(), map[string]bool{} // where nothing is to be read it is over at once
		for _, res := range r.everything(m) {
			want[res.ID.Account] = append(want[res.ID.Account], res)
		}
	} else {
		want = r.missing(m)
	}
	jobs := r.scanOf(want)
	r.scanEnds(time.Now())
	return jobs
}

// scanOf returns the jobs that read what is wanted, and notes what is known without.
func (r *Reconciler) scanOf(want map[string][]resource.Resource) []*job {
	var jobs []*job
	for _, account := range sortedKeys(r.opts.Accounts) {
		switch {
		case r.scan.left[account]:
		case len(want[account]) == 0:
			r.scan.know(account)
		case r.leads(account):
			r.scan.begin(account, time.Now())
			jobs = append(jobs, &job{account: account, want: want[account], scan: true})
		}
	}
	return jobs
}

// begin notes that an account is about to be read.
func (s *scan) begin(account string, now time.Time) {
	if s.since.IsZero() {
		s.since, s.left = now, map[string]bool{}
	}
	s.left[account] = true
}

// know notes that an account is known whole.
func (s *scan) know(account string) {
	if s.known == nil {
		s.known = map[string]bool{}
	}
	s.known[account] = true
}

// scanDue reports whether of an account too little is known, and it is not being read.
func (r *Reconciler) scanDue() bool {
	for account := range r.opts.Accounts {
		if !r.scan.known[account] && !r.scan.left[account] {
			return true
		}
	}
	return false
}

// knowsAll reports whether every account is known whole.
func (r *Reconciler) knowsAll() bool { return len(r.scan.known) == len(r.opts.Accounts) }

// beginScan begins the jobs of a scan, after those that somebody waits for.
func (r *Reconciler) beginScan(ctx context.Context, jobs []*job) {
	for _, j := range jobs {
		r.read(ctx, j)
	}
}

// takeFull reports whether somebody has asked for everything to be read.
func (r *Reconciler) takeFull() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.full
	r.full = false
	return asked
}

// scanEnds notes that a scan is over where nothing is left of it, and that everything is
// known where it is: the scrub finds what drifts after that.
func (r *Reconciler) scanEnds(now time.Time) {
	if len(r.scan.left) > 0 {
		return
	}
	was := r.scan.since
	r.scan.since = time.Time{}
	if r.knowsAll() && (!was.IsZero() || r.scan.finish.IsZero()) {
		r.scan.finish, r.scan.ended = now, true
	}
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
	if !r.stillLed(j.account, j.term) {
		return
	}
	delete(r.scan.left, j.account)
	r.scan.know(j.account)
	r.scanEnds(time.Now())
}

// look lets be read what p cannot be decided without: what was never read, what
// was edited and is not known well enough, and what time alone makes worth a look.
// What is being changed is read by who changes it.
func (r *Reconciler) look(ctx context.Context, p *plan.Plan, m memory) {
	now := time.Now()
	first, other, again := newReading(r), newReading(r), newReading(r)
	r.lookAtDoubts(ctx, m)
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

// lookAtDoubts lets be read what is in doubt of accounts that were taken over.
func (r *Reconciler) lookAtDoubts(ctx context.Context, m memory) {
	if len(r.leading.doubts) == 0 {
		return
	}
	doubts := newReading(r)
	for id := range r.leading.doubts {
		doubts.add(id, m)
	}
	clear(r.leading.doubts)
	for _, want := range doubts.lists() {
		r.read(call.WithPriority(ctx, call.Routine), &job{account: want[0].ID.Account, want: want, first: true})
	}
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
	if !l.r.leads(id.Account) {
		return
	}
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
	j.done, j.began, j.term = make(chan struct{}), time.Now(), r.term(j.account)
	ctx, j.stop = context.WithCancel(ctx)
	end := r.busy.begin(j.account)
	if j.scan {
		before = slices.Clone(r.readers.jobs)
	} else {
		for _, res := range j.want {
			r.readers.of[res.ID] = j
		}
	}
	r.readers.jobs = append(r.readers.jobs, j)
	r.workers.Go(func() {
		defer end()
		defer j.stop()
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
		seen, err := target.Observe(ctx, chunk)
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
