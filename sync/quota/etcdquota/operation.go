package etcdquota

import (
	"context"
	"errors"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/boottime"
	"weir/sync/call"
	"weir/sync/etcd"
)

const (
	// changeTime bounds one change of a sheet: what has no answer by then is read again.
	changeTime = 2 * time.Second
	// rereadTime is after which time a process that has less than it wants reads the
	// sheet again, in case that it does not hear of changes.
	rereadTime = 2 * time.Second
	// closeLook is the pause between two looks at what is under way.
	closeLook = 10 * time.Millisecond
)

// operation is one of an account's. While the process has a part of it, or wants one,
// somebody follows its sheet.
type operation struct {
	desk *Desk
	name string
	key  string
	wake chan struct{} // has room for one

	mu        sync.Mutex
	seat      *seat // whose side it is
	side      *side
	followed  bool
	asking    [levels]int   // calls that ask now
	changed   chan struct{} // closed when the side has changed
	refreshed boottime.Instant
}

func newOperation(d *Desk, account, name string) *operation {
	return &operation{
		desk: d, name: name, key: d.conn.Key("quota", etcd.Escape(account), etcd.Escape(name)),
		wake: make(chan struct{}, 1), changed: make(chan struct{}),
	}
}

// kick makes whoever follows the sheet look at the side.
func (o *operation) kick() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// sit makes the side that of a seat, and sees to it that somebody follows its sheet.
func (o *operation) sit(s *seat) {
	if o.seat != s {
		o.seat, o.side, o.followed = s, newSide(s.id), false
	}
	if !o.followed && o.desk.ctx.Err() == nil {
		o.followed = true
		side := o.side
		o.desk.work.Go(func() { o.follow(s, side) })
	}
}

// asks begins the asking of a call on a side, which end ends.
func (o *operation) asks(p call.Priority) (end func()) {
	level := levelOf(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asking[level]++
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.asking[level]--
	}
}

// later is when a slot is to be asked for again: when one of the channels is closed, or
// after a time where that is not 0.
type later struct {
	changed <-chan struct{} // of the side
	moved   <-chan struct{} // of the seat
	again   time.Duration
}

// await waits until then, or until ctx ends.
func (l later) await(ctx context.Context) {
	var over <-chan time.Time
	if l.again > 0 {
		timer := time.NewTimer(l.again)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-l.changed:
	case <-l.moved:
	case <-over:
	case <-ctx.Done():
	}
}

// take takes a slot, nil where there is none.
func (o *operation) take(want call.Want) (*slot, later) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, moved := o.desk.seated() // under the lock, so that none is taken that Close does not see
	if s == nil {
		return nil, later{moved: moved}
	}
	o.sit(s)
	now := boottime.Now()
	if o.side.ask(now, want) {
		o.kick()
	}
	if s.lease.Left() < o.desk.least {
		return nil, later{moved: moved, again: closeLook}
	}
	number, from, again := o.side.take(now, want)
	if number == 0 {
		return nil, later{o.changed, moved, again}
	}
	if o.side.rivals || o.side.spent {
		o.kick()
	}
	return &slot{
		of: o, side: o.side, lease: s.lease, number: number, taken: now, from: from,
		part: o.side.part(), cuts: o.side.sheet.Cuts, within: o.side.within(from, want.Credit),
	}, later{}
}

// give ends the call that has a slot.
func (o *operation) give(s *slot, e call.End) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e.Throttled {
		s.side.throttled(s.cuts)
	}
	if s.side.cut || s.side.rivals {
		o.kick()
	}
	e.Throttled = false // it is the sheet that says what is left of the windows
	s.side.book.Give(boottime.Now(), s.number, e)
}

// look tells who else wants the operation, false where this process does not know.
func (o *operation) look(want call.Want) (view call.View, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.followed || o.side.sheet == nil {
		return call.View{}, false
	}
	return o.side.look(boottime.Now(), want, o.desk.known), true
}

// errIdle ends the following of a sheet that does not concern the process any more.
var errIdle = errors.New("idle")

// follow keeps a side up to date, and acts for it, until its lease is over or the
// operation does not concern it any more.
func (o *operation) follow(s *seat, side *side) {
	ctx, cancel := context.WithCancel(o.desk.ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	work.Go(func() {
		select {
		case <-s.lease.Lost():
			cancel()
		case <-ctx.Done():
		}
	})
	pause := retryFirst
	for ctx.Err() == nil {
		begin := time.Now()
		err := o.watch(ctx, s, side)
		if errors.Is(err, errIdle) {
			return
		}
		if ctx.Err() == nil {
			o.desk.log.Debug("a quota's sheet is not followed", "operation", o.name, "error", err)
		}
		if time.Since(begin) > retryMost {
			pause = retryFirst
		}
		wait(ctx, pause)
		pause = min(2*pause, retryMost)
	}
}

// watch reads the sheet and acts on what changes, until that ends.
func (o *operation) watch(ctx context.Context, s *seat, side *side) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	rev, err := o.read(ctx, side)
	if err != nil {
		return err
	}
	events := o.desk.conn.Watch(ctx, o.key, clientv3.WithRev(rev+1))
	for {
		again, err := o.act(ctx, s, side)
		if err != nil {
			return err
		}
		timer := time.NewTimer(boottime.Now().Until(again))
		select {
		case <-ctx.Done():
		case <-o.wake:
		case <-timer.C:
			if o.stale(side) {
				_, err = o.read(ctx, side)
			}
		case e, ok := <-events:
			if !ok {
				err = errors.New("the watch ended")
			} else {
				err = o.hear(side, e)
			}
		}
		timer.Stop()
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
	}
}

// stale reports whether the side has less than it wants and has heard nothing for a
// while.
func (o *operation) stale(side *side) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return side.short() && o.refreshed.Until(boottime.Now()) > rereadTime
}

// read reads the sheet, and returns at which revision of etcd.
func (o *operation) read(ctx context.Context, side *side) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, changeTime)
	defer cancel()
	resp, err := o.desk.conn.Read(ctx, o.key)
	if err != nil {
		return 0, err
	}
	return resp.Header.Revision, o.see(side, resp)
}

// see takes the sheet that was read.
func (o *operation) see(side *side, resp *clientv3.GetResponse) error {
	if len(resp.Kvs) == 0 {
		o.learn(side, nil, resp.Header.Revision)
		return nil
	}
	sh, err := decode(resp.Kvs[0].Value)
	if err != nil {
		return err
	}
	o.learn(side, sh, resp.Kvs[0].ModRevision)
	return nil
}

// learn takes a sheet, nil for none, of a revision.
func (o *operation) learn(side *side, sh *sheet, rev int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := boottime.Now()
	side.see(now, sh, rev)
	o.refreshed = now
}

// hear takes the sheets of a watch, of which the last one counts.
func (o *operation) hear(side *side, events clientv3.WatchResponse) error {
	if err := events.Err(); err != nil {
		return err
	}
	for _, e := range events.Events {
		if e.Type == clientv3.EventTypeDelete {
			o.learn(side, nil, e.Kv.ModRevision)
			continue
		}
		sh, err := decode(e.Kv.Value)
		if err != nil {
			return err
		}
		o.learn(side, sh, e.Kv.ModRevision)
	}
	return nil
}

// act changes the sheet for as long as the side has something to change, and returns
// when to look again.
func (o *operation) act(ctx context.Context, s *seat, side *side) (again boottime.Instant, err error) {
	for ctx.Err() == nil {
		if err := o.meet(ctx, side); err != nil {
			return 0, err
		}
		next, again, idle := o.plan(side)
		switch {
		case idle:
			return 0, errIdle
		case next == nil:
			return again, nil
		}
		if err := o.change(ctx, s, side, next); err != nil {
			return 0, err
		}
	}
	return 0, ctx.Err()
}

// meet looks for processes of the sheet that nobody has looked for.
func (o *operation) meet(ctx context.Context, side *side) error {
	o.mu.Lock()
	strangers := o.desk.known.strangers(side.sheet)
	o.mu.Unlock()
	return o.desk.known.look(ctx, strangers)
}

// plan asks the side what to change; who waits hears of what may be used now.
func (o *operation) plan(side *side) (next *sheet, again boottime.Instant, idle bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := boottime.Now()
	if side == o.side {
		side.asking = o.asking
	}
	next, again = side.plan(now, o.desk.known)
	close(o.changed)
	o.changed = make(chan struct{})
	if next == nil && side.idle(now) {
		if o.side == side {
			o.followed = false
		}
		return nil, 0, true
	}
	if next != nil {
		side.wager(next)
	}
	return next, again, false
}

// change makes a change of the sheet, if that is as the side knows it.
func (o *operation) change(ctx context.Context, s *seat, side *side, next *sheet) error {
	ctx, cancel := context.WithTimeout(ctx, changeTime)
	defer cancel()
	rests := clientv3.Compare(clientv3.ModRevision(o.key), "=", side.base())
	resp, err := o.desk.conn.Do(ctx, []clientv3.Cmp{rests, s.fence.Cmp()},
		[]clientv3.Op{clientv3.OpPut(o.key, next.encode())},
		[]clientv3.Op{clientv3.OpGet(o.key), clientv3.OpGet(s.fence.Key, clientv3.WithKeysOnly())})
	if err != nil {
		return err
	}
	if resp.Succeeded {
		o.mu.Lock()
		defer o.mu.Unlock()
		side.settled(boottime.Now(), next, resp.Header.Revision)
		return nil
	}
	o.mu.Lock()
	side.refused()
	o.mu.Unlock()
	own := resp.Responses[1].GetResponseRange()
	if len(own.Kvs) == 0 || own.Kvs[0].CreateRevision != s.fence.Revision {
		go s.lease.Drop() // somebody ended it
		return errUnproven
	}
	got := clientv3.GetResponse(*resp.Responses[0].GetResponseRange())
	got.Header = resp.Header
	return o.see(side, &got)
}

// quiet waits until no call is under way, false where ctx ends before.
func (o *operation) quiet(ctx context.Context) bool {
	for {
		o.mu.Lock()
		flying := o.side != nil && o.side.flying()
		o.mu.Unlock()
		if !flying || ctx.Err() != nil {
			return !flying
		}
		wait(ctx, closeLook)
	}
}

// leave gives back what no call holds any more.
func (o *operation) leave(ctx context.Context, s *seat) {
	o.mu.Lock()
	side := o.side
	ours := o.seat == s && side != nil && side.sheet != nil && side.sheet.part(s.id) != nil
	if ours {
		side.retire()
	}
	o.mu.Unlock()
	if ours {
		_, _ = o.act(ctx, s, side) // otherwise it is free when the others have seen that this process is gone
	}
}
