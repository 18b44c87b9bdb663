package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/sync/emulator"
	"weir/sync/resource"
	"weir/sync/state"
)

// mortal is a store whose process dies after a number of writes: none of the
// later ones is made.
type mortal struct {
	state.Store
	mu   sync.Mutex // guards what follows
	left int
	dead bool
}

func (m *mortal) live() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left--; m.left < 0 {
		m.dead = true
		return errCrash
	}
	return nil
}

// Save counts.
func (m *mortal) Save(ctx context.Context, records ...resource.Applied) error {
	if err := m.live(); err != nil {
		return err
	}
	return m.Store.Save(ctx, records...)
}

// Forget counts.
func (m *mortal) Forget(ctx context.Context, ids ...resource.ID) error {
	if err := m.live(); err != nil {
		return err
	}
	return m.Store.Forget(ctx, ids...)
}

// SetMark counts.
func (m *mortal) SetMark(ctx context.Context, mark state.Mark) error {
	if err := m.live(); err != nil {
		return err
	}
	return m.Store.SetMark(ctx, mark)
}

// Open counts, of calls with an effect.
func (m *mortal) Open(ctx context.Context, e state.Entry) (int64, error) {
	if e.Write {
		if err := m.live(); err != nil {
			return 0, err
		}
	}
	return m.Store.Open(ctx, e)
}

// Close counts.
func (m *mortal) Close(ctx context.Context, n int64, o state.Outcome) error {
	if err := m.live(); err != nil {
		return err
	}
	return m.Store.Close(ctx, n, o)
}

// TestRollbackDiesAtEachWrite: wherever the process of a rollback dies, the
// revision is either in force as before or not applied again, and the rollback
// made again ends it: the clouds and the records are as they were.
func TestRollbackDiesAtEachWrite(t *testing.T) {
	for n := range 60 {
		died := true
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inBook(t, []change{loose}, func(h *house, b *book, verdicts *[]Verdict) {
				same := []change{loose, withBook(b, verdicts)}
				h.patch(emulator.World{RelaySources: []emulator.RelaySource{{Vhost: "foreign.example.com", App: "live", Groups: []emulator.RelayGroup{
					{Name: "g", Servers: []emulator.RelayServer{{Address: "x.example.org", Protocol: "rtmp"}}},
				}}}})
				first := b.turn(h, "a.yaml", multiOff+"---\n"+forbid)
				h.wait(2 * time.Minute)
				was, world := h.records(), held(h.clouds.World())
				adopted := strings.Replace(relay, "push.example.com", "foreign.example.com", 1)
				b.turn(h, "a.yaml", multiOn+"---\n"+relay+"---\n"+adopted)
				h.wait(2 * time.Minute)
				h.writes()

				store := &mortal{Store: h.store, left: n}
				whole := h.store
				h.store = store
				r := h.other(same...)
				h.store = whole
				u, err := r.Undo(context.Background(), "", "jane")
				if err != nil {
					t.Fatal(err)
				}
				u.Plan.Held = nil
				_, _ = r.Rollback(context.Background(), u, func(context.Context) error { h.rec.MarkFull(); time.Sleep(time.Second); return nil })
				died = store.dead
				h.rec.MarkFull()
				h.wait(10 * time.Minute)
				if calls := h.writes(); slices.Contains(calls, "SetLiveDomainMultiStreamConfig on") && h.marked(bookPlace)[state.Pinned] != "" {
					t.Errorf("applied again: %v", calls)
				}
				h.stop()
				h.build(same...)
				h.start()
				h.wait(10 * time.Minute)
				if _, rep := h.rollback(u.Of.Plan, same...); rep.Failed() {
					t.Errorf("again: %+v", rep.Results)
				}
				h.wait(10 * time.Minute)
				if now := h.records(); !maps.Equal(now, was) {
					t.Errorf("records %v, want %v", now, was)
				}
				if now := held(h.clouds.World()); !slices.Equal(now, world) {
					t.Errorf("clouds %v, want %v", now, world)
				}
				if s := h.rec.Status().Sources[0]; s.InForce != first || s.Pinned == nil || s.Pinned.Plan != u.Of.Plan {
					t.Errorf("source %+v, %+v", s, s.Pinned)
				}
				h.writes()
				h.wait(10 * time.Minute)
				h.expectWrites()
			})
		})
		if !died {
			t.Logf("ended whole with %d writes", n)
			return
		}
	}
	t.Error("it never ended")
}
