// Package etcdstate keeps weir's memory in etcd, for the daemons of a cluster. Every
// write is one transaction of etcd, durable when it returns, that holds only while
// what it rests on is as it was read: a key that another process wrote meanwhile, a
// fence, the format, the batch described below.
//
// What is kept where, beneath the prefix:
//
//	format                          format, identity, etcd's own identity, who wrote it (JSON)
//	rec/<account>/<kind>/<key>      a record
//	act/<account>/<kind>/<key>/<name>
//	mark/<source>/<role>, consent/<plan>, claim/<name>
//	tick/records, tick/marks, tick/consents, tick/posts
//	                                written with what they are named after; of records
//	                                with the IDs that were written
//	batch                           a Save too large for a transaction that counts, and is
//	                                not yet in its place
//	staged/<batch>                  one that is being written, on its writer's lease
//	chunk/<batch>/<n>               its records
//	journal/head                    the greatest number and the ends of both chains
//	journal/writes/<number>, journal/reads/<number>
//	                                an entry with its links
//	journal/orphan/<chain>/<place>  a link that no entry has
//	journal/anchor/<chain>          where a chain begins
//	journal/block/<chain>/<n>       what the entries of a block are about, for queries
//	post/seen/<account>/<kind>/<key>
//	                                what was seen of a resource, its slot, and when that
//	                                was first seen
//	post/times/<account>/<page>     when the resources of a page's slots were seen last
//	post/sheet/<account>            written with each post of an account
//
// Parts of a key are escaped as etcd.Escape does, but a record's, whose ID reads back
// from its text. etcd's order is not resource.Compare's, since some characters sort
// before the slash: what is read is put in order afterwards.
//
// A value is the layout it has (a byte), a CRC-32C over its key beneath the prefix and
// the rest, and its fields (codec.go). One that does not hold is the fault Damaged, and
// names the key.
//
// A Save of more than a transaction may hold is staged in chunks, then committed by the
// key batch, and then folded into the records. From the commit on it counts: who reads
// lays it over the records, who writes folds it first. What a dead process has staged and
// not committed nobody sees, and the next large Save sweeps it away.
//
// Nobody knows what became of a request without an answer. It is made again, and holds
// only if the first one did not: every transaction is conditional on what it writes, and
// what a process must know as its own (an act, a claim, a consent's use, an entry)
// carries a random number.
package etcdstate

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/etcd"
	"weir/sync/state"
)

// The defaults of Options. etcd's own default is to hold 2 GiB.
const (
	DefaultMaxEntries = 200_000
	DefaultMaxReads   = 50_000
)

// How long a request is made again while no member answers: a write for longer than etcd
// takes to elect another leader, but not once that was in vain; a read for less, since who
// asks can ask again.
const (
	patience = 10 * time.Second
	askedFor = 2 * time.Second
)

// Options are the limits of a store; the zero value is right for most uses.
type Options struct {
	// MaxEntries bounds the journal's calls that write: entries older than the newest
	// MaxEntries are removed, some at a time. 0 for DefaultMaxEntries.
	MaxEntries int64
	// MaxReads bounds those that read in the same way. 0 for DefaultMaxReads, or
	// MaxEntries where that is less.
	MaxReads int64
	// MaxAge bounds the age of entries. 0 for no bound.
	MaxAge time.Duration
	// Fence says what a write of an account rests on; false refuses it with the fault
	// Fenced. The zero Fence with true is none. nil for none ever.
	Fence func(account string) (etcd.Fence, bool)
	// FenceMark is the same for a mark. nil for none ever.
	FenceMark func(m state.Mark) (etcd.Fence, bool)
	// Existing refuses to make a store where there is none, with an error that is
	// fs.ErrNotExist.
	Existing bool
	// PostEvery is how often the times of what was seen again unchanged are posted. 0
	// for DefaultPostEvery.
	PostEvery time.Duration
	// Logger may be nil.
	Logger *slog.Logger
}

// complete fills in the defaults and refuses what makes no sense.
func (o Options) complete() (Options, error) {
	if o.MaxEntries < 0 || o.MaxReads < 0 || o.MaxAge < 0 || o.PostEvery < 0 {
		return o, errors.New("etcd state: MaxEntries, MaxReads, MaxAge and PostEvery cannot be negative")
	}
	if o.MaxEntries == 0 {
		o.MaxEntries = DefaultMaxEntries
	}
	if o.MaxReads == 0 {
		o.MaxReads = min(DefaultMaxReads, o.MaxEntries)
	}
	if o.PostEvery == 0 {
		o.PostEvery = DefaultPostEvery
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// Store is a state.Store in etcd. It must be shut.
type Store struct {
	conn    *etcd.Conn
	path    string
	options Options
	formats []format
	process string // who writes, for people

	gate     atomic.Pointer[gate]
	revision atomic.Int64  // greatest that any answer had
	cluster  atomic.Uint64 // etcd's identity, as the last answer has it
	away     atomic.Bool   // it was waited for in vain, and has not answered since

	run     context.Context // until Shut
	stop    context.CancelFunc
	workers sync.WaitGroup
	end     sync.Once

	written *follower // of tick/records
	journal *journal
	tended  *tender
	board   *board
	posted  *posted
}

var (
	_ state.Store   = (*Store)(nil)
	_ state.Board   = (*Store)(nil)
	_ state.Watcher = (*Store)(nil)
	_ state.Porter  = (*Store)(nil)
)

// Open opens the store under the connection's prefix, and makes one where there is none.
// Trouble is a *state.Error that says what to do. The connection stays its opener's, who
// closes it after Shut.
func Open(ctx context.Context, conn *etcd.Conn, o Options) (*Store, error) {
	return open(ctx, conn, o, formats())
}

func open(ctx context.Context, conn *etcd.Conn, o Options, formats []format) (*Store, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	s := &Store{
		conn: conn, path: pathOf(conn), options: o, formats: formats, process: fmt.Sprintf("%s:%d", host, os.Getpid()),
	}
	s.run, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.enter(ctx); err != nil {
		s.stop()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no state at %s: nothing was applied yet: %w", s.path, err)
		}
		return nil, s.fault(ctx, err)
	}
	s.written, s.journal = newFollower(s, s.key(tickRecords)), newJournal(s)
	s.tended = newTender(s)
	s.board, s.posted = newBoard(s), newPosted(s)
	return s, nil
}

// pathOf names the store for people, as "etcd https://host:2379/weir/".
func pathOf(conn *etcd.Conn) string {
	at := ""
	if endpoints := conn.Endpoints(); len(endpoints) > 0 {
		at = endpoints[0]
	}
	return "etcd " + at + conn.Prefix()
}

// Path returns where the store is, as "etcd https://host:2379/weir/".
func (s *Store) Path() string { return s.path }

// Shut ends what the store does beside its methods, after what is on its way. It may be
// called more than once. (Close is the journal's.)
func (s *Store) Shut() error {
	s.end.Do(func() {
		s.stop()
		s.workers.Wait()
	})
	return nil
}

// aside runs f beside the methods, until Shut.
func (s *Store) aside(f func(ctx context.Context)) {
	s.workers.Go(func() { f(s.run) })
}

// shut fails where the store is used after its end.
func (s *Store) shut() error {
	if s.run.Err() != nil {
		return faulty(state.Closed, errors.New("the store is closed"))
	}
	return nil
}

// note takes over what an answer says of etcd itself.
func (s *Store) note(cluster uint64, revision int64) error {
	for seen := s.revision.Load(); revision > seen; seen = s.revision.Load() {
		if s.revision.CompareAndSwap(seen, revision) {
			break
		}
	}
	s.cluster.Store(cluster)
	s.away.Store(false)
	if g := s.gate.Load(); g != nil && g.cluster() != cluster {
		return swapped(g.Cluster, clusterText(cluster))
	}
	return nil
}

// do carries out a transaction. Its error may mean that nobody knows whether it was
// carried out, see lost.
func (s *Store) do(ctx context.Context, when []clientv3.Cmp, then, otherwise []clientv3.Op) (*clientv3.TxnResponse, error) {
	resp, err := s.conn.Do(ctx, when, then, otherwise)
	if err != nil {
		return nil, err
	}
	return resp, s.note(resp.Header.ClusterId, resp.Header.Revision)
}

// ask reads several things at one moment. It is asked again where there was no answer.
func (s *Store) ask(ctx context.Context, gets ...clientv3.Op) (*clientv3.TxnResponse, error) {
	p := pause{s: s, most: askedFor}
	for {
		resp, err := s.do(ctx, nil, gets, nil)
		if !lost(err) || !p.wait(ctx) {
			return resp, err
		}
	}
}

// nonce is a random number by which a process knows what it wrote itself.
func nonce() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return int64(binary.BigEndian.Uint64(b[:])) //nolint:gosec // any will do
}
