package etcdstate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/sync/etcd"
	"weir/sync/resource"
	"weir/sync/state"
)

// wire is a network between a store and etcd that can be cut.
type wire struct {
	t        testing.TB
	listener net.Listener
	direct   *Store       // that knows a way around it
	answers  atomic.Int64 // is cut when etcd says something after it was written to at this revision; 0 for never
	requests atomic.Bool  // swallows what the store says
	mu       sync.Mutex
	conns    map[net.Conn]bool
	wg       sync.WaitGroup
}

func newWire(t testing.TB, direct *Store) *wire {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, listener: l, direct: direct, conns: map[net.Conn]bool{}}
	w.wg.Go(w.accept)
	t.Cleanup(func() {
		_ = l.Close()
		w.cut()
		w.wg.Wait()
	})
	return w
}

func (w *wire) accept() {
	for {
		in, err := w.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", strings.TrimPrefix(cluster.Members[0].Client, "http://"))
		if err != nil {
			_ = in.Close()
			continue
		}
		w.mu.Lock()
		w.conns[in], w.conns[out] = true, true
		w.mu.Unlock()
		w.wg.Go(func() { w.carry(in, out, w.answered) })
		w.wg.Go(func() { w.carry(out, in, w.requests.Load) })
	}
}

// carry carries what is said, until it is to be swallowed.
func (w *wire) carry(to, from net.Conn, swallow func() bool) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if swallow() {
			continue
		}
		if _, err := to.Write(b[:n]); err != nil && !errors.Is(err, io.EOF) {
			return
		}
	}
}

// answered cuts the wire where what etcd says may be that it has written.
func (w *wire) answered() bool {
	before := w.answers.Load()
	if before == 0 || w.revision() == before {
		return false
	}
	w.cut()
	return true
}

// cut ends all connections, and lets the next ones through.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Close()
	}
	clear(w.conns)
	w.answers.Store(0)
	w.requests.Store(false)
}

// through opens a store over the wire.
func (w *wire) through(prefix string) *Store {
	w.t.Helper()
	conn, err := etcd.Open(context.Background(), etcd.Options{
		Endpoints: []string{"http://" + w.listener.Addr().String()}, Prefix: prefix,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return openOn(w.t, conn, Options{})
}

// lose carries out a write whose first answer is lost.
func (w *wire) lose(write func() error) error {
	w.answers.Store(w.revision())
	err := write()
	if w.answers.Load() != 0 {
		err = errors.Join(err, errors.New("nothing was written"))
	}
	return err
}

// drop carries out a write whose first request is lost.
func (w *wire) drop(write func() error) error {
	w.requests.Store(true)
	done := make(chan error, 1)
	go func() { done <- write() }()
	select {
	case err := <-done:
		w.cut()
		return fmt.Errorf("it came to an end without a request: %w", err)
	case <-time.After(100 * time.Millisecond): // it waits for an answer
	}
	w.cut()
	return <-done
}

func (w *wire) revision() int64 {
	resp, err := w.direct.conn.Get(context.Background(), w.direct.key(formatKey))
	if err != nil {
		w.t.Error(err)
		return 0
	}
	return resp.Header.Revision
}

func actOfTest(key, token string) resource.Act {
	return resource.Act{ID: resource.ID{Account: "a", Kind: "K", Key: key}, Name: "start", Token: token, Begun: time.Unix(7, 0).UTC()}
}

// TestFailure_P14_LostAnswer: a write whose answer, or whose request, is lost is made
// once, and its maker is not told that somebody else was first.
func TestFailure_P14_LostAnswer(t *testing.T) {
	t.Parallel()
	direct := openAt(t, "", Options{})
	w := newWire(t, direct)
	s := w.through(direct.conn.Prefix())
	ctx := t.Context()
	ways := map[string]func(func() error) error{"answer": w.lose, "request": w.drop}
	for way, losing := range ways {
		t.Run(way, func(t *testing.T) {
			ok := func(what string, f func() error) {
				t.Helper()
				if err := losing(f); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			is := func(what string, got, want error) {
				t.Helper()
				if !errors.Is(got, want) {
					t.Errorf("%s: got %v, want %v", what, got, want)
				}
			}
			a := actOfTest(way, "1")
			ok("begin", func() error { return s.Begin(ctx, a) })
			is("begin again", direct.Begin(ctx, a), state.ErrInDoubt)
			ok("take back", func() error { return s.Settle(ctx, a) })
			is("settle what was taken back", direct.Settle(ctx, a), state.ErrNoAct)
			must(t, s.Begin(ctx, a))
			a.Done = time.Unix(8, 0).UTC()
			ok("settle", func() error { return s.Settle(ctx, a) })
			is("begin what is done", direct.Begin(ctx, a), state.ErrDone)
			ok("claim", func() error { return s.Claim(ctx, way, time.Now(), "me") })
			is("claim again", direct.Claim(ctx, way, time.Now(), "me"), state.ErrClaimed)
			c := state.Consent{Plan: way, Given: time.Unix(1, 0), Expires: time.Unix(9, 0)}
			ok("consent", func() error { return s.Consent(ctx, c) })
			ok("use a consent", func() error { return s.UseConsent(ctx, way, time.Unix(2, 0), "me") })
			is("use it again", direct.UseConsent(ctx, way, time.Unix(2, 0), "me"), state.ErrClaimed)
			ok("set a mark", func() error { return s.SetMark(ctx, state.Mark{Source: way, Role: state.Held, Revision: "1"}) })
			ok("save", func() error { return s.Save(ctx, recordOf(way, 1)) })
			ok("forget", func() error { return s.Forget(ctx, recordOf(way, 1).ID) })
			ok("save many", func() error { return s.Save(ctx, recordsOf(way, 300, 1)...) })
			ok("post", func() error {
				return s.Post(ctx, "a", []resource.Observation{{ID: recordOf(way, 1).ID, At: time.Unix(5, 0), Spec: "{}"}}, nil)
			})
			var n int64
			ok("open", func() (err error) {
				n, err = s.Open(ctx, state.Entry{Account: way, Operation: "Op", Write: true})
				return err
			})
			ok("close", func() error { return s.Close(ctx, n, state.Outcome{Closed: time.Unix(9, 0), Code: "ok"}) })
			entries, err := direct.Journal(ctx, state.Query{Account: way})
			if err != nil || len(entries) != 1 || entries[0].Number != n || entries[0].Outcome.Code != "ok" {
				t.Errorf("journal %+v, %v", entries, err)
			}
		})
	}
	if p, err := direct.Verify(ctx); err != nil || !p.Sound() || p.Heads.Writes.Seq != 4 {
		t.Errorf("%+v, %v", p, err)
	}
	if got := applied(t, direct); len(got) != 600 {
		t.Errorf("%d records", len(got))
	}
}

// TestFailure_P14_Away: where nobody answers, writes say so, and nothing has happened.
func TestFailure_P14_Away(t *testing.T) {
	direct := openAt(t, "", Options{})
	w := newWire(t, direct)
	s := w.through(direct.conn.Prefix())
	w.requests.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := s.Applied(ctx); !errors.Is(err, context.DeadlineExceeded) && state.FaultOf(err) != state.Unusable {
		t.Errorf("records: %v", err)
	}
	if err := s.Save(ctx, recordOf("x", 1)); err == nil {
		t.Error("it was saved")
	}
	w.cut()
	if got := applied(t, direct); len(got) != 0 {
		t.Errorf("%d records", len(got))
	}
}
