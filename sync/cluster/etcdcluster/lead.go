package etcdcluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/cluster"
	"weir/sync/etcd"
)

// batch is how many accounts are taken by one request: etcd allows 128 operations in
// one transaction, those within others counted with the widest.
const batch = 60

// together is for how long what comes after something else is waited for, to be
// decided at once: a thousand accounts may change hands within a second.
const together = 5 * time.Millisecond

// enter gets a lease and makes this process a member by it.
func (m *Member) enter(ctx context.Context) error {
	lease, err := m.conn.Grant(ctx, m.opts.Lease)
	if err != nil {
		return err
	}
	m.mu.Lock()
	op, accounts := m.announce(lease), m.self.Accounts
	m.mu.Unlock()
	if _, err := m.conn.Do(ctx, nil, []clientv3.Op{op}, nil); err != nil {
		lease.Drop()
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lease, m.lost, m.announced, m.leaving = lease, "", accounts, map[string]int64{}
	m.change()
	return nil
}

// announce writes what this process is as a member.
func (m *Member) announce(lease *etcd.Lease) clientv3.Op {
	return lease.Put(m.key(inMembers, m.self.ID), asJSON(m.self))
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs
	}
	return string(text)
}

// stay is a member until ctx ends, with a new lease whenever one is lost.
func (m *Member) stay(ctx context.Context) {
	for m.serve(ctx) {
		if !m.enterAgain(ctx) {
			return
		}
	}
}

// serve does what is decided while the lease lasts, and reports whether another one is
// to be got.
func (m *Member) serve(ctx context.Context) bool {
	for {
		again := m.act(ctx)
		if !rest(ctx, together) {
			return false
		}
		t := time.NewTimer(again)
		select {
		case <-ctx.Done():
			t.Stop()
			return false
		case <-m.lease.Lost():
			t.Stop()
			return ctx.Err() == nil
		case <-m.nudge:
		case <-t.C:
		}
		t.Stop()
		if m.ended(nil) {
			m.lease.Drop()
			return false
		}
	}
}

// enterAgain gets a new lease after the old one was lost. What hangs on the old one is
// gone before: it was led by this process, and others wait for it.
func (m *Member) enterAgain(ctx context.Context) bool {
	m.mu.Lock()
	old := m.lease
	m.lease, m.announced = nil, nil
	m.lost = "its lease was lost at " + time.Now().UTC().Format(time.RFC3339) + ", it leads nothing until it has another"
	m.log.Warn("the lease in etcd was lost, nothing is led until there is another one")
	m.change()
	m.mu.Unlock()
	for {
		err := old.Release(ctx)
		if err == nil {
			err = m.enter(ctx)
		}
		if err == nil {
			m.log.Info("there is a lease in etcd again")
			return true
		}
		if m.ended(err) || !rest(ctx, m.pause()) {
			return false
		}
	}
}

// act does what is to be done now, and returns when that may be otherwise by time
// alone.
func (m *Member) act(ctx context.Context) time.Duration {
	again, err := m.tryAct(ctx)
	if err != nil {
		m.ended(err)
		return m.pause()
	}
	if again == 0 {
		return m.opts.Lease
	}
	return again
}

func (m *Member) tryAct(ctx context.Context) (time.Duration, error) {
	if err := m.say(ctx); err != nil {
		return 0, err
	}
	d, wishes := m.decide()
	m.handOver(ctx, d.Give)
	for some := range slices.Chunk(d.Take, batch) {
		if err := m.take(ctx, some, wishes); err != nil {
			return 0, err
		}
	}
	return d.Again, nil
}

// say tells the others what this process can lead, where that has changed.
func (m *Member) say(ctx context.Context) error {
	m.mu.Lock()
	op, accounts := m.announce(m.lease), m.self.Accounts
	told := slices.Equal(m.announced, accounts)
	m.mu.Unlock()
	if told {
		return nil
	}
	resp, err := m.conn.Do(ctx, []clientv3.Cmp{m.member(m.lease)}, []clientv3.Op{op}, nil)
	if err != nil || !resp.Succeeded { // where the lease is gone, that will be noticed
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.announced = accounts
	return nil
}

// decide returns what to do, and the revision up to which all wishes are known.
// Nothing is moved for the sake of what may be long past. Who asks for the term before a
// call does not wait until it is decided.
func (m *Member) decide() (cluster.Decision, int64) {
	m.mu.Lock()
	maps.DeleteFunc(m.leaving, func(account string, term int64) bool { return m.holds(account) != term })
	view, wishes, known := m.seen(), m.board.inTurn(), m.board.wishes
	closed, late := m.closed, m.late != ""
	m.mu.Unlock()
	if closed {
		return cluster.Decision{}, known
	}
	d := m.judge.Decide(view, wishes, time.Now())
	if late {
		d.Give = nil
	}
	return d, known
}

// take takes those of some accounts that nobody leads, if all wishes are known.
func (m *Member) take(ctx context.Context, accounts []string, wishes int64) error {
	var ops []clientv3.Op
	now := time.Now().UTC()
	for _, account := range accounts {
		key := m.key(inLead, account)
		value := asJSON(cluster.Leader{Account: account, Member: m.self.ID, Name: m.self.Name, Since: now})
		absent := clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
		ops = append(ops, clientv3.OpTxn([]clientv3.Cmp{absent}, []clientv3.Op{m.lease.Put(key, value)}, nil))
	}
	known := clientv3.Compare(clientv3.ModRevision(m.conn.Key(inWish, "")), "<", wishes+1).WithPrefix()
	resp, err := m.conn.Do(ctx, []clientv3.Cmp{m.member(m.lease), known}, ops, nil)
	if err != nil || !resp.Succeeded {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	revision := resp.Header.Revision
	var got []string
	for i, account := range accounts {
		if !resp.Responses[i].GetResponseTxn().Succeeded {
			continue
		}
		m.board.lead.put(account, held[cluster.Leader]{
			created: revision, written: revision, lease: m.lease.ID(),
			value: cluster.Leader{Account: account, Member: m.self.ID, Name: m.self.Name, Since: now, Term: revision},
		})
		got = append(got, account)
	}
	if len(got) > 0 {
		m.log.Info("leads accounts", "accounts", len(got), "which", some(got), "term", revision)
		m.change()
	}
	return nil
}

// some is the first of names, for a log.
func some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// handOver gives accounts up, each when nothing of it is under way any more.
func (m *Member) handOver(ctx context.Context, accounts []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	accounts = slices.DeleteFunc(accounts, func(account string) bool {
		term := m.holds(account)
		return term == 0 || m.leaving[account] == term
	})
	if len(accounts) == 0 {
		return
	}
	left := m.lease.Left() // what has begun before was to end within it
	for _, account := range accounts {
		fence := etcd.Fence{Key: m.key(inLead, account), Revision: m.holds(account)}
		m.leaving[account] = fence.Revision
		m.under.Go(func() { m.leave(ctx, account, fence, left) })
	}
	m.log.Info("hands accounts over", "accounts", len(accounts), "which", some(accounts))
	m.change()
}

// leave gives an account up when nothing of it is under way any more, which takes no
// longer than a time.
func (m *Member) leave(ctx context.Context, account string, fence etcd.Fence, most time.Duration) {
	idle, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if m.opts.Idle != nil {
		m.opts.Idle(idle, account)
	} else {
		<-idle.Done()
	}
	for m.giveUp(ctx, account, fence) != nil && rest(ctx, m.pause()) {
		continue
	}
}

// giveUp removes the key of an account.
func (m *Member) giveUp(ctx context.Context, account string, fence etcd.Fence) error {
	if ctx.Err() != nil {
		return nil // Close does
	}
	resp, err := m.conn.Do(ctx, []clientv3.Cmp{fence.Cmp()}, []clientv3.Op{clientv3.OpDelete(fence.Key)}, nil)
	if err != nil {
		if m.ended(err) {
			return nil
		}
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if resp.Succeeded {
		m.board.lead.away(account, resp.Header.Revision)
	}
	m.change()
	return nil
}
