package daemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"time"

	"weir/sync/daemon/view"
)

// What telling those who look may cost.
const (
	streamsMost  = 256
	newsPause    = 250 * time.Millisecond // the least time between two batches
	progressTime = time.Second            // between those that only say how far a run is
	batchesAhead = 16                     // that a stream may lag behind before it is cut off
	rowsTold     = 50                     // resources of a batch; of more only the number is told
)

// hub tells what changes to all who look, in batches that they share. Nobody waits
// for a stream that is slow: it is cut off, and the one who looks begins anew.
type hub struct {
	mu      sync.Mutex
	streams map[*stream]bool
	closed  bool
	poke    chan struct{} // capacity one: look again
	done    chan struct{}
	id      int64         // of the last event
	head    view.Headline // the last that was told, of no time
}

// stream is one who looks.
type stream struct {
	batches chan []byte // closed when it is cut off
	begun   bool        // it has been told how all is
}

func newHub() *hub {
	return &hub{streams: map[*stream]bool{}, poke: make(chan struct{}, 1), done: make(chan struct{})}
}

// join begins a stream, nil where there are too many or all is about to end.
func (h *hub) join() *stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.streams) >= streamsMost {
		return nil
	}
	s := &stream{batches: make(chan []byte, batchesAhead)}
	h.streams[s] = true
	h.wake()
	return s
}

func (h *hub) leave(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, s)
}

// wake makes the hub look again.
func (h *hub) wake() {
	select {
	case h.poke <- struct{}{}:
	default:
	}
}

// close ends all streams at once.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	close(h.done)
	for s := range h.streams {
		close(s.batches)
	}
	clear(h.streams)
}

func (h *hub) idle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.streams) == 0
}

// send gives a batch to all streams or, where it is no news, to those that have just
// begun: each page that is told something asks for all of itself. One that has not
// taken those before is cut off.
func (h *hub) send(batch []byte, news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.streams {
		if s.begun && !news {
			continue
		}
		s.begun = true
		select {
		case s.batches <- batch:
		default:
			close(s.batches)
			delete(h.streams, s)
		}
	}
}

// run tells what show shows until the hub is closed.
func (h *hub) run(show func() *view.Viewer) {
	var told view.Told
	for {
		v := show()
		changed, led := v.Loop.Changed(), v.ClusterChanged()
		if h.idle() {
			told, changed, led = view.Told{}, nil, nil
		} else {
			h.tell(v, &told)
		}
		if !h.wait(changed, led, v.Running()) {
			return
		}
	}
}

// wait returns when there may be news, false where the hub is closed.
func (h *hub) wait(changed, led <-chan struct{}, running bool) bool {
	var progress <-chan time.Time
	if running && changed != nil {
		progress = time.After(progressTime)
	}
	select {
	case <-changed:
	case <-led:
	case <-progress:
	case <-h.poke:
	case <-h.done:
		return false
	}
	select {
	case <-time.After(newsPause):
		return true
	case <-h.done:
		return false
	}
}

// tell tells how all is now, and what has changed.
func (h *hub) tell(v *view.Viewer, told *view.Told) {
	head, news := v.Headline(), v.News(told, rowsTold)
	batch := h.batch(v, head, news)
	head.Now = time.Time{}
	same := reflect.DeepEqual(head, h.head) && len(news.Passes) == 0 && !news.Plan && news.Changed == 0
	h.head = head
	h.send(batch, !same)
}

// batch returns the events of news. The first is always how all is now.
func (h *hub) batch(v *view.Viewer, head view.Headline, news view.News) []byte {
	var b bytes.Buffer
	h.event(&b, "status", head)
	for _, p := range news.Passes {
		h.event(&b, "pass", p)
	}
	if news.Plan {
		h.event(&b, "plan", v.PlanHead())
	}
	if news.Changed > rowsTold {
		h.event(&b, "resources", map[string]int{"changed": news.Changed})
		return b.Bytes()
	}
	for _, r := range news.Rows {
		h.event(&b, "resource", r)
	}
	for _, id := range news.Gone {
		h.event(&b, "gone", map[string]string{"id": id})
	}
	return b.Bytes()
}

// event adds an event to a batch. JSON has no line ends of its own.
func (h *hub) event(b *bytes.Buffer, name string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		return // a type that has no JSON, which the tests would show
	}
	h.id++
	fmt.Fprintf(b, "id: %d\nevent: %s\ndata: %s\n\n", h.id, name, data)
}
