package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"weir/sync/cluster"
	"weir/sync/reconcile"
	"weir/sync/state"
)

// The measures of a process that crashes again and again.
const (
	delayFirst  = time.Second // before the loop begins, after one crash; doubled with each
	delayMost   = 5 * time.Minute
	crashesMost = 5 // so many within crashWindow, and weir only observes
	crashWindow = 10 * time.Minute
	stableAfter = 10 * time.Minute // a process that lives so long has started well
	startsKept  = 16               // beyond what the longest delay takes
	markTime    = 10 * time.Second // bounds the reading and writing of the mark
)

// starts are the starts of weir that did not end well: the process was gone
// before it was stable, and nobody had stopped it. They are in the store, so
// that each process knows of those before. In a cluster each member has its own: that
// several start at one time is no crash of any.
type starts struct {
	log    *slog.Logger
	source string // of the mark

	mu     sync.Mutex
	begun  time.Time // zero: nothing is remembered
	delay  time.Duration
	why    string // why nothing is to be applied, "" where it may
	stable bool
}

// startsMark is what the mark holds.
type startsMark struct {
	Starts   []time.Time `json:"starts"`
	ReadOnly bool        `json:"readOnly,omitempty"`
}

// begin reads what became of the starts before, and adds this one. What cannot be
// remembered is only logged: a state that cannot be written stops all calls by
// itself.
func (s *starts) begin(ctx context.Context, store state.Store, c cluster.Cluster) {
	s.source = state.ProcessSource
	if c != nil {
		s.source = state.OfMember(state.ProcessSource, reconcile.NameOf(c))
	}
	ctx, cancel := context.WithTimeout(ctx, markTime)
	defer cancel()
	now := time.Now()
	m, err := readStarts(ctx, store, s.source)
	crashes := len(m.Starts)
	m.ReadOnly = m.ReadOnly || crashes >= crashesMost && now.Sub(m.Starts[crashes-crashesMost]) <= crashWindow
	m.Starts = append(m.Starts, now)
	m.Starts = m.Starts[max(0, len(m.Starts)-startsKept):]
	if err == nil {
		err = writeStarts(ctx, store, s.source, m)
	}
	if err != nil {
		s.log.Warn("cannot remember that weir starts", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun, s.delay = now, startDelay(crashes)
	if m.ReadOnly {
		s.why = fmt.Sprintf("weir has crashed %d times within %d minutes: nothing is applied until it has run for %d minutes, "+
			"or was stopped and started again", crashesMost, int(crashWindow.Minutes()), int(stableAfter.Minutes()))
		s.log.Error("read-only", "why", s.why, "crashes", crashes)
	}
	if crashes > 0 {
		s.log.Warn("earlier starts of weir did not end well", "starts", crashes, "begins_in", s.delay.String())
	}
}

// startDelay is how long after so many crashes the loop begins.
func startDelay(crashes int) time.Duration {
	if crashes == 0 {
		return 0
	}
	return min(delayFirst<<min(crashes-1, 30), delayMost)
}

// readOnly says why nothing is to be applied, "" where it may.
func (s *starts) readOnly() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// wait returns when the loop may begin, or reports false where ctx ends before.
func (s *starts) wait(ctx context.Context) bool {
	s.mu.Lock()
	at := s.begun.Add(s.delay)
	s.mu.Unlock()
	return sleepUntil(ctx, at)
}

// settle waits until this start is known to have gone well, forgets those before
// and reports whether that lets weir apply again.
func (s *starts) settle(ctx context.Context, store state.Store) bool {
	s.mu.Lock()
	at, done := s.begun.Add(stableAfter), s.stable || s.begun.IsZero()
	s.mu.Unlock()
	if done || !sleepUntil(ctx, at) {
		return false
	}
	s.forget(ctx, store)
	s.mu.Lock()
	defer s.mu.Unlock()
	lifted := s.why != ""
	s.stable, s.why = true, ""
	if lifted {
		s.log.Info("weir has run without a crash; what is due is applied again")
	}
	return lifted
}

// forget removes the mark: this start went well, or ended as it should.
func (s *starts) forget(ctx context.Context, store state.Store) {
	s.mu.Lock()
	remembered := !s.begun.IsZero()
	s.mu.Unlock()
	if !remembered {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markTime)
	defer cancel()
	err := store.SetMark(ctx, state.Mark{Source: s.source, Role: state.Starts, At: time.Now()})
	if err != nil {
		s.log.Warn("cannot remember that weir started well", "error", err)
	}
}

// readStarts reads the mark. One that another weir wrote in another way says
// nothing.
func readStarts(ctx context.Context, store state.Store, source string) (startsMark, error) {
	var m startsMark
	marks, err := store.Marks(ctx)
	for _, mark := range marks {
		if mark.Source == source && mark.Role == state.Starts && json.Unmarshal([]byte(mark.Revision), &m) != nil {
			m = startsMark{}
		}
	}
	return m, err
}

func writeStarts(ctx context.Context, store state.Store, source string, m startsMark) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return store.SetMark(ctx, state.Mark{
		Source: source, Role: state.Starts, Revision: string(text), At: time.Now(),
	})
}

// sleepUntil waits for a time and reports whether it came before the end of ctx.
func sleepUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
