// Package notify tells whoever wants to know what a person should look at: each
// event is a CloudEvent 1.0 in structured mode, POSTed to one address.
//
// A Notifier takes events without blocking and sends them one after the other in
// the background. What cannot be delivered is tried again with growing pauses,
// for at most patience, under the same id, so that a receiver can tell a second
// copy; of too many that wait the oldest is dropped. The header X-Signature-256
// is "sha256=" and the hexadecimal HMAC-SHA256 of the body. The secret is read
// anew at each try and appears in no log.
package notify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"weir/sync/secret"
)

// The types of events.
const (
	PlanHeld = "weir.plan.held"      // a guard holds a plan
	Fight    = "weir.resource.fight" // weir has stopped putting a resource back
)

// Event is what is told.
type Event struct {
	Type    string // PlanHeld or Fight
	Subject string // what it is about, such as a plan's hash; may be ""
	Data    any    // is encoded as JSON
}

// Options says whom to tell. URL and Secret are required.
type Options struct {
	URL       string     // https, or http to this machine
	Secret    secret.Ref // that events are signed with
	Source    string     // of the events, a URI reference
	Metrics   *Metrics   // nil: nothing is counted
	Logger    *slog.Logger
	Transport http.RoundTripper // nil for the network

	// For tests: a number from 0 to 1.
	random func() float64
}

// Bounds of a Notifier.
const (
	maxWaiting   = 100 // events
	maxBody      = 256 << 10
	maxAnswer    = 16 << 10
	timeout      = 15 * time.Second // of one request
	patience     = time.Hour        // with one event
	closeTimeout = 5 * time.Second
)

// envelope is a CloudEvent 1.0.
type envelope struct {
	SpecVersion string    `json:"specversion"`
	ID          string    `json:"id"`
	Source      string    `json:"source"`
	Type        string    `json:"type"`
	Time        time.Time `json:"time"`
	Subject     string    `json:"subject,omitempty"`
	ContentType string    `json:"datacontenttype"`
	Data        any       `json:"data"`
}

// Notifier sends events. Its methods may be called at any time by any goroutine.
type Notifier struct {
	opt    Options
	url    *url.URL
	client *http.Client
	ctx    context.Context // ends what is under way
	stop   context.CancelFunc
	done   chan struct{} // closed when the sender has ended
	wake   chan struct{}

	mu      sync.Mutex
	waiting []*job
	closing bool
	unsent  int
	warned  string // what was warned of last, so that it is said once
}

// New returns a Notifier, which sends nothing yet. Close must be called.
func New(opt Options) (*Notifier, error) {
	u, err := address(opt.URL)
	if err != nil {
		return nil, fmt.Errorf("notify: url: %w", err)
	}
	if opt.Secret == (secret.Ref{}) {
		return nil, errors.New("notify: secret is missing")
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.random == nil {
		opt.random = mathrand.Float64
	}
	if opt.Source == "" {
		opt.Source = "/weir"
	}
	opt.Metrics.preset()
	ctx, stop := context.WithCancel(context.Background())
	n := &Notifier{
		opt: opt, url: u, ctx: ctx, stop: stop, done: make(chan struct{}), wake: make(chan struct{}, 1),
		client: newClient(opt.Transport),
	}
	go n.run()
	return n, nil
}

// address reads where events go. Its text is not quoted in errors, as it may
// hold what others must not know.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Hostname() == "", u.User != nil:
		return nil, errors.New("want an address with a host and without a user")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	}
	return nil, errors.New("want https, or http to this machine")
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Send has e delivered soon and never blocks.
func (n *Notifier) Send(e Event) {
	now := time.Now()
	id := rand.Text()
	body, err := json.Marshal(envelope{
		SpecVersion: "1.0", ID: id, Source: n.opt.Source, Type: e.Type, Time: now.UTC(),
		Subject: e.Subject, ContentType: "application/json", Data: e.Data,
	})
	if err != nil || len(body) > maxBody {
		n.opt.Logger.Warn("an event cannot be told", "type", e.Type, "bytes", len(body), "error", err)
		n.opt.Metrics.count(failed)
		return
	}
	if n.put(&job{id: id, kind: e.Type, body: body, first: now}) {
		n.opt.Metrics.count(failed)
		n.opt.Logger.Warn("an event is dropped: too many wait, or weir stops", "type", e.Type)
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// put reports whether an event had to be dropped.
func (n *Notifier) put(j *job) (dropped bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return true
	}
	n.waiting = append(n.waiting, j)
	if len(n.waiting) > maxWaiting {
		n.waiting = n.waiting[1:]
		return true
	}
	return false
}

// Close tries once more to deliver what waits, for a few seconds at most and no
// longer than ctx, and ends the Notifier. The error says how much was not.
func (n *Notifier) Close(ctx context.Context) error {
	n.mu.Lock()
	n.closing = true
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	select {
	case <-n.done:
	case <-ctx.Done():
	}
	n.stop()
	<-n.done
	n.mu.Lock()
	defer n.mu.Unlock()
	if lost := n.unsent + len(n.waiting); lost > 0 {
		return fmt.Errorf("notify: not told before the end: %d", lost)
	}
	return nil
}
