package daemon

import (
	"net/http"
	"time"
)

// The times of a stream of events.
const (
	heartbeat   = 15 * time.Second
	streamWrite = 5 * time.Second // a reader that takes nothing for so long is cut off
	streamHead  = ": what weir does, as it does it\nretry: 2000\n\n"
	streamAlive = ": alive\n\n"
)

// events tells what changes, until the reader goes, is too slow, or weir stops.
func (d *Daemon) events(w http.ResponseWriter, r *http.Request, _ *query) {
	s := d.hub.join()
	if s == nil {
		w.Header().Set("Retry-After", "10")
		refuse(w, http.StatusServiceUnavailable, "there are too many streams, or weir stops")
		return
	}
	defer d.hub.leave(s)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy is to pass on each event
	if r.Method == http.MethodHead {
		return
	}
	control := http.NewResponseController(w)
	write := func(text []byte) bool {
		_ = control.SetWriteDeadline(time.Now().Add(streamWrite)) // instead of the one of the whole answer
		_, err := w.Write(text)
		if err == nil {
			err = control.Flush()
		}
		_ = control.SetWriteDeadline(time.Time{}) // HTTP/2 would end a stream on which nothing is written by then
		return err == nil
	}
	s.copyTo(write, r.Context().Done())
}

// copyTo writes what comes on a stream until that fails, or the reader is gone.
func (s *stream) copyTo(write func([]byte) bool, gone <-chan struct{}) {
	alive := time.NewTicker(heartbeat)
	defer alive.Stop()
	for ok := write([]byte(streamHead)); ok; {
		select {
		case batch, more := <-s.batches:
			ok = more && write(batch)
		case <-alive.C:
			ok = write([]byte(streamAlive))
		case <-gone:
			return
		}
	}
}
