// Package otlp sends spans to an OpenTelemetry collector, by OTLP over HTTP in
// protobuf.
//
// OpenTelemetry's own SDK and exporter do the same and more; linked they are a
// quarter of the program. What is sent here is checked against their types.
package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"weir/sync/delivery"
	"weir/sync/secret"
	"weir/sync/trace"
)

// The limits of what waits and is sent. A collector that is gone costs what
// waits, and the spans that no longer find a place.
const (
	most      = 4096            // spans that wait
	batch     = 512             // spans of one request
	gather    = 2 * time.Second // how long the first of a batch waits for others
	timeout   = 5 * time.Second // of one request
	maxTries  = 5
	maxAnswer = 64 << 10
	closing   = 2 * time.Second // for what waits when the process ends
)

var backoff = delivery.Backoff{First: time.Second, Most: 30 * time.Second}

// Options say where spans go. URL is required.
type Options struct {
	URL     string     // of the collector; /v1/traces is added where it has no path
	Headers secret.Ref // lines "Name: value" that are sent along, read anew each time
	CAFile  string     // "" for the system's
	Version string     // of weir
	Logger  *slog.Logger
	Metrics *Metrics // may be nil
}

// Exporter is a trace.Sink that sends what it is given.
type Exporter struct {
	opts   Options
	url    string
	client *http.Client
	about  []trace.Attr
	cancel context.CancelFunc
	done   chan struct{}
	wake   chan struct{} // capacity one: a batch is full
	quit   chan struct{} // closed by Close
	faults int           // tries in a row that failed; the sender's

	mu      sync.Mutex // guards what follows
	waiting []trace.Ended
	closed  bool
}

var _ trace.Sink = (*Exporter)(nil)

// New begins to send; Close ends it.
func New(opts Options) (*Exporter, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	u, err := url.Parse(opts.URL)
	if err != nil {
		return nil, err
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	transport, err := delivery.Transport(opts.CAFile)
	if err != nil {
		return nil, err
	}
	if _, err := headers(opts.Headers); err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	ctx, cancel := context.WithCancel(context.Background())
	e := &Exporter{
		opts: opts, url: u.String(), client: delivery.Client(transport, timeout), cancel: cancel,
		done: make(chan struct{}), wake: make(chan struct{}, 1), quit: make(chan struct{}),
		about: []trace.Attr{
			{Key: "service.name", Value: "weir"},
			{Key: "service.version", Value: opts.Version},
			{Key: "service.instance.id", Value: rand.Text()},
			{Key: "host.name", Value: host},
		},
	}
	opts.Metrics.preset()
	go e.run(ctx)
	return e, nil
}

// headers reads what is sent along.
func headers(ref secret.Ref) (http.Header, error) {
	out := http.Header{}
	v, err := ref.Read()
	if err != nil || v.Empty() {
		return out, err
	}
	for line := range strings.Lines(v.Reveal()) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.ContainsAny(name, " \t") || name == "" {
			return nil, errors.New("a line of the file with headers is not written as Name: value")
		}
		out.Set(name, strings.TrimSpace(value))
	}
	return out, nil
}

// Record takes a span, or drops it where too many wait.
func (e *Exporter) Record(s trace.Ended) {
	e.mu.Lock()
	room := len(e.waiting) < most && !e.closed
	if room {
		e.waiting = append(e.waiting, s)
	}
	full := len(e.waiting) >= batch
	e.mu.Unlock()
	if !room {
		e.opts.Metrics.count(dropped, 1)
	}
	if !full {
		return
	}
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Close sends what waits, for a moment at most.
func (e *Exporter) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	close(e.quit)
	timer := time.AfterFunc(closing, e.cancel)
	defer timer.Stop()
	<-e.done
	e.cancel()
	e.client.CloseIdleConnections()
	return nil
}

// run is the sender. It ends when it is closed and nothing waits, or with ctx.
func (e *Exporter) run(ctx context.Context) {
	defer close(e.done)
	for {
		e.pause(ctx, gather, e.wake)
		for {
			spans, last := e.take()
			if len(spans) > 0 {
				e.send(ctx, spans)
			}
			if last || ctx.Err() != nil {
				return
			}
			if len(spans) < batch {
				break
			}
		}
	}
}

// pause waits for a time, or until early or the exporter's end.
func (e *Exporter) pause(ctx context.Context, d time.Duration, early <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-e.quit:
	case <-ctx.Done():
	}
}

// take returns what is to be sent now, and whether nothing follows.
func (e *Exporter) take() (spans []trace.Ended, last bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := min(len(e.waiting), batch)
	spans = e.waiting[:n:n]
	e.waiting = e.waiting[n:]
	return spans, e.closed && len(e.waiting) == 0
}

// send sends spans, again where that may help, and gives them up otherwise.
func (e *Exporter) send(ctx context.Context, spans []trace.Ended) {
	body := squeezed(encode(e.about, e.opts.Version, spans))
	for try := 1; ; try++ {
		after, again, err := e.post(ctx, body)
		if err == nil {
			if e.faults > 0 {
				e.opts.Logger.Info("traces are sent again")
			}
			e.faults = 0
			e.opts.Metrics.count(sent, len(spans))
			return
		}
		if e.faults++; e.faults == 1 {
			e.opts.Logger.Warn("traces cannot be sent", "error", err)
		}
		if !again || try == maxTries || e.ending() || ctx.Err() != nil {
			e.opts.Metrics.count(failed, len(spans))
			return
		}
		e.pause(ctx, backoff.Pause(try, after, 0), nil)
	}
}

func (e *Exporter) ending() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

// post makes one try, and says whether another may help, and when.
func (e *Exporter) post(ctx context.Context, body []byte) (after time.Duration, again bool, err error) {
	head, err := headers(e.opts.Headers)
	if err != nil {
		return 0, true, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return 0, false, err
	}
	req.Header = head
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("User-Agent", "weir")
	resp, err := e.client.Do(req)
	if err != nil {
		return 0, true, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	switch resp.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return 0, false, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true // as OTLP has it
	}
	err = fmt.Errorf("the collector answers with status %d", resp.StatusCode)
	return delivery.RetryAfter(resp.Header, time.Now()), again, err
}

func squeezed(text []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(text) // a Buffer takes all
	_ = w.Close()
	return out.Bytes()
}
