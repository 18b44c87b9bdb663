package reconcile

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
)

// fresh is the age up to which an observation may lead to a write.
const fresh = 10 * time.Second

// everything returns all that is declared, and what was applied and has left
// the source, as resources to read.
func (r *Reconciler) everything(m memory) []resource.Resource {
	out := slices.Collect(r.desired.set.All())
	if r.opts.Selector != nil {
		return out
	}
	for id, last := range m.last {
		if _, declared := r.desired.set.Get(id); !declared && r.judge(id) != nil {
			out = append(out, resource.Resource{ID: id, Spec: last.Spec, Origin: last.Origin})
		}
	}
	return out
}

// observe reads the resources in want, every account beside the others, and
// keeps what was read. What could be read before ctx ended is kept as well.
func (r *Reconciler) observe(ctx context.Context, want []resource.Resource) error {
	if len(want) == 0 {
		return nil
	}
	r.readingBegins(want)
	defer r.reads.end()
	byAccount := map[string][]resource.Resource{}
	for _, res := range want {
		byAccount[res.ID.Account] = append(byAccount[res.ID.Account], res)
	}
	var mu sync.Mutex // guards what is kept
	var wg sync.WaitGroup
	for name, list := range byAccount {
		wg.Go(func() {
			for chunk := range portions(list, observeChunk) {
				seen, err := r.opts.Accounts[name].Observe(ctx, chunk)
				mu.Lock()
				r.keep(seen, err)
				mu.Unlock()
				if ctx.Err() != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// observeChunk is how many resources one Observe is asked for: enough that a
// bulk read serves all it can, small enough that an interrupted scan loses
// little.
const observeChunk = 20_000

// portions yields list in portions of about that many. What is of one kind and begins with the same
// part of the key is never split, since one read serves all of it.
func portions(list []resource.Resource, most int) iter.Seq[[]resource.Resource] {
	return func(yield func([]resource.Resource) bool) {
		begin := 0
		for i := 1; i <= len(list); i++ {
			if i < len(list) && (i-begin < most || together(list[i-1].ID, list[i].ID)) {
				continue
			}
			if !yield(list[begin:i]) {
				return
			}
			begin = i
		}
	}
}

func together(a, b resource.ID) bool {
	left, _, _ := strings.Cut(a.Key, "/")
	right, _, _ := strings.Cut(b.Key, "/")
	return a.Kind == b.Kind && left == right
}

// keep stores observations.
func (r *Reconciler) keep(seen []resource.Observation, err error) {
	for _, o := range read(seen, err) {
		r.seen.put(o.ID, o)
		r.sights.see(o)
	}
}

// read returns, of an interrupted read, only what really was read.
func read(seen []resource.Observation, err error) []resource.Observation {
	if err == nil {
		return seen
	}
	return slices.DeleteFunc(seen, func(o resource.Observation) bool { return o.At.IsZero() || o.Unreadable != "" })
}

// decide makes the plan from what is known: it decides again about what has
// changed since the last one. The guards have not seen it.
func (r *Reconciler) decide(m memory, now time.Time) *plan.Plan {
	in := r.input(m, now)
	p := r.ledger.Plan(in, r.touched())
	if r.opts.Decided != nil {
		r.opts.Decided(in, p)
	}
	return p
}

// touched returns of what something else is known than at the last plan.
func (r *Reconciler) touched() map[resource.ID]bool {
	out := map[resource.ID]bool{}
	r.seen.take(out)
	r.own.take(out)
	r.replica.last.take(out)
	r.replica.acts.take(out)
	maps.Copy(r.met, out)
	return out
}

// input is all that is known.
func (r *Reconciler) input(m memory, now time.Time) plan.Input {
	policy := r.opts.Policy
	policy.ReadOnly = r.opts.ReadOnly()
	return plan.Input{
		Revision: r.desired.revision, Desired: r.desired.set, Last: m.last, Seen: r.seen.of, Acts: m.acts, Own: r.own.of,
		Written: r.written.last, Now: now, Policy: policy, Judge: r.judge, Partial: r.opts.Selector != nil,
	}
}

// decideOne makes the plan of one resource alone.
func (r *Reconciler) decideOne(id resource.ID, m memory, now time.Time) *plan.Plan {
	in := r.input(m, now)
	in.Desired, in.Last = resource.Set{}, map[resource.ID]resource.Applied{}
	if res, ok := r.desired.set.Get(id); ok {
		in.Desired, _ = resource.NewSet([]resource.Resource{res}) // one alone does not clash
	}
	if last, ok := m.last[id]; ok {
		in.Last[id] = last
	}
	return plan.Diff(in)
}

// lookup returns what to read for id: the declared resource, or the applied
// one where it has left the source.
func (r *Reconciler) lookup(id resource.ID, m memory) (resource.Resource, bool) {
	if res, ok := r.desired.set.Get(id); ok {
		return res, true
	}
	last, ok := m.last[id]
	return resource.Resource{ID: id, Spec: last.Spec, Origin: last.Origin}, ok && r.judge(id) != nil
}
