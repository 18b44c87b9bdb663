package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"weir/sync/delivery"
)

// backoff is how the pauses between tries grow.
var backoff = delivery.Backoff{First: 2 * time.Second, Most: 5 * time.Minute}

// job is an event that waits or is under way.
type job struct {
	id, kind string
	body     []byte
	first    time.Time // when it was to be told
	due      time.Time // not to be tried before
	tries    int
}

func newClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: transport, Timeout: timeout,
		// Another address would be shown the event, and has no part in the secret.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// run is the sender. It ends when it is closing and nothing waits, or with the
// Notifier's context.
func (n *Notifier) run() {
	defer close(n.done)
	defer n.client.CloseIdleConnections()
	delivery.Loop(n.ctx, n.wake, func() (func(), time.Duration) {
		j, wait := n.next()
		if j == nil {
			return nil, wait
		}
		return func() { n.settle(j, n.post(j)) }, 0
	})
}

// next returns the job to do now, or how long to wait for one: 0 without an end,
// -1 where there will be none.
func (n *Notifier) next() (*job, time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case len(n.waiting) == 0 && n.closing:
		return nil, -1
	case len(n.waiting) == 0:
		return nil, 0
	}
	j := n.waiting[0]
	if wait := time.Until(j.due); wait > 0 && !n.closing {
		return nil, wait
	}
	n.waiting = n.waiting[1:]
	return j, 0
}

// fault is a try that did not succeed.
type fault struct {
	final bool          // the receiver does not take it, whatever happens
	after time.Duration // the receiver asks for
	err   error
}

// post makes one try.
func (n *Notifier) post(j *job) *fault {
	key, err := n.opt.Secret.Read()
	if err != nil {
		return &fault{err: err}
	}
	req, err := http.NewRequestWithContext(n.ctx, http.MethodPost, n.url.String(), bytes.NewReader(j.body))
	if err != nil {
		return &fault{final: true, err: errors.New("the address cannot be called")}
	}
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write(j.body)
	req.Header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
	req.Header.Set("X-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	req.Header.Set("User-Agent", "weir")
	resp, err := n.client.Do(req)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // without the address
		}
		return &fault{err: errors.New(delivery.OneLine(delivery.Redact(err.Error(), key), 200))}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	_ = resp.Body.Close()
	return verdict(resp)
}

// verdict says what an answer means: nil where the receiver has the event.
func verdict(resp *http.Response) *fault {
	f := &fault{
		after: delivery.RetryAfter(resp.Header, time.Now()),
		err:   fmt.Errorf("the receiver answers with status %d", resp.StatusCode),
	}
	switch s := resp.StatusCode; {
	case s >= 200 && s < 300:
		return nil
	case s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusNotFound, // which a person may mend
		s == http.StatusRequestTimeout, s == http.StatusTooEarly, s == http.StatusTooManyRequests, s >= 500:
	default:
		f.final = true
	}
	return f
}

// settle books what became of a try.
func (n *Notifier) settle(j *job, f *fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if f == nil {
		n.opt.Metrics.count(sent)
		if n.warned != "" {
			n.opt.Logger.Info("events are told again")
		}
		n.warned = ""
		return
	}
	j.tries++
	if text := f.err.Error(); text != n.warned && !errors.Is(f.err, context.Canceled) {
		n.warned = text
		n.opt.Logger.Warn("an event cannot be told", "type", j.kind, "host", n.url.Host, "again", !f.final, "error", f.err)
	}
	now := time.Now()
	if f.final || n.closing || now.Sub(j.first) >= patience {
		n.unsent++
		n.opt.Metrics.count(failed)
		return
	}
	j.due = now.Add(backoff.Pause(j.tries, f.after, n.opt.random()))
	n.waiting = append([]*job{j}, n.waiting...)
}
