package main

import (
	"context"
	"errors"

	"weir/sync/config"
	"weir/sync/quota/filequota"
	"weir/sync/state"
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
}

// openMemory opens the state that the configuration names. It must be shut.
func openMemory(ctx context.Context, cfg *config.Config, o opening) (memory, error) {
	if cfg.Etcd != nil {
		return nil, errors.New("this weir cannot keep its state in etcd yet; name state.sqlite.path")
	}
	store, err := sqlitestate.Open(ctx, cfg.StatePath, o.sqlite())
	if err != nil {
		return nil, err // and no store that is not there
	}
	return store, nil
}

func (o opening) sqlite() sqlitestate.Options {
	return sqlitestate.Options{MaxEntries: o.bounds.MaxEntries, MaxAge: o.bounds.MaxAge, Existing: o.existing}
}

// moved reports whether a store comes from elsewhere.
func moved(m memory) bool {
	n, ok := m.(newcomer)
	return ok && n.Moved()
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
	if !filequota.Supported || cfg.StatePath == sqlitestate.Temporary {
		return ""
	}
	return cfg.StatePath + ".quota"
}
