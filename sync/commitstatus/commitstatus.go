// Package commitstatus tells a git host what became of a commit: a status
// beside it on GitHub, GitLab and Gitea, a check run on Gitee, which has no
// statuses.
//
// A Reporter takes statuses without blocking and sends them one after the other
// in the background. Of a commit only the newest waits, and what was sent is not
// sent again. A host that cannot answer is tried again with growing pauses, one
// that refuses the token slowly, as a token may be rotated: it is read anew at
// each try. It goes to the configured host alone, and neither logs nor errors
// hold it.
//
// What a state is at each host:
//
//	         GitHub, Gitea  GitLab   Gitee
//	Pending  pending        running  in_progress
//	Success  success        success  completed, success
//	Failure  failure        failed   completed, failure
//	Held     pending        failed   completed, action_required
//
// Held waits for a person. GitLab refuses a status that is to go from pending
// to pending, so the reason would stay that of the first time: it is failed
// there, and its text begins with "held". Gitee wants an address for
// action_required: without Options.Target it is failure there.
//
// The token's rights: GitHub "Commit statuses: write" (classic: repo:status),
// GitLab scope api and the role Developer, Gitea write:repository, Gitee
// projects and the role administrator.
package commitstatus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"regexp"
	"sync"
	"time"

	"weir/sync/delivery"
	"weir/sync/secret"
)

// State is what became of a commit.
type State int

// The states of a commit.
const (
	Pending State = iota + 1 // it is being applied
	Success                  // it is in force
	Failure                  // its documents are refused, or calls failed
	Held                     // it waits for a person: a guard, the history, a signature
)

// String returns the state's name.
func (s State) String() string {
	switch s {
	case Pending:
		return "pending"
	case Success:
		return "success"
	case Failure:
		return "failure"
	case Held:
		return "held"
	}
	return fmt.Sprintf("State(%d)", int(s))
}

// Status is what is said of a commit.
type Status struct {
	Commit string // in full: 40 or 64 hexadecimal digits
	State  State
	Text   string // one line; a longer one is cut to what the host takes
}

// Options says whom to tell, and how.
type Options struct {
	Kind string // "github", "gitlab", "gitea" or "gitee"
	// API is the address of the host's API, "" to derive it from URL. For GitLab
	// and Gitea it is the host's own address, with the path it is served below.
	API        string
	URL        string     // of the repository, as git takes it
	Repository string     // "owner/name", on GitLab also "group/subgroup/name"; "" to derive it from URL
	Token      secret.Ref // read anew at each try
	Name       string     // of the status at the host, default "weir"
	Target     string     // where the status links to, "" for nowhere
	CAFile     string     // certificates that are trusted instead of the system's; read once

	Source    string       // of git, as weir's configuration names it: a label and a log key
	Metrics   *Metrics     // nil: nothing is counted
	Logger    *slog.Logger // nil: none
	Transport http.RoundTripper

	// For tests: a number from 0 to 1.
	random func() float64
}

// Bounds of a Reporter.
const (
	maxWaiting   = 128 // commits
	maxRemember  = 256 // commits whose last status is known
	maxAnswer    = 256 << 10
	maxText      = 4 << 10
	maxName      = 100
	timeout      = 15 * time.Second // of one request
	closeTimeout = 5 * time.Second
)

// Reporter sends statuses to a git host. Its methods may be called at any time
// by any goroutine.
type Reporter struct {
	opt  Options
	log  *slog.Logger
	host host
	ctx  context.Context // ends what is under way
	stop context.CancelFunc
	done chan struct{} // closed when the sender has ended
	wake chan struct{}

	mu      sync.Mutex
	queue   queue
	closing bool
	pace    pace
	unsent  int // statuses that were given up while closing
}

// New returns a Reporter, which sends nothing yet. Close must be called.
func New(opt Options) (*Reporter, error) {
	if opt.Name == "" {
		opt.Name = "weir"
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.random == nil {
		opt.random = rand.Float64
	}
	h, err := newHost(opt)
	if err != nil {
		return nil, fmt.Errorf("commit status: %w", err)
	}
	opt.Metrics.preset(opt.Source)
	ctx, stop := context.WithCancel(context.Background())
	r := &Reporter{
		opt: opt, host: h, ctx: ctx, stop: stop, done: make(chan struct{}), wake: make(chan struct{}, 1),
		log: opt.Logger.With("source", opt.Source, "host", h.place.api.Host), queue: newQueue(),
	}
	go r.run()
	return r, nil
}

var hash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// Report has the status sent soon and never blocks. It replaces one of the same
// commit that still waits; one that equals the last of its commit is not sent.
// Where too many commits wait, the one that waits longest is dropped.
func (r *Reporter) Report(s Status) {
	if !hash.MatchString(s.Commit) || s.State < Pending || s.State > Held {
		r.log.Warn("a commit status is not reported: it names no commit or no state", "state", s.State.String())
		r.opt.Metrics.count(r.opt.Source, failed)
		return
	}
	s.Text = delivery.OneLine(s.Text, maxText) // the host's limit comes after the token is taken out
	if r.put(s) {
		r.opt.Metrics.count(r.opt.Source, failed)
		r.log.Debug("a commit status is dropped: too many wait, or weir stops")
	}
	r.nudge()
}

// put reports whether it had to drop a status.
func (r *Reporter) put(s Status) (dropped bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closing || r.queue.put(s)
}

func (r *Reporter) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Close tries once more to send what waits, for a few seconds at most and no
// longer than ctx, and ends the Reporter. The error says how many statuses were
// not sent.
func (r *Reporter) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closing = true
	r.mu.Unlock()
	r.nudge()
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	select {
	case <-r.done:
	case <-ctx.Done():
	}
	r.stop()
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unsent > 0 {
		return fmt.Errorf("commit status: %w: %d", errUnsent, r.unsent)
	}
	return nil
}

var errUnsent = errors.New("not reported before the end")
