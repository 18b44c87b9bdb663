package clustertest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"weir/sync/cluster"
)

// renewals is how often in its time a process renews its lease.
const renewals = 5

// Options say what a Memory is like.
type Options struct {
	Lease time.Duration // 10 s for 0
	Times cluster.Times // those of the lease for the zero Times
}

// Joining says who joins; the fields are those of etcdcluster.Options.
type Joining struct {
	Name    string
	Process string
	Version string
	Address string
	Format  int
	Once    bool
	Idle    func(ctx context.Context, account string)
	Heard   func(cluster.Trigger)
}

// Memory is a cluster of several processes within one, for simulations: it has no clock
// but that of the standard library, so that in a testing/synctest bubble its leases run
// out by the bubble's time. It decides as every member does, with a cluster.Judge.
type Memory struct {
	opts Options

	mu       sync.Mutex
	revision int64
	drawn    int
	members  map[string]cluster.Member
	leaders  map[string]cluster.Leader
	wishes   []wish // in the order in which they were made
	grants   map[string]*grant
	all      []*Process
}

type wish struct {
	cluster.Wish
	number int64
}

// grant is a lease as those see it who gave it.
type grant struct {
	end   time.Time
	timer *time.Timer
}

// NewMemory returns a cluster without members. Its processes end with the test.
func NewMemory(t testing.TB, o Options) *Memory {
	if o.Lease == 0 {
		o.Lease = 10 * time.Second
	}
	if o.Times == (cluster.Times{}) {
		o.Times = cluster.TimesOf(o.Lease)
	}
	m := &Memory{
		opts: o, members: map[string]cluster.Member{}, leaders: map[string]cluster.Leader{}, grants: map[string]*grant{},
	}
	t.Cleanup(m.stop)
	return m
}

func (m *Memory) stop() {
	m.mu.Lock()
	all := m.all
	m.mu.Unlock()
	for _, p := range all {
		p.Kill()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range m.grants {
		g.timer.Stop()
	}
}

// Lease is how long a process is a member that is not heard of.
func (m *Memory) Lease() time.Duration { return m.opts.Lease }

// Holds reports whether a term of an account is that of its leader: what a store asks
// before it writes.
func (m *Memory) Holds(account string, term int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return term != 0 && m.leaders[account].Term == term
}

// Join makes a process a member.
func (m *Memory) Join(o Joining) *Process {
	m.mu.Lock()
	m.drawn++
	p := &Process{
		world: m, opts: o, nudge: make(chan struct{}, 1), changed: make(chan struct{}), leaving: map[string]int64{},
		self: cluster.Member{
			ID: fmt.Sprintf("%s-%d", o.Name, m.drawn), Name: o.Name, Process: o.Process, Version: o.Version,
			Address: o.Address, Since: time.Now().UTC(), Format: o.Format, Once: o.Once,
		},
	}
	p.judge = cluster.Judge{Self: p.self.ID, Times: m.opts.Times}
	m.all = append(m.all, p)
	m.enter(p)
	m.mu.Unlock()
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.under.Go(func() { p.run(ctx) })
	return p
}

// enter makes a process a member, with a new lease; the caller holds mu.
func (m *Memory) enter(p *Process) {
	id := p.self.ID
	m.members[id] = p.self
	p.until = time.Now().Add(m.opts.Lease - m.opts.Lease/100)
	p.lost = ""
	p.leaving = map[string]int64{}
	g := &grant{end: time.Now().Add(m.opts.Lease)}
	g.timer = time.AfterFunc(m.opts.Lease, func() { m.expire(id, g) })
	m.grants[id] = g
	m.tell()
}

// renew renews a lease, and reports whether it was there; the caller holds mu.
func (m *Memory) renew(p *Process) bool {
	g := m.grants[p.self.ID]
	if g == nil {
		return false
	}
	g.end = time.Now().Add(m.opts.Lease)
	g.timer.Reset(m.opts.Lease)
	p.until = time.Now().Add(m.opts.Lease - m.opts.Lease/100)
	return true
}

func (m *Memory) expire(id string, g *grant) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.grants[id] == g && !time.Now().Before(g.end) {
		m.drop(id)
	}
}

// drop removes a member with all that hangs on its lease; the caller holds mu.
func (m *Memory) drop(id string) {
	if g := m.grants[id]; g != nil {
		g.timer.Stop()
	}
	delete(m.grants, id)
	delete(m.members, id)
	maps.DeleteFunc(m.leaders, func(_ string, l cluster.Leader) bool { return l.Member == id })
	m.wishes = slices.DeleteFunc(m.wishes, func(w wish) bool { return w.Member == id })
	m.tell()
}

// tell says to all who can hear it that something is different; the caller holds mu.
func (m *Memory) tell() {
	for _, p := range m.all {
		p.again()
	}
}

func (m *Memory) view(self string) cluster.View {
	members := slices.Collect(maps.Values(m.members))
	slices.SortFunc(members, func(a, b cluster.Member) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return cluster.View{Self: self, Members: members, Leaders: maps.Clone(m.leaders)}
}

func (m *Memory) inTurn() []cluster.Wish {
	out := make([]cluster.Wish, 0, len(m.wishes))
	for _, w := range m.wishes {
		out = append(out, w.Wish)
	}
	return out
}
