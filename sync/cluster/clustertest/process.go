package clustertest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"time"

	"weir/sync/cluster"
)

// Process is a member of a Memory. Its fields are guarded by the Memory's mutex.
type Process struct {
	world *Memory
	opts  Joining
	nudge chan struct{}
	stop  context.CancelFunc
	under sync.WaitGroup

	self    cluster.Member
	judge   cluster.Judge
	until   time.Time // up to which its lease is proven
	seen    cluster.View
	at      time.Time // when seen was so
	lost    string
	leaving map[string]int64
	changed chan struct{}
	paused  bool
	cut     bool
	closed  bool
	dead    bool
}

var (
	_ cluster.Cluster = (*Process)(nil)
	_ cluster.Claimer = (*Process)(nil)
)

// Kill ends the process without a word: its lease runs out.
func (p *Process) Kill() {
	p.world.mu.Lock()
	p.dead = true
	p.world.mu.Unlock()
	p.stop()
	p.under.Wait()
}

// Pause stops the process as SIGSTOP does: it renews nothing, hears of nothing, and
// does not find out that it does not; what it can prove is over in time all the same.
func (p *Process) Pause() { p.set(func() { p.paused = true }) }

// Resume lets a paused process go on.
func (p *Process) Resume() { p.set(func() { p.paused = false }) }

// Cut cuts the process off from the others, as a broken network does.
func (p *Process) Cut() { p.set(func() { p.cut = true }) }

// Mend connects it again.
func (p *Process) Mend() { p.set(func() { p.cut = false }) }

func (p *Process) set(f func()) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	f()
	p.again()
}

func (p *Process) again() {
	select {
	case p.nudge <- struct{}{}:
	default:
	}
}

// change says that something is different; the caller holds mu.
func (p *Process) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// run lives until ctx ends.
func (p *Process) run(ctx context.Context) {
	tick := time.NewTicker(p.world.opts.Lease / renewals)
	defer tick.Stop()
	for {
		again := p.live(ctx)
		t := time.NewTimer(again)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-tick.C:
			p.set(p.renew)
		case <-p.nudge:
		case <-t.C:
		}
		t.Stop()
	}
}

func (p *Process) away() bool { return p.paused || p.cut || p.dead || p.closed }

func (p *Process) renew() {
	if !p.away() && !p.over() {
		p.world.renew(p)
	}
}

func (p *Process) over() bool { return !time.Now().Before(p.until) }

// live does what there is to do now, and returns when that may be otherwise by time
// alone.
func (p *Process) live(ctx context.Context) time.Duration {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	if p.paused || p.dead || p.closed {
		return p.world.opts.Lease
	}
	if p.over() || p.world.grants[p.self.ID] == nil && !p.cut {
		p.lose()
	}
	if p.cut {
		if p.over() {
			return p.world.opts.Lease
		}
		return time.Until(p.until)
	}
	if p.lost != "" {
		p.world.drop(p.self.ID)
		p.world.enter(p)
	}
	p.look()
	return p.act(ctx)
}

func (p *Process) lose() {
	if p.lost == "" {
		p.lost = "its lease was lost at " + time.Now().UTC().Format(time.RFC3339)
		p.change()
	}
}

// look sees the cluster as it is.
func (p *Process) look() {
	v := p.world.view(p.self.ID)
	p.at = time.Now()
	if !reflect.DeepEqual(v, p.seen) {
		p.seen = v
		p.change()
	}
}

func (p *Process) act(ctx context.Context) time.Duration {
	w := p.world
	d := p.judge.Decide(p.seen, w.inTurn(), time.Now())
	for _, account := range d.Give {
		p.handOver(ctx, account)
	}
	for _, account := range d.Take {
		w.revision++
		w.leaders[account] = cluster.Leader{
			Account: account, Member: p.self.ID, Name: p.self.Name, Term: w.revision, Since: time.Now().UTC(),
		}
	}
	if len(d.Take) > 0 {
		p.look()
		w.tell()
	}
	if d.Again == 0 {
		return w.opts.Lease
	}
	return d.Again
}

func (p *Process) handOver(ctx context.Context, account string) {
	term := p.seen.Leaders[account].Term
	if p.leaving[account] == term {
		return
	}
	p.leaving[account] = term
	left := time.Until(p.until)
	p.change()
	p.under.Go(func() {
		idle, cancel := context.WithTimeout(ctx, left)
		defer cancel()
		if p.opts.Idle != nil {
			p.opts.Idle(idle, account)
		} else {
			<-idle.Done()
		}
		p.giveUp(ctx, account, term)
	})
}

// giveUp removes an account's leader, as soon as the others can be told.
func (p *Process) giveUp(ctx context.Context, account string, term int64) {
	for ctx.Err() == nil && !p.tryGiveUp(account, term) {
		t := time.NewTimer(p.world.opts.Lease / renewals)
		select {
		case <-ctx.Done():
			t.Stop()
		case <-t.C:
		}
	}
}

func (p *Process) tryGiveUp(account string, term int64) bool {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	if p.away() {
		return false
	}
	if p.world.leaders[account].Term == term {
		delete(p.world.leaders, account)
		p.world.tell()
	}
	return true
}

// leads returns the term and for how long it holds; the caller holds mu.
func (p *Process) leads(account string) (int64, time.Duration) {
	l := p.seen.Leaders[account]
	if l.Member != p.self.ID || p.closed || p.dead || p.lost != "" || p.leaving[account] == l.Term || p.over() {
		return 0, 0
	}
	return l.Term, time.Until(p.until)
}

// Term implements cluster.Cluster.
func (p *Process) Term(account string) int64 {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	term, _ := p.leads(account)
	return term
}

// Left implements cluster.Cluster.
func (p *Process) Left(account string) time.Duration {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	_, left := p.leads(account)
	return left
}

// View implements cluster.Cluster.
func (p *Process) View() cluster.View {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	v := p.seen
	v.Self, v.Error = p.self.ID, p.lost
	if p.away() {
		v.Age = time.Since(p.at)
		if v.Error == "" && v.Age > p.world.opts.Lease/2 {
			v.Error = "the cluster is not seen since " + p.at.UTC().Format(time.RFC3339)
		}
	}
	return v
}

// Changed implements cluster.Cluster.
func (p *Process) Changed() <-chan struct{} {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	return p.changed
}

// Ready implements cluster.Cluster.
func (p *Process) Ready(accounts ...string) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	p.self.Accounts = slices.Compact(slices.Sorted(slices.Values(accounts)))
	if !p.away() && p.world.grants[p.self.ID] != nil {
		p.world.members[p.self.ID] = p.self
		p.world.tell()
	}
}

// errAway is what a process gets that reaches nobody.
var errAway = errors.New("the cluster is away")

// Tell implements cluster.Cluster.
func (p *Process) Tell(_ context.Context, t cluster.Trigger) error {
	p.world.mu.Lock()
	if p.away() {
		p.world.mu.Unlock()
		return errAway
	}
	t.By = p.self.ID
	var hear []func(cluster.Trigger)
	for _, other := range p.world.all {
		if other != p && !other.away() && other.opts.Heard != nil {
			hear = append(hear, other.opts.Heard)
		}
	}
	p.world.mu.Unlock()
	for _, heard := range hear {
		heard(t)
	}
	return nil
}

// Claim implements cluster.Claimer.
func (p *Process) Claim(ctx context.Context, accounts ...string) error {
	if !p.opts.Once {
		return errors.New("only a command claims accounts")
	}
	w := p.world
	w.mu.Lock()
	w.revision++
	number := w.revision
	for {
		p.want(number, accounts)
		lacking := slices.IndexFunc(accounts, func(a string) bool { term, _ := p.leads(a); return term == 0 })
		changed := p.changed
		if lacking < 0 {
			w.mu.Unlock()
			return nil
		}
		w.mu.Unlock()
		select {
		case <-changed:
			w.mu.Lock()
		case <-ctx.Done():
			return p.takeBack(number, accounts, accounts[lacking], context.Cause(ctx))
		}
	}
}

// want makes a wish, or makes it again where it was lost with the lease.
func (p *Process) want(number int64, accounts []string) {
	w := p.world
	if p.away() || slices.ContainsFunc(w.wishes, func(w wish) bool { return w.number == number }) {
		return
	}
	w.wishes = append(w.wishes, wish{cluster.Wish{Member: p.self.ID, Accounts: accounts}, number})
	w.tell()
}

// takeBack removes a wish, and gives up what was got by it.
func (p *Process) takeBack(number int64, accounts []string, lacking string, err error) error {
	w := p.world
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wishes = slices.DeleteFunc(w.wishes, func(w wish) bool { return w.number == number })
	for _, account := range accounts {
		if w.leaders[account].Member == p.self.ID {
			delete(w.leaders, account)
		}
	}
	w.tell()
	leader := w.leaders[lacking]
	return &cluster.Busy{Account: lacking, Leader: leader, Member: w.members[leader.Member], Err: err}
}

// Close implements cluster.Cluster.
func (p *Process) Close(ctx context.Context) error {
	w := p.world
	w.mu.Lock()
	if p.closed || p.dead {
		w.mu.Unlock()
		return nil
	}
	p.closed = true
	var held []string
	for account, l := range w.leaders {
		if l.Member == p.self.ID {
			held = append(held, account)
		}
	}
	p.change()
	w.mu.Unlock()
	idle := p.idle(ctx, held)
	p.stop()
	p.under.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !idle || p.cut || p.paused {
		return errAway // the lease runs out
	}
	w.drop(p.self.ID)
	return nil
}

func (p *Process) idle(ctx context.Context, accounts []string) bool {
	if p.opts.Idle == nil || len(accounts) == 0 {
		return true
	}
	var all sync.WaitGroup
	for _, account := range accounts {
		all.Go(func() { p.opts.Idle(ctx, account) })
	}
	all.Wait()
	return ctx.Err() == nil
}
