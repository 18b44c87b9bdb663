package providertest

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/resource"
)

// repairRounds is how often leftovers are looked for, as when applying.
const repairRounds = 2

// laggingRounds is how many passes a cloud may need that answers reads with
// what it held a while ago: a repair that looked at the past is found wanting
// by the next pass.
const laggingRounds = 3

// lifecycle creates, edits and removes each sample on a fresh cloud. After each
// step nothing is left to do: for kinds that can be read because the cloud
// shows it, for the others because the acts are done.
func (s Suite) lifecycle(t *testing.T) {
	for _, one := range s.Samples {
		t.Run(one.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &life{T: t, suite: s, id: one.ID, provider: s.New(), caller: spaced(s.caller(t, s.Cloud()))}
				l.kind = l.provider.Kinds()[one.ID.Kind]
				l.declare(s.desired(t, one, one.Spec))
				if one.Edited != "" {
					l.declare(s.desired(t, one, one.Edited))
				}
				l.remove()
			})
		})
	}
}

// life is one resource, and what weir remembers of it.
type life struct {
	*testing.T
	suite    Suite
	id       resource.ID
	provider provider.Provider
	kind     provider.Kind
	caller   call.Caller
	last     *resource.Applied
	acts     []resource.Act
}

// declare makes want true and checks that nothing is left to do.
func (l *life) declare(want resource.Resource) {
	l.Helper()
	c, v := l.judge(&want)
	if v.Action != plan.Create && v.Action != plan.Update {
		l.Fatalf("declared %s: verdict %+v, want a create or an update", want.Spec, v)
	}
	rounds := 1
	if l.suite.Lag > 0 {
		rounds = laggingRounds
	}
	for ; rounds > 0 && v.Action != plan.None; rounds-- {
		l.carryOut(change(c, v))
		l.last = &resource.Applied{ID: l.id, Spec: want.Spec, At: time.Now(), Epoch: v.Epoch}
		if l.suite.Lag > 0 {
			time.Sleep(l.suite.Lag + plan.Lag) // an old answer is called drift only then
		}
		c, v = l.judge(&want)
	}
	if v.Action != plan.None {
		l.Errorf("after %s was applied: verdict %+v, want nothing to do; seen %s", want.Spec, v, c.Seen.Spec)
	}
	if (v.State == plan.InSync) != l.kind.Readable {
		l.Errorf("after %s was applied: state %s of a kind that is readable: %t", want.Spec, v.State, l.kind.Readable)
	}
}

func (l *life) judge(want *resource.Resource) (plan.Case, plan.Verdict) {
	l.Helper()
	c := l.look(want)
	return c, l.kind.Judge(c)
}

// remove takes the resource out of the source. What can be read is then shown
// to be gone.
func (l *life) remove() {
	l.Helper()
	c, v := l.judge(nil)
	if v.Action != plan.Delete && l.kind.Readable {
		l.Fatalf("removed: verdict %+v, want a delete", v)
	}
	l.carryOut(change(c, v))
	time.Sleep(l.suite.Lag + plan.Lag) // what was written a moment ago is not taken for gone
	c = l.look(nil)
	if !l.kind.Readable {
		return
	}
	if c.Seen.Exists || c.Seen.Unreadable != "" {
		l.Errorf("after the removal: %+v, want it absent", *c.Seen)
	}
	if reqs, err := l.kind.Calls(change(c, l.kind.Judge(c))); err != nil || len(reqs) != 0 {
		l.Errorf("after the removal: calls %s, %v", encode(reqs), err)
	}
}

// look observes the resource; want is nil where it left the source.
func (l *life) look(want *resource.Resource) plan.Case {
	l.Helper()
	asked := resource.Resource{ID: l.id}
	if want != nil {
		asked.Spec = want.Spec
	} else if l.last != nil {
		asked.Spec = l.last.Spec
	}
	seen, err := l.provider.Observe(l.Context(), l.caller, []resource.Resource{asked})
	if err != nil || len(seen) != 1 || seen[0].Unreadable != "" {
		l.Fatalf("Observe: %+v, %v", seen, err)
	}
	return plan.Case{
		ID: l.id, Want: want, Last: l.last, Seen: &seen[0], Acts: slices.Clone(l.acts), Now: time.Now(),
	}
}

// carryOut makes the calls of a change as apply does, and repairs.
func (l *life) carryOut(c plan.Change) {
	l.Helper()
	reqs, err := l.kind.Calls(c)
	if err != nil {
		l.Fatalf("calls of %+v: %v", c, err)
	}
	l.make(reqs, c.Action == plan.Delete)
	if l.kind.Repair == nil || c.Action == plan.Delete {
		return
	}
	for range repairRounds {
		seen := l.look(&resource.Resource{ID: l.id, Spec: c.After}).Seen
		if seen.Spec.Equal(c.After) {
			return
		}
		l.make(l.kind.Repair(c, *seen), true)
	}
}

// make makes calls; gone says that what they name may be gone already.
func (l *life) make(reqs []*call.Request, gone bool) {
	l.Helper()
	for _, req := range reqs {
		l.suite.request(l.T, l.provider, req)
		_, err := l.caller.Call(l.Context(), req)
		switch code := call.CodeOf(err); {
		case code == call.OK, code == call.AlreadyDone, code == call.NotFound && gone:
		default:
			l.Fatalf("%s %s: %v", req.Operation, encode(req.Params), err)
		}
		l.did(req)
	}
}

// did remembers an act.
func (l *life) did(req *call.Request) {
	if req.Act.Name == "" {
		return
	}
	a := resource.Act{
		ID: l.id, Name: req.Act.Name, Token: req.Act.Token, Begun: time.Now(), Done: time.Now(),
		Repeatable: req.Act.Repeatable,
	}
	if req.Act.Lasts > 0 {
		a.Ends = a.Done.Add(req.Act.Lasts)
	}
	l.acts = append(slices.DeleteFunc(l.acts, func(old resource.Act) bool { return old.Name == a.Name }), a)
}
