package daemon

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/daemon/view"
)

// event is one of a stream.
type event struct {
	id, name, data string
}

// listen reads the events of a daemon until the test ends or the stream does.
func listen(t *testing.T, d *Daemon) <-chan event {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.Addr()+"/api/v1/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("events: %s %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	out := make(chan event, 1000)
	go func() {
		defer close(out)
		defer resp.Body.Close()
		readEvents(bufio.NewScanner(resp.Body), out)
	}()
	return out
}

func readEvents(lines *bufio.Scanner, out chan<- event) {
	lines.Buffer(nil, 1<<20)
	var e event
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if e.name != "" {
				out <- e
			}
			e = event{}
		}
	}
}

// await returns the next event of a name whose data holds text.
func await(t *testing.T, events <-chan event, name, text string) event {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case e, more := <-events:
			if !more {
				t.Fatalf("the stream ended before %s with %q", name, text)
			}
			if e.name == name && strings.Contains(e.data, text) {
				return e
			}
		case <-deadline:
			t.Fatalf("no event %s with %q", name, text)
		}
	}
}

// TestEventsTellWhatChanges: who looks knows at once how all is, and then what
// becomes of an edit, without asking.
func TestEventsTellWhatChanges(t *testing.T) {
	w := newWorld(t)
	d := w.start()
	until(t, d, "/api/v1/status", `"state": "in-sync"`)
	events := listen(t, d)
	first := await(t, events, "status", `"ready":true`)
	var head view.Headline
	if err := json.Unmarshal([]byte(first.data), &head); err != nil || head.Total != 1 || head.States["in-sync"] != 1 || first.id == "" {
		t.Errorf("first event %+v, %v", first, err)
	}
	w.write("a.yaml", strings.Replace(multi, "true", "false", 1))
	await(t, events, "pass", `"kind":"run"`)
	row := await(t, events, "resource", `"state":"in-sync"`)
	if !strings.Contains(row.data, `"id":"ali/MultiStream/live.example.com"`) {
		t.Errorf("resource %s", row.data)
	}
	w.write("a.yaml", "kind: nonsense\n")
	await(t, events, "status", `"problems":`)
	w.write("a.yaml", multi)
	w.write("b.yaml", strings.Replace(multi, "live.example.com", "b.example.com", 1))
	await(t, events, "plan", `"hash"`)
	await(t, events, "resource", `ali/MultiStream/b.example.com`)
}

// TestEventsOutliveTheTimeoutsOfOthers: what bounds an answer does not end a stream.
func TestEventsOutliveTheTimeoutsOfOthers(t *testing.T) {
	w := newWorld(t)
	d, err := New(t.Context(), Options{Listen: "127.0.0.1:0", Load: w.load, Registry: w.registry})
	if err != nil {
		t.Fatal(err)
	}
	d.server.ReadTimeout, d.server.WriteTimeout = 100*time.Millisecond, 200*time.Millisecond
	d.Start()
	defer func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	events := listen(t, d)
	until(t, d, "/readyz", "ready\n")
	timer := time.NewTimer(500 * time.Millisecond)
	<-timer.C
	w.write("a.yaml", strings.Replace(multi, "true", "false", 1))
	await(t, events, "pass", `"applied":1`)
	await(t, events, "resource", `"state":"in-sync"`)
}

// TestStreamIsKeptAlive: where nothing happens, what is between the two knows that
// both are there.
func TestStreamIsKeptAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, gone := &stream{batches: make(chan []byte)}, make(chan struct{})
		var written []string
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.copyTo(func(text []byte) bool { written = append(written, string(text)); return true }, gone)
		}()
		time.Sleep(2*heartbeat + time.Second)
		s.batches <- []byte("news")
		close(gone)
		<-ended
		if want := []string{streamHead, streamAlive, streamAlive, "news"}; !slices.Equal(written, want) {
			t.Errorf("%q, want %q", written, want)
		}
		s.copyTo(func([]byte) bool { return false }, nil) // a reader that cannot be written to ends it
	})
}

// TestStreamsEndWhenWeirStops: a page that is open does not keep weir
// from stopping.
func TestStreamsEndWhenWeirStops(t *testing.T) {
	w := newWorld(t)
	d, err := New(t.Context(), Options{Listen: "127.0.0.1:0", Load: w.load, Registry: w.registry})
	if err != nil {
		t.Fatal(err)
	}
	d.Start()
	until(t, d, "/readyz", "ready\n")
	events := listen(t, d)
	await(t, events, "status", `"ready":true`)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := d.Stop(ctx); err != nil {
		t.Errorf("stop with a stream: %v", err)
	}
	for range events { // closed, or the test hangs
	}
}

// TestTooManyStreams: the ones above the most are told so, those below
// go on, and a place that becomes free is given again.
func TestTooManyStreams(t *testing.T) {
	w := newWorld(t)
	d := w.start()
	var all []*stream
	for range streamsMost - 1 {
		all = append(all, d.hub.join())
	}
	events := listen(t, d)
	code, body := get(t, d, "/api/v1/events")
	if code != http.StatusServiceUnavailable || !strings.Contains(body, "too many streams") {
		t.Errorf("one too many: %d %s", code, body)
	}
	await(t, events, "status", `"states"`)
	d.hub.leave(all[0])
	await(t, listen(t, d), "status", `"states"`)
}

// TestFailure_W01_SlowReaderIsCutOff: who does not read ends alone.
func TestFailure_W01_SlowReaderIsCutOff(t *testing.T) {
	h := newHub()
	slow, quick := h.join(), h.join()
	for range batchesAhead + 1 {
		h.send([]byte("x"), true)
		<-quick.batches
	}
	for range batchesAhead {
		<-slow.batches
	}
	if _, more := <-slow.batches; more {
		t.Error("the slow stream goes on")
	}
	h.send([]byte("y"), true)
	if string(<-quick.batches) != "y" {
		t.Error("the quick one does not")
	}
	h.close()
	h.close()
	if _, more := <-quick.batches; more || h.join() != nil {
		t.Error("streams after the end")
	}
}

// TestWhoComesIsNoNews: a page that is opened is told how all is, and the others
// need not look again for that.
func TestWhoComesIsNoNews(t *testing.T) {
	w := newWorld(t)
	d := w.make()
	h, told := newHub(), view.Told{}
	first := h.join()
	h.tell(d.viewer(), &told)
	second := h.join()
	h.tell(d.viewer(), &told)
	if len(first.batches) != 1 || len(second.batches) != 1 {
		t.Errorf("the first was told %d times, the second %d times", len(first.batches), len(second.batches))
	}
	w.begin(d)
	until(t, d, "/readyz", "ready\n")
	h.tell(d.viewer(), &told)
	if len(first.batches) != 2 || len(second.batches) != 2 {
		t.Errorf("of news the first was told %d times, the second %d times", len(first.batches)-1, len(second.batches)-1)
	}
}

// BenchmarkOpenStreams is what 200 who look cost, each with the state of all read:
// memory of the server, and the time until a change has reached all of them.
func BenchmarkOpenStreams(b *testing.B) {
	t := &testing.T{}
	w := newWorldIn(t, b.TempDir())
	d, err := New(b.Context(), Options{Listen: "127.0.0.1:0", Load: w.load, Registry: w.registry})
	if err != nil {
		b.Fatal(err)
	}
	d.Start()
	defer func() { _ = d.Stop(context.Background()) }()
	const open = 200
	before := inUse()
	conns := make([]net.Conn, open)
	for i := range conns {
		if conns[i], err = net.Dial("tcp", d.Addr()); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conns[i].Close() })
		fmt.Fprintf(conns[i], "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	until := func(text string) {
		buf := make([]byte, 64<<10)
		for _, c := range conns {
			for got := ""; !strings.Contains(got, text); {
				n, err := c.Read(buf)
				if err != nil {
					b.Fatal(err)
				}
				got += string(buf[:n])
			}
		}
	}
	until("event: status")
	cost, turn := float64(inUse()-before)/1e6, 0
	for b.Loop() {
		turn++
		w.write("a.yaml", fmt.Sprintf("%s# %d\n", multi, turn))
		until("event: pass")
	}
	b.ReportMetric(cost, "MB")
}

// inUse returns what the process holds for heap and stacks, in bytes.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
