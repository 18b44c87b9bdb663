package etcdcluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/cluster"
	"weir/sync/etcd"
)

// Claim waits until this command leads all of these accounts, see cluster.Claimer.
func (m *Member) Claim(ctx context.Context, accounts ...string) error {
	if !m.opts.Once {
		return errors.New("only a command claims accounts")
	}
	c := &claim{m: m, wish: cluster.Wish{Member: m.self.ID, Accounts: slices.Compact(slices.Sorted(slices.Values(accounts)))}}
	m.mu.Lock()
	m.claims++
	c.name = fmt.Sprintf("%s-%d", m.self.ID, m.claims)
	m.mu.Unlock()
	if err := c.wait(ctx); err != nil {
		c.takeBack(context.WithoutCancel(ctx))
		return err
	}
	return nil
}

// claim is one that is waited for.
type claim struct {
	m    *Member
	name string
	wish cluster.Wish
	put  *etcd.Lease // on which the wish is
}

func (c *claim) wait(ctx context.Context) error {
	for {
		c.m.mu.Lock()
		changed, lease, over := c.m.changed, c.m.lease, c.m.over
		lacking := c.lacking()
		c.m.mu.Unlock()
		if lacking == "" || over != nil {
			return over
		}
		if lease != nil && lease != c.put {
			if err := c.make(ctx, lease); err != nil && !rest(ctx, c.m.pause()) {
				return c.busy(lacking, err)
			}
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return c.busy(lacking, context.Cause(ctx))
		}
	}
}

// lacking returns an account that this command does not lead yet, "" for none.
func (c *claim) lacking() string {
	for _, account := range c.wish.Accounts {
		if term, _ := c.m.leads(account); term == 0 {
			return account
		}
	}
	return ""
}

// make writes the wish.
func (c *claim) make(ctx context.Context, lease *etcd.Lease) error {
	op := lease.Put(c.m.key(inWish, c.name), asJSON(c.wish))
	resp, err := c.m.conn.Do(ctx, []clientv3.Cmp{c.m.member(lease)}, []clientv3.Op{op}, nil)
	if err != nil {
		return err
	}
	if !resp.Succeeded {
		return errors.New("the lease is gone") // there will be another one
	}
	c.put = lease
	return nil
}

// busy says who has what this command waits for.
func (c *claim) busy(account string, err error) error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	v := c.m.seen()
	b := &cluster.Busy{Account: account, Leader: v.Leaders[account], Err: err}
	if i := slices.IndexFunc(v.Members, func(m cluster.Member) bool { return m.ID == b.Leader.Member }); i >= 0 {
		b.Member = v.Members[i]
	}
	return b
}

// takeBack removes the wish, and what was got by it: nothing was begun yet.
func (c *claim) takeBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	key := c.m.key(inWish, c.name)
	resp, err := c.m.conn.Do(ctx, nil, []clientv3.Op{clientv3.OpDelete(key)}, nil)
	if err != nil {
		return // it is gone with the command
	}
	c.m.mu.Lock()
	c.m.board.wish.away(c.name, resp.Header.Revision)
	terms := map[string]int64{}
	for _, account := range c.wish.Accounts {
		if term := c.m.holds(account); term != 0 {
			c.m.leaving[account], terms[account] = term, term
		}
	}
	c.m.change()
	c.m.mu.Unlock()
	for account, term := range terms {
		_ = c.m.giveUp(ctx, account, etcd.Fence{Key: c.m.key(inLead, account), Revision: term})
	}
}
