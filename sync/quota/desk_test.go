package quota_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"weir/sync/call"
	"weir/sync/quota"
)

// memory is a desk in the memory of one process.
type memory struct {
	begin time.Time
	mu    sync.Mutex
	books map[string]*quota.Book
	gone  bool // it cannot be used
}

var _ quota.Desk = (*memory)(nil)

func newMemory() *memory {
	return &memory{begin: time.Now().Add(-time.Hour), books: map[string]*quota.Book{}}
}

func (m *memory) Now() quota.Instant { return quota.Instant(time.Since(m.begin)) }

func (m *memory) Update(ctx context.Context, operation string, f func(*quota.Book, quota.Instant)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone {
		return errors.New("no such desk")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b, ok := m.books[operation]
	if !ok {
		b = &quota.Book{}
		m.books[operation] = b
	}
	f(b, m.Now())
	return nil
}

// set makes the desk unusable, or usable again.
func (m *memory) set(gone bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = gone
}

// mortal is the desk of a process that may die, or be slow.
type mortal struct {
	*memory
	p *process
}

var errDead = errors.New("this process is dead")

func (m mortal) Update(ctx context.Context, operation string, f func(*quota.Book, quota.Instant)) error {
	if m.p.died.Load() {
		return errDead
	}
	time.Sleep(m.p.late)
	return m.memory.Update(ctx, operation, f)
}

// cloud notes when each call arrives. All times are virtual.
type cloud struct {
	forth, back, jitter time.Duration
	throttle            func() bool
	quota               call.Window // what it refuses calls above; zero for none

	mu       sync.Mutex
	refused  int // calls above the quota
	random   *rand.Rand
	arrivals []time.Time
	by       map[string]int // calls by account, which here names the process
}

func newCloud(forth, back, jitter time.Duration, seed uint64) *cloud {
	return &cloud{
		forth: forth, back: back, jitter: jitter, random: rand.New(rand.NewPCG(seed, 1)), by: map[string]int{},
		throttle: func() bool { return false },
	}
}

// delays draws both ways. Neither is nothing: see golang/go#78156.
func (c *cloud) delays() (forth, back time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	up := func() time.Duration { return time.Duration(c.random.Int64N(int64(c.jitter)+1)) + 1 }
	return c.forth + up(), c.back + up()
}

func (c *cloud) Call(ctx context.Context, req *call.Request) (*call.Response, error) {
	forth, back := c.delays()
	var above bool
	time.AfterFunc(forth, func() { c.arrive(req.Account, &above) })
	select {
	case <-time.After(forth + back):
	case <-ctx.Done():
		return nil, &call.Error{Code: call.Unknown, Operation: req.Operation}
	}
	if c.throttle() || c.throttles(&above) {
		return nil, &call.Error{Code: call.Throttled, Operation: req.Operation, Status: 429, RTT: forth + back}
	}
	return &call.Response{Status: 200, RTT: forth + back}, nil
}

func (c *cloud) arrive(account string, above *bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if n := c.quota.Limit; n > 0 && len(c.arrivals) >= n && now.Sub(c.arrivals[len(c.arrivals)-n]) <= c.quota.Per {
		*above = true
		c.refused++
	}
	c.arrivals = append(c.arrivals, now)
	c.by[account]++
}

// throttles reports whether a call was one too many.
func (c *cloud) throttles(above *bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *above
}

// most counts the most arrivals in any sliding window, both ends included.
func (c *cloud) most(per time.Duration) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	best, first := 0, 0
	for i, at := range c.arrivals { // in order, as time passes
		for at.Sub(c.arrivals[first]) > per {
			first++
		}
		best = max(best, i-first+1)
	}
	return best
}

// above counts the windows that end with an arrival and have more than the limit.
func (c *cloud) above(w call.Window) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, first := 0, 0
	for i, at := range c.arrivals {
		for at.Sub(c.arrivals[first]) > w.Per {
			first++
		}
		if i-first+1 > w.Limit {
			n++
		}
	}
	return n
}

// count counts the arrivals.
func (c *cloud) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.arrivals)
}

// forget begins to count anew.
func (c *cloud) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arrivals = nil
}
