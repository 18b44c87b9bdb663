// Package etcdcluster is where weir's processes meet: in etcd, each with one lease.
//
// What a member is and what it leads are keys that hang on its lease:
//
//	members/<id>      a cluster.Member
//	lead/<account>    a cluster.Leader; the revision at which it was created is the term
//	wish/<id>-<n>     a cluster.Wish of a command
//	triggers/<source> the cluster.Trigger heard last; on no lease
//
// The key of an account is created only where there is none, so two never lead it; it is
// there for as long as the lease is, and that is what Left counts. A process that is
// killed, cut off or stopped loses all it led at the same moment, so a lease for each
// account would say nothing more: it would be renewed by the same process through the
// same connection, and a thousand of them cost a thousand times as much.
//
// What etcd cannot exclude: a request that was written to a socket right before the
// process was stopped may arrive any time later (Jepsen on etcd's locks). Therefore a
// call is not begun without time in hand, what is written about an account holds only
// while its key does (Fence), and what must not happen twice is begun in the store
// before.
package etcdcluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/boottime"
	"weir/sync/cluster"
	"weir/sync/etcd"
)

// DefaultLease is how long a member is one that is not heard of.
const DefaultLease = 10 * time.Second

// Options say who joins.
type Options struct {
	Name    string // that people know it by
	Process string // "weir run", the command; with what tells it from others of the host
	Version string
	Address string // where people reach its page, may be ""
	Format  int    // newest format of the state that it writes
	// Lease is how long after it was last heard of another may lead what it leads;
	// DefaultLease for 0, no less than two seconds.
	Lease time.Duration
	// Once is for a command: it leads what it claims, and nothing else.
	Once bool
	// Idle waits until nothing of an account is under way in this process any more:
	// no call, and nothing left to be written of one. Its Term has been 0 before, so
	// nothing begins; the Fence holds until Idle returns, for what is written meanwhile.
	// ctx ends after a lease, when every call was cut off. Without it an account is given
	// up after a lease, and at once by Close.
	Idle func(ctx context.Context, account string)
	// Heard is told of triggers of others, and must not block. May be nil.
	Heard func(cluster.Trigger)
	// Times are how patient it is; those of the lease for the zero Times.
	Times  cluster.Times
	Logger *slog.Logger
}

// Member is this process as a member. It must be closed.
type Member struct {
	conn *etcd.Conn
	opts Options
	log  *slog.Logger

	nudge chan struct{}   // something has changed that a decision rests on
	life  context.Context // ends with Close
	stop  context.CancelFunc
	under sync.WaitGroup
	tell  tells

	mu      sync.Mutex
	self    cluster.Member
	board   *board
	lease   *etcd.Lease      // nil between two
	leaving map[string]int64 // by account: the term that is being given up
	judge   cluster.Judge    // of stay alone
	changed chan struct{}
	shown   *cluster.View    // the board's, nil where it has changed since
	news    boottime.Instant // when the watch last said anything
	late    string           // why it says nothing, "" where it does
	lost    string           // why there is no lease, "" where there is one
	over    error            // why it is no member ever more
	claims  int
	closed  bool
	// announced is what the others have been told that this process can lead.
	announced []string
}

var (
	_ cluster.Cluster = (*Member)(nil)
	_ cluster.Claimer = (*Member)(nil)
)

// Join makes this process a member, which can lead nothing until it says Ready. It fails
// where that is not possible now; later it joins again by itself as often as it has to.
func Join(ctx context.Context, conn *etcd.Conn, o Options) (*Member, error) {
	if o.Lease == 0 {
		o.Lease = DefaultLease
	}
	if o.Lease < 2*time.Second {
		return nil, fmt.Errorf("a lease of %v is too short, etcd has none below two seconds", o.Lease)
	}
	if o.Times == (cluster.Times{}) {
		o.Times = cluster.TimesOf(o.Lease)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	id := rand.Text()
	m := &Member{
		conn: conn, opts: o, log: o.Logger, nudge: make(chan struct{}, 1), board: newBoard(),
		leaving: map[string]int64{}, changed: make(chan struct{}), judge: cluster.Judge{Self: id, Times: o.Times},
		self: cluster.Member{
			ID: id, Name: o.Name, Process: o.Process, Version: o.Version, Address: o.Address,
			Since: time.Now().UTC(), Format: o.Format, Once: o.Once,
		},
	}
	if err := m.enter(ctx); err != nil {
		return nil, fmt.Errorf("join the cluster: %w", err)
	}
	revision, err := m.read(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("join the cluster: %w", err), m.lease.Release(ctx))
	}
	m.life, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	m.under.Go(func() { m.follow(m.life, revision) })
	m.under.Go(func() { m.stay(m.life) })
	return m, nil
}

// Term returns the term under which this process leads an account, 0 where it does not,
// or is about to give it up.
func (m *Member) Term(account string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	term, _ := m.leads(account)
	return term
}

// Left returns for how long nobody else can lead the account.
func (m *Member) Left(account string) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, left := m.leads(account)
	return left
}

// leads returns the term and for how long it holds, nothing where either is over.
func (m *Member) leads(account string) (int64, time.Duration) {
	term := m.holds(account)
	if term == 0 || m.closed || m.over != nil || m.leaving[account] == term {
		return 0, 0
	}
	left := m.lease.Left()
	if left <= 0 {
		return 0, 0
	}
	return term, left
}

// holds returns the term of a key that hangs on this process's lease, whatever becomes
// of it.
func (m *Member) holds(account string) int64 {
	h, ok := m.board.lead[account]
	if !ok || h.gone || m.lease == nil || h.lease != m.lease.ID() {
		return 0
	}
	return h.created
}

// Fence returns what a write about an account that this process leads is to be
// conditional on. It is there for some time after Term has become 0, see Options.Idle.
func (m *Member) Fence(account string) (etcd.Fence, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	term := m.holds(account)
	return etcd.Fence{Key: m.key(inLead, account), Revision: term}, term != 0
}

func (m *Member) key(place, name string) string { return m.conn.Key(place, etcd.Escape(name)) }

// View returns the cluster as it is known now; it is not to be changed.
func (m *Member) View() cluster.View {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.seen()
	v.Age = max(0, m.news.Until(boottime.Now()))
	v.Error = m.trouble()
	return v
}

func (m *Member) seen() cluster.View {
	if m.shown == nil {
		v := m.board.view(m.self.ID)
		m.shown = &v
	}
	return *m.shown
}

func (m *Member) trouble() string {
	switch {
	case m.over != nil:
		return m.over.Error()
	case m.lost != "":
		return m.lost
	}
	return m.late
}

// Changed returns a channel that is closed when Term or View say something else.
func (m *Member) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// change says that something is different; the caller holds mu.
func (m *Member) change() {
	close(m.changed)
	m.changed, m.shown = make(chan struct{}), nil
	m.again()
}

func (m *Member) again() {
	select {
	case m.nudge <- struct{}{}:
	default: // it will be looked at anyway
	}
}

// Ready says which accounts this process can lead from now on.
func (m *Member) Ready(accounts ...string) {
	accounts = slices.Compact(slices.Sorted(slices.Values(accounts)))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.self.Accounts = accounts
	m.change()
}

// Over returns why this process is no member any more and will not be one again, nil
// while that is not so: etcd was restored from a backup, and a person has to look.
func (m *Member) Over() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.over
}

// Close gives up what is led, for others to take over at once, and leaves. Where Idle
// has not returned for all of it when ctx ends, the lease is left to run out, as it is
// without etcd.
func (m *Member) Close(ctx context.Context) error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	held := m.led()
	m.change()
	m.mu.Unlock()
	idle := m.idle(ctx, held)
	m.stop()
	m.under.Wait()
	lease := m.lease
	if lease == nil {
		return nil
	}
	if !idle {
		lease.Drop()
		return fmt.Errorf("calls are still under way, what was led is free after the lease: %w", context.Cause(ctx))
	}
	return lease.Release(ctx)
}

// led returns the accounts whose keys hang on this process's lease.
func (m *Member) led() []string {
	var out []string
	for account := range m.board.lead {
		if m.holds(account) != 0 {
			out = append(out, account)
		}
	}
	return out
}

// idle waits until nothing of some accounts is under way, and reports whether that is
// so before ctx ends.
func (m *Member) idle(ctx context.Context, accounts []string) bool {
	if m.opts.Idle == nil {
		return true
	}
	var all sync.WaitGroup
	for _, account := range accounts {
		all.Go(func() { m.opts.Idle(ctx, account) })
	}
	all.Wait()
	return len(accounts) == 0 || ctx.Err() == nil
}

// member is the condition that this process is one under a lease.
func (m *Member) member(lease *etcd.Lease) clientv3.Cmp {
	return clientv3.Compare(clientv3.LeaseValue(m.key(inMembers, m.self.ID)), "=", lease.ID())
}
