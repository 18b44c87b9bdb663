package reconcile

import (
	"fmt"
	"iter"
	"maps"
	"strings"
	"sync"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/resource"
)

// changedLately is how long after weir wrote a resource, or its declaration was
// edited, it counts as changed lately.
const changedLately = time.Hour

// sights is what is known of every resource, for those who work beside the passes:
// who look for drift, scrapes, and whoever asks the daemon. The passes keep it up.
type sights struct {
	mu     sync.Mutex
	all    []*sight
	at     map[resource.ID]*sight
	groups map[string]*group
	queues map[queueKey]*queue
	live   map[realm]int   // how many are on air
	ready  map[string]bool // by account: all of it was read once
	news   chan struct{}   // closed when there is more to read, and made anew
}

func newSights() *sights {
	return &sights{
		at: map[resource.ID]*sight{}, groups: map[string]*group{}, queues: map[queueKey]*queue{},
		live: map[realm]int{}, ready: map[string]bool{},
		news: make(chan struct{}),
	}
}

// sight is a resource and what was last seen of it.
type sight struct {
	id      resource.ID
	res     resource.Resource
	place   int // among all
	seen    resource.Observation
	known   bool      // seen is what the cloud held, and nothing was written since
	written time.Time // what was read before does not count any more
	changed time.Time // when weir wrote it, or its declaration was edited, last
	// declared is when this process met its declaration as it is.
	declared time.Time
	drifted  bool // or put back before
	group    *group
	member   int // its place in it
}

// group is what one read serves.
type group struct {
	key     string
	queue   *queue
	place   int // in its queue
	members []*sight
	realm   realm
	busy    bool // is being read

	stale bool // what follows is to be made anew
	candidate
	changed time.Time
	drifted bool
}

// queueKey names the groups of an account that one operation reads.
type queueKey struct{ account, operation string }

// queue is the groups of one operation.
type queue struct {
	queueKey
	groups []*group
	stale  bool // one of them may be due earlier than it was
}

// realm is what is on air together: a domain of an account.
type realm struct{ account, domain string }

func realmOf(id resource.ID) realm {
	domain, _, _ := strings.Cut(id.Key, "/")
	return realm{id.Account, domain}
}

// see takes over what was read. An observation that was made before a write of
// this process, or before the one that is known, says nothing.
func (s *sights) see(o resource.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.at[o.ID]; one != nil {
		s.put(one, o)
	}
}

// put is see where s is locked; it reports whether the observation counts, and
// whether it says something else than the one before.
func (s *sights) put(one *sight, o resource.Observation) (counts, differs bool) {
	if !o.At.After(one.written) || one.seen.At.After(o.At) {
		return false, false
	}
	differs = !one.known || !alike(one.seen, o)
	s.air(one, -1)
	one.seen, one.known = o, true
	s.air(one, 1)
	one.group.stale = true
	return true, differs
}

// alike reports whether two observations say the same.
func alike(a, b resource.Observation) bool {
	if a.Unreadable != "" || b.Unreadable != "" {
		return a.Unreadable != "" && b.Unreadable != "" && a.Unfamiliar == b.Unfamiliar
	}
	return plan.Fingerprint(&a) == plan.Fingerprint(&b)
}

// air counts one as on air, or no longer.
func (s *sights) air(one *sight, n int) {
	if one.seen.Live {
		s.live[one.group.realm] += n
	}
}

// lose forgets what was seen of a resource that was written.
func (s *sights) lose(id resource.ID, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.at[id]
	if one == nil {
		return
	}
	s.air(one, -1)
	one.seen, one.known, one.written, one.changed = resource.Observation{ID: id}, false, now, now
	one.group.stale = true
}

// subject is a resource as a pass left it.
type subject struct {
	res     resource.Resource
	seen    resource.Observation // zero where it was not read
	written time.Time            // by weir, as its record says
	drifted bool
}

// follow takes over what a pass left of resources, and which are gone. kinds is by
// account.
func (s *sights) follow(
	news iter.Seq[subject], gone iter.Seq[resource.ID], kinds map[string]map[string]provider.Kind, now time.Time,
) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range news {
		s.take(sub, kinds, now)
	}
	for id := range gone {
		if one := s.at[id]; one != nil {
			s.drop(one)
		}
	}
	for _, q := range s.queues {
		if q.stale {
			s.tell()
			return
		}
	}
}

// tell wakes those who wait for something to read.
func (s *sights) tell() {
	close(s.news)
	s.news = make(chan struct{})
}

// take brings what is known of a resource up to what a pass left.
func (s *sights) take(sub subject, kinds map[string]map[string]provider.Kind, now time.Time) {
	one := s.at[sub.res.ID]
	switch {
	case one == nil:
		one = &sight{id: sub.res.ID, res: sub.res, seen: sub.seen, known: !sub.seen.At.IsZero(), place: len(s.all), declared: now}
		s.at[sub.res.ID], s.all = one, append(s.all, one)
		s.join(one, kinds)
	case one.res.Spec != sub.res.Spec:
		s.part(one)
		one.res, one.changed, one.declared = sub.res, now, now
		s.join(one, kinds)
	}
	if sub.drifted != one.drifted || sub.written.After(one.changed) {
		one.drifted, one.changed = sub.drifted, later(one.changed, sub.written)
		one.group.stale, one.group.queue.stale = true, true
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// join puts one into the group that its read serves.
func (s *sights) join(one *sight, kinds map[string]map[string]provider.Kind) {
	reads := kinds[one.res.ID.Account][one.res.ID.Kind].Reads(one.res)
	key := one.res.ID.Account
	if len(reads) > 0 {
		key = fmt.Sprint(one.res.ID.Account, " ", reads[0].Operation, reads[0].Params) // maps print in key order
	}
	g := s.groups[key]
	if g == nil {
		g = &group{key: key, realm: realmOf(one.res.ID), queue: s.queue(one.res.ID.Account, reads)}
		g.place = len(g.queue.groups)
		g.queue.groups = append(g.queue.groups, g)
		s.groups[key] = g
	}
	one.group, one.member = g, len(g.members)
	g.members, g.stale, g.queue.stale = append(g.members, one), true, true
	s.air(one, 1)
}

// queue returns the queue of what these reads show: the last of them is made each
// time, the answers to others are remembered for a while.
func (s *sights) queue(account string, reads []*call.Request) *queue {
	key := queueKey{account: account}
	if len(reads) > 0 {
		key.operation = reads[len(reads)-1].Operation
	}
	l := s.queues[key]
	if l == nil {
		l = &queue{queueKey: key}
		s.queues[key] = l
	}
	return l
}

// part takes one out of its group.
func (s *sights) part(one *sight) {
	s.air(one, -1)
	g := one.group
	end := g.members[len(g.members)-1]
	g.members[one.member], end.member = end, one.member
	g.members, g.stale = g.members[:len(g.members)-1], true
	if len(g.members) > 0 {
		return
	}
	delete(s.groups, g.key)
	l := g.queue
	last := l.groups[len(l.groups)-1]
	l.groups[g.place], last.place = last, g.place
	l.groups = l.groups[:len(l.groups)-1]
	g.place = -1
}

// drop forgets a resource.
func (s *sights) drop(one *sight) {
	s.part(one)
	delete(s.at, one.res.ID)
	last := s.all[len(s.all)-1]
	s.all[one.place], last.place = last, one.place
	s.all = s.all[:len(s.all)-1]
}

// renew makes anew what g says of its members: what is not known is read by the
// passes, and so is what cannot be read, after a pause.
func (g *group) renew() {
	g.stale, g.candidate, g.changed, g.drifted = false, candidate{}, time.Time{}, false
	for _, one := range g.members {
		if !one.known || one.seen.Unreadable != "" {
			continue
		}
		g.at = plan.Earliest(g.at, one.seen.At)
		g.drifted = g.drifted || one.drifted
		if one.changed.After(g.changed) {
			g.changed = one.changed
		}
	}
}

// candidates yields the groups of l that can be read, with their places.
func (s *sights) candidates(l *queue, now time.Time) iter.Seq2[int, candidate] {
	return func(yield func(int, candidate) bool) {
		for i, g := range l.groups {
			if g.stale {
				g.renew()
			}
			if g.busy || g.at.IsZero() {
				continue
			}
			if !yield(i, candidate{g.at, s.weight(g, now)}) {
				return
			}
		}
	}
}

// weight returns what a minute of age of g is worth.
func (s *sights) weight(g *group, now time.Time) int {
	switch {
	case now.Sub(g.changed) < changedLately:
		return weightChanged
	case len(s.live) > 0 && s.live[g.realm] > 0:
		return weightAir
	case g.drifted:
		return weightDrifted
	}
	return weightRest
}

// oldest returns by account and kind when that was read of which it is longest
// ago. What was not read yet does not count.
func (s *sights) oldest() map[accountKind]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[accountKind]time.Time{}
	var k accountKind
	var at time.Time
	for _, one := range s.all {
		if one.id.Account != k.account || one.id.Kind != k.kind { // those of a kind mostly follow each other
			out[k] = plan.Earliest(out[k], at)
			k, at = accountKind{one.id.Account, one.id.Kind}, time.Time{}
		}
		if one.known {
			at = plan.Earliest(at, one.seen.At)
		}
	}
	out[k] = plan.Earliest(out[k], at)
	maps.DeleteFunc(out, func(_ accountKind, at time.Time) bool { return at.IsZero() })
	return out
}
