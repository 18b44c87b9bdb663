// Package etcdquota shares an account's quotas between processes on several machines,
// through etcd.
//
// Of each operation of an account there is one sheet, a key in etcd, that says which
// process has which part of the operation's windows, and what each one wants. It is
// changed only where it is as it was read, so that at any time the parts of a window
// are together no more than its limit. A process makes its calls of its part by a book
// of its own, in memory, which costs no way to etcd: that is taken where a part grows or
// becomes smaller, which a process that goes on as before does not need. So what a
// call costs etcd is near to nothing while nobody else wants the operation, and where
// several do, one change each time a turn ends at what cannot be divided.
//
// # Why that is exact
//
// No instant of one machine is compared with one of another; only causes are. Let the
// slots of a window of limit n be n things. Each is free or in the part of one process
// at any time, since the sheet is changed by compare-and-set. Let A and B be two calls
// that hold the same slot one after the other.
//
//   - In one process, they arrive more than Per apart by that process's own book: see
//     call/slots.go.
//   - If the slot went from process P to process Q meanwhile, P gave it back when, by
//     its own clock, Per and the margin had passed since A's answer arrived, or since A
//     was given up and could not be on its way any more. P had stopped using the slot
//     before it asked etcd. Q sends B after etcd answered that the slot is its own, which
//     is after P asked.
//   - If P is dead, or cut off, or stopped, its slots are taken when, by the clock of
//     whoever takes them, Per and the margin have passed since that one saw P's lease
//     gone. P's calls are cut off early enough before the lease can end, by P's clock (see
//     call.WhileMandated and slot.Left), so A had arrived before etcd ended the lease, and
//     that was before anyone saw it.
//
// So A and B arrive more than Per apart, and n+1 calls within one Per would have had two
// of them in one slot. What is believed of the way to the cloud (call.End.Extra below
// zero) shortens the hold within a process only: P knows nothing of Q's way.
//
// A change that was sent and not answered may be carried out later, as long as the
// sheet is of the revision it rests on. Until it is of another one the process uses
// no more than the change would leave it; see bet. A change carries the fence of the
// process's own key, which hangs on its lease: what a dead process sent does nothing.
//
// # Who gets what
//
// Everybody decides by the same function of the sheet who should have how much, see
// sheet.targets: the higher priority first, within one equal parts as far as they are
// wanted, and of what cannot be divided turns. Whoever has more than that stops using
// it and gives it back as it becomes free; whoever changes the sheet gives what is free
// to those who should have more, so that a slot goes from one to the other with one
// change. After nineteen slots a process lends one to a process that has none because
// of its lower priority. A process wants what it used lately and what waits, so most of
// a quota that is hardly used is free when somebody comes.
//
// What the cloud throttles all learn from the sheet. It comes back as in a limiter of
// its own.
//
// # When etcd is away
//
// A process uses its part while its lease lasts and then waits for etcd: nobody goes on
// with a part of his own making, since others may take the part over. So no call is
// made without etcd for longer than a lease.
//
// # What is not shared
//
// Two clusters of weir, on two etcds or under two prefixes, do not know of each other:
// give each a share of the quota (quota.share). Neither does a weir that keeps its state
// in a file. Whoever deletes the sheets, or brings etcd back from a backup, makes calls
// of the last window unknown. A process that learns of a window it was not configured
// with counts its calls in it from then on, and the others wait until it has.
package etcdquota

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/call"
	"weir/sync/etcd"
)

// DefaultLease is how long the parts of a dead process are its own.
const DefaultLease = 10 * time.Second

// Pauses between tries.
const (
	retryFirst = 50 * time.Millisecond
	retryMost  = time.Second
)

// Desk is a process's place among those that share quotas. It must be closed.
type Desk struct {
	conn  *etcd.Conn
	ttl   time.Duration
	least time.Duration // how much of the lease has to be left for a slot to be taken
	log   *slog.Logger

	ctx   context.Context // ends with the desk
	stop  context.CancelFunc
	work  sync.WaitGroup
	known *known

	mu      sync.Mutex
	seat    *seat              // nil while there is none
	changed chan struct{}      // closed when there is another one
	trouble error              // why there is none
	budgets map[string]*budget // by account
}

// seat is a process that has a lease: a desk whose lease was lost takes another seat,
// and is another process to everybody.
type seat struct {
	id    string
	lease *etcd.Lease
	fence etcd.Fence // its key, which hangs on the lease
}

// New returns a process's desk, with a lease of its own of a length: DefaultLease for
// 0. Clients of its accounts have to be in call.WhileMandated, or calls are not cut
// off before the lease ends. A nil logger says nothing.
func New(conn *etcd.Conn, lease time.Duration, log *slog.Logger) *Desk {
	if lease == 0 {
		lease = DefaultLease
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d := &Desk{
		conn: conn, ttl: lease, least: call.Least(lease), log: log, known: newKnown(conn),
		changed: make(chan struct{}), budgets: map[string]*budget{},
	}
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.work.Go(d.run)
	d.work.Go(func() { d.known.follow(d.ctx, d.kick) })
	return d
}

// Share returns the budget of an account. Its Take returns no error but ctx's: while
// the budget cannot be used, nobody takes a slot.
func (d *Desk) Share(account string) call.Shared {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, ok := d.budgets[account]
	if !ok {
		b = &budget{desk: d, account: account, operations: map[string]*operation{}}
		d.budgets[account] = b
	}
	return b
}

// Trouble returns why the quotas cannot be used now, nil where they can.
func (d *Desk) Trouble() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.trouble
}

// run keeps a seat for the process until the desk is closed.
func (d *Desk) run() {
	pause := retryFirst
	for d.ctx.Err() == nil {
		s, err := d.sit()
		if err != nil {
			d.place(nil, err)
			wait(d.ctx, pause)
			pause = min(2*pause, retryMost)
			continue
		}
		pause = retryFirst
		d.place(s, nil)
		select {
		case <-d.ctx.Done():
			return
		case <-s.lease.Lost():
		}
		d.place(nil, errUnproven)
		ctx, cancel := context.WithTimeout(d.ctx, retryMost)
		_ = s.lease.Release(ctx) // its time is over: this makes others know sooner
		cancel()
	}
}

// errUnproven is the trouble of a process whose lease is over.
var errUnproven = errors.New("etcd did not prove the lease in time")

// sit takes a seat: a lease, and a key that hangs on it.
func (d *Desk) sit() (*seat, error) {
	lease, err := d.conn.Grant(d.ctx, d.ttl)
	if err != nil {
		return nil, err
	}
	s := &seat{id: rand.Text(), lease: lease}
	s.fence.Key = d.known.key(s.id)
	host, _ := os.Hostname()
	resp, err := d.conn.Do(d.ctx, nil, []clientv3.Op{
		lease.Put(s.fence.Key, fmt.Sprintf(`{"host":%q,"pid":%d}`, host, os.Getpid())),
	}, nil)
	if err != nil {
		lease.Drop()
		return nil, err
	}
	s.fence.Revision = resp.Header.Revision
	return s, nil
}

// place makes a seat the desk's, or none and why.
func (d *Desk) place(s *seat, trouble error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case trouble == errClosed: //nolint:errorlint // it is this very one
	case d.trouble == nil && trouble != nil:
		d.log.Warn("quotas cannot be used: calls wait for etcd", "error", trouble)
	case d.trouble != nil && trouble == nil:
		d.log.Info("quotas can be used again")
	}
	d.seat, d.trouble = s, trouble
	close(d.changed)
	d.changed = make(chan struct{})
}

// seated returns the seat, nil where there is none, and a channel that is closed when
// there is another one.
func (d *Desk) seated() (*seat, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seat, d.changed
}

// operations returns all that were ever called.
func (d *Desk) operations() []*operation {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*operation
	for _, b := range d.budgets {
		all = append(all, b.all()...)
	}
	return all
}

// kick makes all operations look at what they know.
func (d *Desk) kick() {
	for _, o := range d.operations() {
		o.kick()
	}
}

// How many operations are given back at a time.
const leaveAtOnce = 16

// Close gives the parts back and leaves, when no call is under way any more: at the
// latest when ctx ends, and then what is under way holds its slots until the lease is
// over. Nobody takes a slot any more, and who waits for one does until its context
// ends.
func (d *Desk) Close(ctx context.Context) error {
	d.stop()
	d.work.Wait()
	s, _ := d.seated()
	d.place(nil, errClosed)
	if s == nil {
		return nil
	}
	for _, o := range d.operations() {
		if !o.quiet(ctx) {
			s.lease.Drop()
			return fmt.Errorf("quota: calls of %s are under way: %w", o.name, ctx.Err())
		}
	}
	var all sync.WaitGroup
	turn := make(chan struct{}, leaveAtOnce)
	for _, o := range d.operations() {
		turn <- struct{}{}
		all.Go(func() {
			o.leave(ctx, s)
			<-turn
		})
	}
	all.Wait()
	return s.lease.Release(ctx)
}

// errClosed is the trouble of a desk that was closed.
var errClosed = errors.New("closed")

// wait waits, unless ctx ends before.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
