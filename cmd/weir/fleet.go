package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weir/sync/call"
	"weir/sync/cluster"
	"weir/sync/cluster/etcdcluster"
	"weir/sync/config"
	"weir/sync/daemon"
	"weir/sync/etcd"
	"weir/sync/quota/etcdquota"
	"weir/sync/reconcile"
	"weir/sync/state"
	"weir/sync/state/etcdstate"
)

// leaveTime bounds the leaving of a cluster: what is not given back by then is free a
// lease later.
const leaveTime = 3 * time.Second

// fleet is what this process has in etcd in common with others: one connection, its
// place among those that share quotas, and, where it may call to change anything, what
// it leads. It stays while the configuration is read anew.
type fleet struct {
	cfg    *config.Config // as it was when the connection was made
	log    *slog.Logger
	conn   *etcd.Conn
	desk   *etcdquota.Desk                    // nil until a quota is shared
	member atomic.Pointer[etcdcluster.Member] // nil for who leads nothing
	claims atomic.Pointer[[]string]           // the accounts of a command, nil for a daemon: all
	asked  daemon.Member                      // who answers the others
	voice  *cluster.Voice                     // nil for who tells all that it knows
}

// connect connects to the etcd that cfg names. Its error is a *state.Error.
func connect(ctx context.Context, cfg *config.Config, log *slog.Logger, metrics *etcd.Metrics) (*etcd.Conn, error) {
	e := cfg.Etcd
	conn, err := etcd.Open(ctx, etcd.Options{
		Endpoints: e.Endpoints, Prefix: e.Prefix, User: e.User, Logger: log, Metrics: metrics,
		TLS: etcd.TLS{CAFile: e.CAFile, CertFile: e.CertFile, KeyFile: e.KeyFile, ServerName: e.ServerName},
		Password: func() (string, error) {
			s, err := e.Password.Read()
			return s.Reveal(), err
		},
	})
	if err == nil || ctx.Err() != nil {
		return conn, err
	}
	const majority = "weir needs a majority of etcd's members"
	trouble := &state.Error{Fault: state.Unusable, Path: locationOf(cfg), Err: err, Advice: majority}
	if etcd.TroubleOf(err) == etcd.Refused {
		trouble.Advice = "look at state.etcd's user, password and certificates, and at what the user may do under the prefix"
	}
	return nil, trouble
}

// locationOf says where the state of a configuration is, in words for a person.
func locationOf(cfg *config.Config) string {
	if cfg.Etcd == nil {
		return cfg.StatePath
	}
	return "etcd " + cfg.Etcd.Endpoints[0] + cfg.Etcd.Prefix
}

// assemble connects a builder to what it has in common with others, where the
// configuration has the state in etcd. Once it has, another place takes a restart.
func (b *builder) assemble(ctx context.Context, cfg *config.Config) error {
	if b.settled != nil {
		if !reflect.DeepEqual(b.settled.Etcd, cfg.Etcd) {
			return errors.New("another etcd, or another way to it, takes a restart: who leads what is known by the one of now")
		}
		if b.settled.Cluster != cfg.Cluster {
			b.log.Warn("what cluster says in the configuration takes a restart")
		}
		return nil
	}
	if cfg.Etcd == nil {
		b.settled = cfg
		return nil
	}
	conn, err := connect(ctx, cfg, b.log, b.stores)
	if err != nil {
		return err
	}
	f := &fleet{cfg: cfg, log: b.log, conn: conn}
	if b.resident && !b.dryRun {
		if err := f.join(ctx, joining{command: "run"}); err != nil {
			return errors.Join(err, f.leave(ctx))
		}
	}
	b.fleet, b.settled = f, cfg
	return nil
}

// joining says as what a process becomes a member.
type joining struct {
	command string
	once    bool
}

// join makes this process a member of the cluster.
func (f *fleet) join(ctx context.Context, as joining) error {
	c := f.cfg.Cluster
	name := c.Name
	if name == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("the host has no name that others could know it by; set cluster.name: %w", err)
		}
		name = host
	}
	opts := etcdcluster.Options{
		Name: name, Process: fmt.Sprintf("weir %s (process %d)", as.command, os.Getpid()), Version: version().Version,
		Address: c.Address, Format: etcdstate.Format(), Lease: c.Lease, Once: as.once, Logger: f.log,
	}
	if !as.once {
		opts.Idle, opts.Heard = f.asked.Idle, f.asked.Heard
	}
	m, err := etcdcluster.Join(ctx, f.conn, opts)
	if err != nil {
		return err
	}
	f.member.Store(m)
	if !as.once {
		f.voice = cluster.NewVoice(m, c.Lease)
	}
	return nil
}

// share returns the quota of an account.
func (f *fleet) share(account string) call.Shared {
	if f.desk == nil {
		f.desk = etcdquota.New(f.conn, f.cfg.Cluster.Lease, f.log)
	}
	return f.desk.Share(account)
}

// Left returns for how long nobody else may change anything in an account: nothing for
// who leads none.
func (f *fleet) Left(account string) time.Duration {
	if m := f.member.Load(); m != nil {
		return m.Left(account)
	}
	return 0
}

// fence is what a write about an account rests on. Who leads nothing writes down reads
// alone, which rest on nothing; so does a command about accounts that it has not asked for.
func (f *fleet) fence(account string) (etcd.Fence, bool) {
	m := f.member.Load()
	if m == nil {
		return etcd.Fence{}, true
	}
	if claims := f.claims.Load(); claims != nil && !slices.Contains(*claims, account) {
		return etcd.Fence{}, true
	}
	return m.Fence(account)
}

// fenceMark is what a mark rests on: of a source those that its leader writes for all.
func (f *fleet) fenceMark(m state.Mark) (etcd.Fence, bool) {
	switch m.Role {
	case state.Accepted, state.Held, state.InForce, state.Former:
	default:
		return etcd.Fence{}, true
	}
	if member := f.member.Load(); member != nil && f.claims.Load() == nil {
		return member.Fence(cluster.Sources)
	}
	return etcd.Fence{}, true
}

// leadsSources reports whether this process says for all what becomes of sources.
func (b *builder) leadsSources() bool {
	if b.fleet == nil || !b.resident {
		return true
	}
	m := b.fleet.member.Load()
	return m != nil && m.Term(cluster.Sources) != 0
}

// cluster returns what the loop asks who leads what, nil where it is alone. A command
// leads what it claims, and its loop need not know.
func (f *fleet) cluster() cluster.Cluster {
	if f == nil || f.claims.Load() != nil {
		return nil
	}
	if m := f.member.Load(); m != nil {
		return m
	}
	return nil
}

// raise brings the store to the newest format that all members write, whenever one has
// come or gone, until ctx ends.
func (f *fleet) raise(ctx context.Context, store *etcdstate.Store) {
	m := f.member.Load()
	for ctx.Err() == nil {
		changed := m.Changed()
		if err := store.Upgrade(ctx, leastFormat(m.View().Members)); err != nil && ctx.Err() == nil {
			f.log.Warn("the state stays in the format that it has", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

// leastFormat returns the newest format that all members write.
func leastFormat(members []cluster.Member) int {
	least := etcdstate.Format()
	for _, m := range members {
		least = min(least, m.Format)
	}
	return least
}

// answering returns who answers the others of a cluster, nil where there are none.
func (f *fleet) answering() *daemon.Member {
	if f == nil {
		return nil
	}
	return &f.asked
}

// speaker returns what decides who tells people and git hosts, nil for this process.
func (b *builder) speaker() *cluster.Voice {
	if b.fleet == nil {
		return nil
	}
	return b.fleet.voice
}

// beside adds to what runs beside the loop what a member does for the store.
func (b *builder) beside(
	store memory, others func(context.Context, func() reconcile.Status),
) func(context.Context, func() reconcile.Status) {
	kept, ok := store.(*etcdstate.Store)
	if !ok || b.fleet.cluster() == nil {
		return others
	}
	return func(ctx context.Context, status func() reconcile.Status) {
		var all sync.WaitGroup
		all.Go(func() { b.fleet.raise(ctx, kept) })
		all.Go(func() { b.fleet.voice.Listen(ctx) })
		if others != nil {
			all.Go(func() { others(ctx, status) })
		}
		all.Wait()
	}
}

// mandated lets calls that change something out only while this process leads their
// account, where several processes could; reads while it has the slots that they take.
func (b *builder) mandated(cfg *config.Config, client call.Caller) call.Caller {
	if b.fleet == nil {
		return client
	}
	least := call.Least(cfg.Cluster.Lease)
	reads, writes := call.WhileMandated(client, nil, least), call.WhileMandated(client, b.fleet, least)
	if b.fleet.cluster() != nil {
		reads = writes // a daemon observes what it leads
	}
	return call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
		if req.Write {
			return writes.Call(ctx, req)
		}
		return reads.Call(ctx, req)
	})
}

// leave gives up what this process leads, and its parts of quotas, and disconnects.
func (f *fleet) leave(ctx context.Context) error {
	if f == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	var err error
	if m := f.member.Load(); m != nil {
		err = m.Close(ctx)
	}
	if f.desk != nil {
		err = errors.Join(err, f.desk.Close(ctx))
	}
	return errors.Join(err, f.conn.Close())
}
