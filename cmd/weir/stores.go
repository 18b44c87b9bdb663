package main

import (
	"context"
	"errors"
	"log/slog"

	"weir/sync/config"
	"weir/sync/etcd"
	"weir/sync/quota/filequota"
	"weir/sync/state"
	"weir/sync/state/etcdstate"
	"weir/sync/state/sqlitestate"
)

// memory is an open state, whatever keeps it. This file alone knows what can.
type memory interface {
	state.Store
	// ID returns the store's identity, which no other store has.
	ID(ctx context.Context) (string, error)
	// Path says where it is, in words for a person.
	Path() string
	// Shut ends the store after the writes that are on their way.
	Shut() error
}

// newcomer is a store that can tell that it is not known where it is.
type newcomer interface {
	// Moved reports whether the store comes from elsewhere.
	Moved() bool
	// Stay makes it known where it is.
	Stay(ctx context.Context) error
}

// opening says how a state is opened.
type opening struct {
	existing bool           // refuses to make one where there is none
	bounds   config.Journal // how much is remembered, zero for the store's own bounds
	fleet    *fleet         // whose connection and fences are used; nil for a connection of its own
	log      *slog.Logger   // may be nil
}

// openMemory opens the state that the configuration names. It must be shut.
func openMemory(ctx context.Context, cfg *config.Config, o opening) (memory, error) {
	if cfg.Etcd != nil {
		return openEtcd(ctx, cfg, o)
	}
	store, err := sqlitestate.Open(ctx, cfg.StatePath, o.sqlite())
	if err != nil {
		return nil, err // and no store that is not there
	}
	return store, nil
}

// openEtcd opens a state in etcd.
func openEtcd(ctx context.Context, cfg *config.Config, o opening) (memory, error) {
	opts := etcdstate.Options{MaxEntries: o.bounds.MaxEntries, MaxAge: o.bounds.MaxAge, Existing: o.existing, Logger: o.log}
	if f := o.fleet; f != nil {
		opts.Fence, opts.FenceMark = f.fence, f.fenceMark
		store, err := etcdstate.Open(ctx, f.conn, opts)
		if err != nil {
			return nil, err
		}
		return store, nil
	}
	conn, err := connect(ctx, cfg, o.log, nil)
	if err != nil {
		return nil, err
	}
	store, err := etcdstate.Open(ctx, conn, opts)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return connected{store, conn}, nil
}

// connected is a state in etcd with a connection of its own.
type connected struct {
	*etcdstate.Store
	conn *etcd.Conn
}

// Shut ends the store, and the connection after it.
func (c connected) Shut() error { return errors.Join(c.Store.Shut(), c.conn.Close()) }

func (o opening) sqlite() sqlitestate.Options {
	return sqlitestate.Options{MaxEntries: o.bounds.MaxEntries, MaxAge: o.bounds.MaxAge, Existing: o.existing}
}

// openMemory opens the state as what this process is: for the daemon with the fences of
// what it leads.
func (b *builder) openMemory(ctx context.Context, cfg *config.Config) (memory, error) {
	if err := b.assemble(ctx, cfg); err != nil {
		return nil, err
	}
	store, err := openMemory(ctx, cfg, opening{bounds: cfg.Journal, fleet: b.fleet, log: b.log})
	if err != nil || !b.keeps {
		return store, err
	}
	if err := inUse(ctx, store); err != nil {
		return nil, errors.Join(err, store.Shut())
	}
	return store, nil
}

// moved reports whether a store comes from elsewhere.
func moved(m memory) bool {
	n, ok := m.(newcomer)
	return ok && n.Moved()
}

// inUse fails where the content of a store was taken elsewhere.
func inUse(ctx context.Context, m memory) error {
	p, ok := m.(state.Porter)
	if !ok {
		return nil
	}
	where, err := p.Retired(ctx)
	if err != nil || where == "" {
		return err
	}
	return &state.Error{
		Fault: state.Moved, Path: m.Path(), Err: errors.New("its content was taken to " + where),
		Advice: "name the other one in the configuration; `weir state migrate --back` opens this one again",
	}
}

// settleIn makes a store that comes from elsewhere known where it is.
func settleIn(ctx context.Context, m memory) error {
	if n, ok := m.(newcomer); ok && n.Moved() {
		return n.Stay(ctx)
	}
	return nil
}

// booksOf returns the folder in which processes of one machine that have one state keep
// what they know together of their calls, "" for none.
func booksOf(cfg *config.Config) string {
	if !filequota.Supported || cfg.Etcd != nil || cfg.StatePath == sqlitestate.Temporary {
		return ""
	}
	return cfg.StatePath + ".quota"
}
