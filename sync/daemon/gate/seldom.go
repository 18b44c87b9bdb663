package gate

import (
	"sync"
	"time"
)

// seldomGap is how long something that is let happen seldom waits.
const seldomGap = time.Minute

// Seldom lets something happen once a minute: a line of the log, of what anybody
// can bring about. The zero Seldom is ready.
type Seldom struct {
	mu     sync.Mutex // guards what follows
	last   time.Time
	missed int
}

// Due reports whether it is to happen now, and how often it was not to since
// the last time.
func (s *Seldom) Due() (missed int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.last.IsZero() && time.Since(s.last) < seldomGap {
		s.missed++
		return 0, false
	}
	missed, s.missed, s.last = s.missed, 0, time.Now()
	return missed, true
}
