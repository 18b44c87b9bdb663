// Package gitsource reads manifests from a branch, a tag or a commit of a git
// repository over http, https, ssh or git's own protocol.
//
// It keeps one bare mirror, on disk or in memory, and never a worktree: what is
// read are blobs, so no link, submodule or filter of the repository is ever
// acted on. A poll asks for the advertised hash and fetches only when it is
// new. Between two commits only trees that differ are opened and only blobs
// that changed are read. Every object is compared with its hash; a mirror that
// is damaged in any way is thrown away and cloned afresh.
//
// The remote is not trusted. Its bytes, objects, names, depth and time are
// limited, other hosts are not followed, and credentials go only to the one
// that was configured; over ssh only once the host showed a key that the
// known_hosts file has. Neither an agent's keys nor those of ~/.ssh are used.
//
// A head that does not descend from the accepted commit is held, with both
// hashes in the error, until Accept or until the commit that Options.Accepted
// returns is that head. Of versions a higher one is news, not a rewrite. Where
// Options.Verify asks for a signature, a head without a good one is never
// accepted, whoever consents to it.
package gitsource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"weir/sync/source"
)

// Options says what to read, from where, and how.
type Options struct {
	Name   string // of the source, in weir's config
	URL    string // http, https, ssh or git, or user@host:path; without a password
	Branch string // one of Branch, Tag, Semver and Commit; or a whole name, as in refs/pull/1/head
	Tag    string
	Semver string // range of versions; the highest tag in it is read
	Commit string // 40 hex digits
	Path   string // folder of the manifests in the repository, default the root
	Mirror string // folder of the mirror, weir's own; in memory where it is empty

	Interval time.Duration // between two polls, default 1 min
	Timeout  time.Duration // of one operation at the remote, default 60 s
	Limits   Limits        // zero fields have their default
	Auth     Auth
	Verify   Verify
	// FollowRewrites takes a branch as it is, whatever became of its history.
	FollowRewrites bool

	// Accepted returns the commit that was accepted last, "" for none; it is
	// asked before each change, so that another process can accept a rewrite.
	// Remember stores a commit before Next returns it. Without both, the mirror
	// remembers.
	Accepted func(context.Context) (string, error)
	Remember func(context.Context, string) error
	// Held is told which head waits for consent to its history, and "" once none
	// does: at the first success, and then at each change. It may be nil.
	Held func(context.Context, string) error

	Logger *slog.Logger // default: none

	// For tests: the bounds of the back-off, the least time between two looks
	// that were asked for by Poke, and a number from 0 to 1.
	retryFirst, retryMost, gap time.Duration
	random                     func() float64
	now                        func() time.Time // when signatures are judged
	// For tests: an answer is too slow where fewer than slowRate bytes a second
	// arrive in a slowWindow.
	slowWindow time.Duration
	slowRate   int64
}

// Limits bounds what a revision may be and what a fetch may take in.
type Limits struct {
	FetchBytes  int64 // of one operation at the remote, default 256 MiB
	ObjectBytes int64 // of any object, inflated, default 64 MiB
	FileBytes   int64 // of one manifest, default 1 MiB
	TotalBytes  int64 // of all manifests, default 64 MiB
	Files       int   // manifests, default 50,000; of names of any kind ten times as many
	Depth       int   // folders within each other, default 64
}

// Source is a git repository. Next must not be called by two goroutines at
// once; everything else may be called at any time.
type Source struct {
	opt    Options
	remote *remote
	poked  chan struct{}
	done   context.Context
	stop   context.CancelFunc

	checked atomic.Int64 // when a look went well last, in nanoseconds
	tracer  *tracer

	// use is held by whoever uses the mirror, but never while the remote or the
	// store of accepted commits is waited for. What it guards is changed by Next
	// only, and by At where it opens the mirror.
	use     lock
	claimed bool
	mirror  *mirror
	last    *revision // the last one that counted
	spoiled bool      // the mirror on disk is damaged
	anchor  plumbing.Hash
	sought  plumbing.Hash // the accepted commit that the remote was asked for
	told    *string       // what Held was told last, nil for nothing

	next   sync.Mutex // held by Next
	held   held       // the last head that was refused for its history
	pace   pace
	owed   error // of a look whose place the standing revision took
	failed bool  // Next returned an error that was not overcome since

	accept  sync.Mutex
	allowed plumbing.Hash
}

var (
	_ source.Source  = (*Source)(nil)
	_ source.History = (*Source)(nil)
	_ source.Watched = (*Source)(nil)
)

// New returns the source. Nothing is asked of the remote yet, and the mirror is
// not touched: another source on it may be open until Next or At is called.
func New(opt Options) (*Source, error) {
	opt.fill()
	if err := opt.check(); err != nil {
		return nil, err
	}
	at, err := opt.endpoint()
	if err != nil {
		return nil, err
	}
	if err := ours(opt.Mirror); err != nil {
		return nil, fmt.Errorf("source %s: mirror: %w", opt.Name, err)
	}
	done, stop := context.WithCancel(context.Background())
	s := &Source{opt: opt, remote: newRemote(at, opt), poked: make(chan struct{}, 1), done: done, stop: stop, use: newLock()}
	s.pace.opt = &s.opt
	s.tracer = newTracer(s.opt.Path, s.opt.Limits, s.with)
	return s, nil
}

// Close ends a Next under way, which returns os.ErrClosed, and waits for it.
func (s *Source) Close() error {
	s.stop()
	s.next.Lock()
	defer s.next.Unlock()
	s.remote.close()
	s.use.Lock()
	defer s.use.Unlock()
	m := s.mirror
	s.mirror = nil
	return m.close()
}

// Poke asks for a look soon. Several at once are one.
func (s *Source) Poke() {
	select {
	case s.poked <- struct{}{}:
	default:
	}
}

// Accept lets the branch be at the commit given though it does not follow the
// accepted one, and looks at once. The hash is that of the error, in full.
func (s *Source) Accept(hash string) error {
	if !plumbing.IsHash(hash) {
		return errors.New("a commit's hash has 40 hexadecimal digits")
	}
	s.accept.Lock()
	s.allowed = plumbing.NewHash(hash)
	s.accept.Unlock()
	s.Poke()
	return nil
}

func (s *Source) allows(hash plumbing.Hash) bool {
	s.accept.Lock()
	defer s.accept.Unlock()
	return s.allowed == hash
}

func (o *Options) check() error {
	chosen := 0
	for _, ref := range []string{o.Branch, o.Tag, o.Semver, o.Commit} {
		if ref != "" {
			chosen++
		}
	}
	switch {
	case o.Name == "":
		return errors.New("git source: name is required")
	case chosen != 1:
		return fmt.Errorf("source %s: one of branch, tag, semver and commit is required", o.Name)
	case o.Commit != "" && !plumbing.IsHash(o.Commit):
		return fmt.Errorf("source %s: commit must have 40 hexadecimal digits", o.Name)
	case o.Path != "." && (path.IsAbs(o.Path) || strings.HasPrefix(o.Path, "..")):
		return fmt.Errorf("source %s: path must be a folder of the repository", o.Name)
	case min(o.Interval, o.Timeout) < 0:
		return fmt.Errorf("source %s: interval and timeout must not be negative", o.Name)
	}
	return errors.Join(o.checkVersions(), o.checkLimits())
}

func (o *Options) checkLimits() error {
	l := o.Limits
	if min(l.FetchBytes, l.ObjectBytes, l.FileBytes, l.TotalBytes) < 0 || min(l.Files, l.Depth) < 0 {
		return fmt.Errorf("source %s: limits must not be negative", o.Name)
	}
	return nil
}

func (o *Options) fill() {
	o.Path = path.Clean(strings.Trim(o.Path, "/"))
	set(&o.Interval, time.Minute)
	set(&o.Timeout, time.Minute)
	set(&o.Limits.FetchBytes, 256<<20)
	set(&o.Limits.ObjectBytes, 64<<20)
	set(&o.Limits.FileBytes, 1<<20)
	set(&o.Limits.TotalBytes, 64<<20)
	set(&o.Limits.Files, 50_000)
	set(&o.Limits.Depth, 64)
	set(&o.retryFirst, 5*time.Second)
	set(&o.retryMost, 5*time.Minute)
	set(&o.gap, 5*time.Second)
	set(&o.slowWindow, 30*time.Second)
	set(&o.slowRate, 1<<10)
	if o.random == nil {
		o.random = rand.Float64
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

func set[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
