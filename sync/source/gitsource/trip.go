package gitsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"weir/sync/secret"
	"weir/sync/source"
)

// trip is what the operations of one visit have in common, whatever carries
// them: it counts what arrives, and keeps the first thing that went wrong,
// which layers above wrap beyond recognition.
type trip struct {
	header secret.Secret // sent over http; never shown
	limit  int64         // bytes that may arrive
	window time.Duration // of the least rate
	rate   int64         // bytes a second that must arrive

	arrived atomic.Int64
	fault   *source.Error
}

func (t *trip) fail(code string, err error) error {
	if t.fault == nil {
		t.fault = &source.Error{Code: code, Err: errors.New(t.clean(err.Error()))}
	}
	return t.fault
}

// longestText is what is kept of a text that a remote or a library wrote.
const longestText = 512

// clean makes a foreign text fit for a log: without the credentials, without
// control characters, short.
func (t *trip) clean(text string) string {
	if !t.header.Empty() {
		_, credentials, _ := strings.Cut(t.header.Reveal(), " ")
		text = strings.ReplaceAll(text, credentials, secret.Redacted)
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > longestText {
		text = strings.ToValidUTF8(text[:longestText], "") + "…"
	}
	return text
}

// count takes note of bytes that arrived, and fails once they are too many.
func (t *trip) count(n int) error {
	if t.arrived.Add(int64(n)) > t.limit {
		return &tooLarge{t.limit}
	}
	return nil
}

// tooLarge is the error of more bytes than there may be.
type tooLarge struct{ limit int64 }

// Error names the limit.
func (e *tooLarge) Error() string { return fmt.Sprintf("more than %d bytes", e.limit) }

// errSlow is the error of an answer that was given up for its rate.
var errSlow = errors.New("the answer arrives too slowly")

// codeOf tells a remote that sends too much, too slowly or nothing at all from
// one that is not there.
func codeOf(ctx context.Context, err error) string {
	var timeout net.Error
	var large *tooLarge
	switch {
	case errors.As(err, &large):
		return source.CodeFetchSize
	case errors.Is(err, errSlow):
		return source.CodeSlow
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return source.CodeTimeout
	}
	return source.CodeRemote
}

// mostAdvertised is what the list of a remote's references may take, in bytes:
// about 200,000 of them. It is held in memory, unlike a pack.
const mostAdvertised = 16 << 20

// answer is a part of what a remote sends that is of limited length, and is
// given up where it comes too slowly.
type answer struct {
	r     io.Reader
	limit int64
	flow  *flow

	got int64
}

// answer returns r as an answer of at most limit bytes. Where it is too slow
// kill is called, which must let a Read under way return.
func (t *trip) answer(r io.Reader, limit int64, kill func()) *answer {
	return &answer{r: r, limit: limit, flow: &flow{window: t.window, rate: t.rate, kill: kill}}
}

// Read reads; its errors say where the answer was too long or too slow.
func (a *answer) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	a.got += int64(n)
	if a.got > a.limit {
		return 0, &tooLarge{a.limit}
	}
	a.flow.add(n)
	if err != nil && a.flow.tooSlow() {
		return 0, fmt.Errorf("%w: less than %d bytes a second", errSlow, a.flow.rate)
	}
	return n, err
}

// end stops watching the answer.
func (a *answer) end() { a.flow.stop() }

// thinking is what a server may send before its rate is watched: it has taken
// note of a request and looks for what to send.
const thinking = 1 << 10

// flow holds a least rate, window by window, once an answer is under way.
type flow struct {
	window time.Duration
	rate   int64
	kill   func()

	mu    sync.Mutex
	timer *time.Timer // nil before the first window
	got   int64       // in this window, or before the first
	slow  bool
	ended bool
}

func (f *flow) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got += int64(n)
	if f.got > thinking && f.timer == nil && !f.ended {
		f.timer = time.AfterFunc(f.window, f.judge)
	}
}

// judge ends a window.
func (f *flow) judge() {
	f.mu.Lock()
	defer f.mu.Unlock()
	least := int64(float64(f.rate) * f.window.Seconds())
	switch {
	case f.ended:
	case f.got < least:
		f.slow, f.ended = true, true
		f.kill()
	default:
		f.got = 0
		f.timer.Reset(f.window)
	}
}

func (f *flow) tooSlow() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.slow
}

func (f *flow) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	if f.timer != nil {
		f.timer.Stop()
	}
}
