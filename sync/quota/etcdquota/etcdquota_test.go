package etcdquota_test

import (
	"context"
	"testing"
	"time"

	"weir/sync/call"
	"weir/sync/etcd/etcdtest"
	"weir/sync/quota/etcdquota"
)

// want is what a call asks for of a window.
func want(w call.Window) call.Want {
	return call.Want{Operation: "Op", Windows: []call.Window{w}, Waiting: 1}
}

// take takes a slot within a time, nil where there is none.
func take(t *testing.T, d *etcdquota.Desk, w call.Window, within time.Duration) call.Slot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	slot, err := d.Share("a").Take(ctx, want(w))
	if err != nil && ctx.Err() == nil {
		t.Fatalf("an error beside the context's: %v", err)
	}
	return slot
}

// leave closes a desk, with so much time for calls under way.
func leave(t *testing.T, d *etcdquota.Desk, patience time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return d.Close(ctx)
}

// TestDesk_GivesBackWhatItLeaves: the part of a process that ends is another's at once,
// but for what its calls hold.
func TestDesk_GivesBackWhatItLeaves(t *testing.T) {
	t.Parallel()
	conn := shared.Conn(t, "")
	hour := call.Window{Limit: 3, Per: time.Hour}
	one := etcdquota.New(conn, lease, nil)
	for range 2 {
		slot := take(t, one, hour, 5*time.Second)
		if slot == nil {
			t.Fatal("no slot")
		}
		slot.Give(call.End{})
	}
	unsent := take(t, one, hour, 5*time.Second)
	if unsent == nil || !unsent.Ready(t.Context()) || unsent.Part() != 1 {
		t.Fatal("no third slot that is ready")
	}
	unsent.Give(call.End{Unsent: true})
	must(t, leave(t, one, 5*time.Second))
	two := etcdquota.New(conn, lease, nil)
	defer leave(t, two, time.Millisecond)
	if take(t, two, hour, 5*time.Second) == nil {
		t.Error("the slot that no call held was not given back")
	}
	if take(t, two, hour, 2*time.Second) != nil {
		t.Error("a slot that a call of the other holds for an hour")
	}
	if take(t, one, hour, 100*time.Millisecond) != nil {
		t.Error("a slot of a desk that is closed")
	}
}

// TestDesk_Look: a process that has never called hears who does.
func TestDesk_Look(t *testing.T) {
	t.Parallel()
	conn := shared.Conn(t, "")
	busy, asks := etcdquota.New(conn, lease, nil), etcdquota.New(conn, lease, nil)
	w := call.Window{Limit: 1, Per: time.Hour}
	if take(t, busy, w, 5*time.Second) == nil || take(t, busy, w, 500*time.Millisecond) != nil {
		t.Fatal("not the one slot there is")
	}
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error)
	go func() {
		many := want(w)
		many.Waiting, many.Ahead = 7, 20
		_, err := busy.Share("a").Take(ctx, many)
		waits <- err
	}()
	looker, ok := asks.Share("a").(call.Looker)
	if !ok {
		t.Fatal("nobody can look")
	}
	var view call.View
	for end := time.Now().Add(10 * time.Second); len(view.Equal) == 0 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
		var err error
		view, err = looker.Look(t.Context(), want(w))
		must(t, err)
	}
	if len(view.Equal) != 1 || view.Equal[0] != 20 || view.Lower != 0 {
		t.Errorf("it sees %+v, want one that foresees 20 calls", view)
	}
	cancel()
	if err := <-waits; err == nil {
		t.Error("a second slot of one")
	}
	_ = leave(t, busy, time.Millisecond) // a call is under way
	must(t, leave(t, asks, 5*time.Second))
}

// TestDesk_CallUnderWayKeepsTheLease: a process that ends while a call is under way does
// not end its lease, so that nobody takes the slot over.
func TestDesk_CallUnderWayKeepsTheLease(t *testing.T) {
	t.Parallel()
	conn := shared.Conn(t, "")
	w := call.Window{Limit: 1, Per: 100 * time.Millisecond}
	one := etcdquota.New(conn, lease, nil)
	if take(t, one, w, 5*time.Second) == nil {
		t.Fatal("no slot")
	}
	left := time.Now()
	if err := leave(t, one, 10*time.Millisecond); err == nil {
		t.Error("it says nothing of the call that is under way")
	}
	two := etcdquota.New(conn, lease, nil)
	slot := take(t, two, w, lease+5*time.Second)
	if slot == nil {
		t.Fatal("the slot never comes back")
	}
	slot.Give(call.End{Unsent: true})
	must(t, leave(t, two, 5*time.Second))
	if took := time.Since(left); took < lease*3/4 {
		t.Errorf("another has its slot %v after it left, lease %v", took, lease)
	}
}

// TestFailure_P12_EtcdAway: while etcd does not answer nobody has a slot when the lease
// is over, waiting is no error, and it goes on when etcd does.
func TestFailure_P12_EtcdAway(t *testing.T) {
	t.Parallel()
	own := etcdtest.Start(t, 1)
	desk := etcdquota.New(own.Conn(t, ""), lease, nil)
	w := call.Window{Limit: 5, Per: 100 * time.Millisecond}
	last := take(t, desk, w, 5*time.Second)
	if last == nil || desk.Trouble() != nil {
		t.Fatalf("no slot: %v", desk.Trouble())
	}
	last.Give(call.End{})
	own.Members[0].Pause()
	paused := time.Now()
	for time.Since(paused) < lease+time.Second {
		slot := take(t, desk, w, 50*time.Millisecond)
		if slot == nil {
			continue
		}
		if since := time.Since(paused); since > lease {
			t.Fatalf("a slot %v after etcd went away, lease %v", since, lease)
		}
		if left := slot.(call.Lasting).Left(); left < call.Least(lease)-50*time.Millisecond || left > lease {
			t.Fatalf("a slot with %v of the lease left", left)
		}
		last = slot
		slot.Give(call.End{})
	}
	if desk.Trouble() == nil {
		t.Error("no trouble, and no etcd")
	}
	if last.Ready(t.Context()) {
		t.Error("a slot of a lease that is over is ready")
	}
	own.Members[0].Resume()
	slot := take(t, desk, w, 20*time.Second)
	if slot == nil {
		t.Fatal("no slot although etcd is back")
	}
	slot.Give(call.End{})
	must(t, leave(t, desk, 5*time.Second))
}

// TestFailure_P12_WaitsThroughAnOutage: a call that waits for another process's slot when
// etcd goes away has one when etcd is back: it waits on behalf of whoever the process is
// by then.
func TestFailure_P12_WaitsThroughAnOutage(t *testing.T) {
	t.Parallel()
	own := etcdtest.Start(t, 1)
	conn := own.Conn(t, "")
	other, desk := etcdquota.New(conn, lease, nil), etcdquota.New(conn, lease, nil)
	w := call.Window{Limit: 1, Per: 100 * time.Millisecond}
	if take(t, other, w, 5*time.Second) == nil || take(t, desk, w, 500*time.Millisecond) != nil {
		t.Fatal("not the one slot there is")
	}
	waits := make(chan call.Slot)
	go func() { waits <- take(t, desk, w, lease+20*time.Second) }()
	own.Members[0].Pause()
	for end := time.Now().Add(lease + 5*time.Second); desk.Trouble() == nil && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	own.Members[0].Resume()
	slot := <-waits
	if slot == nil {
		t.Fatal("it still waits")
	}
	slot.Give(call.End{Unsent: true})
	must(t, leave(t, desk, 5*time.Second))
	_ = leave(t, other, time.Millisecond) // its call never ends
}

// BenchmarkChanges tells how many changes of the sheet, and how many for each call, it
// takes when three processes compete.
func BenchmarkChanges(b *testing.B) {
	for b.Loop() {
		s := newSite(b, "50/1s")
		for range 3 {
			s.start("busy/0")
		}
		time.Sleep(3 * time.Second)
		begin, before := time.Now(), s.changes()
		time.Sleep(10 * time.Second)
		took, changes, calls := time.Since(begin), s.changes()-before, s.server.total(begin)
		b.ReportMetric(float64(changes)/took.Seconds(), "changes/s")
		b.ReportMetric(float64(changes)/float64(calls), "changes/call")
		b.ReportMetric(100*float64(calls)/(50*took.Seconds()), "%-used")
		b.ReportMetric(float64(max(0, s.server.most(time.Second)-50)), "calls-above")
	}
}
