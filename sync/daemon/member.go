package daemon

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"weir/sync/cluster"
)

// tellTime bounds the passing on of a trigger.
const tellTime = 5 * time.Second

// Member is what the others of a cluster ask of this process, whatever its
// configuration is: its newest loop answers. The zero value has none yet, and its
// methods may be called at any time.
type Member struct{ loop atomic.Pointer[loop] }

// Heard takes over that another member heard of news. It does not block.
func (m *Member) Heard(t cluster.Trigger) {
	if l := m.loop.Load(); l != nil {
		l.Hear(t.Source)
	}
}

// Idle waits until nothing of an account is under way in this process any more, or ctx
// ends, as reconcile.Reconciler.Idle does.
func (m *Member) Idle(ctx context.Context, account string) {
	if l := m.loop.Load(); l != nil {
		l.Idle(ctx, account)
	}
}

// tells passes triggers on to the other members, beside the one who hears of them. The
// zero value passes on nothing.
type tells struct {
	mu    sync.Mutex
	due   map[string]bool // sources, "" for all
	nudge chan struct{}   // capacity one: there are some
}

func newTells() tells { return tells{due: map[string]bool{}, nudge: make(chan struct{}, 1)} }

// tell has the other members hear that there may be news of a source, of all with "".
// It does not block; several of one source are one.
func (l *loop) tell(source string) {
	if l.cluster == nil {
		return
	}
	l.tells.mu.Lock()
	l.tells.due[source] = true
	l.tells.mu.Unlock()
	select {
	case l.tells.nudge <- struct{}{}:
	default:
	}
}

// passOn passes triggers on until ctx ends.
func (l *loop) passOn(ctx context.Context) {
	for l.cluster != nil {
		select {
		case <-ctx.Done():
			return
		case <-l.tells.nudge:
		}
		for _, source := range l.tells.take() {
			l.tellOthers(ctx, source)
		}
	}
}

func (t *tells) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]string, 0, len(t.due))
	for source := range t.due {
		out = append(out, source)
	}
	clear(t.due)
	return out
}

func (l *loop) tellOthers(ctx context.Context, source string) {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	err := l.cluster.Tell(ctx, cluster.Trigger{Source: source, By: l.cluster.View().Self})
	if err != nil {
		l.log.Warn("the other members were not told that there may be news; they look at their next poll",
			"source", source, "error", err)
	}
}

// leave leaves the cluster: what is led is given up for others to take over at once.
func (l *loop) leave(ctx context.Context) error {
	if l == nil || l.cluster == nil {
		return nil
	}
	return l.cluster.Close(ctx)
}
