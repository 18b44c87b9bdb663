package webhook

import (
	"crypto/sha256"
	"sync"
	"time"
)

// What is remembered of deliveries, and how long.
const (
	remembered = 10_000
	idMemory   = 24 * time.Hour
	bodyMemory = time.Minute // of a body without an id, which may rightly come again
)

// pokeGap is how often a source is poked at most.
const pokeGap = time.Second

// memory knows the last deliveries, in a ring: the oldest makes room.
type memory struct {
	mu   sync.Mutex // guards what follows
	seen map[mark]place
	ring []mark
	next int
}

// mark is the hash of a delivery's source, id and body.
type mark [sha256.Size]byte

// place is where in the ring a mark is, and until when it counts.
type place struct {
	slot  int
	until time.Time
}

func newMemory() *memory { return &memory{seen: map[mark]place{}} }

// again reports whether a delivery has come before, and remembers it.
func (m *memory) again(source, id string, body []byte) bool {
	k, now, keep := markOf(source, id, body), time.Now(), idMemory
	if id == "" {
		keep = bodyMemory
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if p, ok := m.seen[k]; ok && now.Before(p.until) {
		return true
	}
	m.seen[k] = place{m.put(k), now.Add(keep)}
	return false
}

// put writes k over the oldest mark.
func (m *memory) put(k mark) int {
	if len(m.ring) < remembered {
		m.ring = append(m.ring, k)
		return len(m.ring) - 1
	}
	slot := m.next
	m.next = (slot + 1) % remembered
	// A mark that was forgotten and came again has a younger place.
	if old := m.ring[slot]; m.seen[old].slot == slot {
		delete(m.seen, old)
	}
	m.ring[slot] = k
	return slot
}

// markOf hashes the parts one by one, so that none can end in the next.
func markOf(parts ...any) mark {
	var all []byte
	for _, p := range parts {
		var h mark
		switch p := p.(type) {
		case string:
			h = sha256.Sum256([]byte(p))
		case []byte:
			h = sha256.Sum256(p)
		}
		all = append(all, h[:]...)
	}
	return sha256.Sum256(all)
}

// poker pokes at once, then at most once a gap. What comes in between is one
// poke at the gap's end: the fetch of the first may have been too early for it.
type poker struct {
	poke func()

	mu     sync.Mutex // guards what follows
	last   time.Time
	later  *time.Timer // nil: none is due
	closed bool
}

func (p *poker) ask() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.later != nil {
		return
	}
	if wait := pokeGap - time.Since(p.last); wait > 0 {
		p.later = time.AfterFunc(wait, p.due)
		return
	}
	p.now()
}

func (p *poker) due() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.now()
	}
}

// now pokes with the lock held, so that close can promise that none follows.
func (p *poker) now() {
	p.last, p.later = time.Now(), nil
	p.poke()
}

func (p *poker) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.later != nil {
		p.later.Stop()
	}
}
