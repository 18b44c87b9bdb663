package etcdquota

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/boottime"
	"weir/sync/etcd"
)

// known is what is known of all processes: each has a key while its lease lasts, and
// none ever comes back.
type known struct {
	conn *etcd.Conn

	mu     sync.Mutex
	living map[string]bool
	dead   map[string]boottime.Instant // when it was seen
}

var _ world = (*known)(nil)

// remember is how long it is remembered that a process is gone; who still has a
// part then is looked for again.
const remember = time.Hour

func newKnown(conn *etcd.Conn) *known {
	return &known{conn: conn, living: map[string]bool{}, dead: map[string]boottime.Instant{}}
}

// key returns the key that a process has.
func (k *known) key(process string) string { return k.conn.Key("caller", process) }

// alive reports whether a process may still call; of one that nobody has looked for it
// is believed.
func (k *known) alive(process string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, dead := k.dead[process]
	return !dead
}

// gone returns when a process was seen to be gone.
func (k *known) gone(process string) boottime.Instant {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dead[process]
}

// lives notes a process whose key was seen.
func (k *known) lives(process string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, dead := k.dead[process]; !dead { // what was seen may be old
		k.living[process] = true
	}
}

// died notes that a process's key is gone now.
func (k *known) died(process string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := boottime.Now()
	delete(k.living, process)
	if _, known := k.dead[process]; !known {
		k.dead[process] = now
	}
	for other, at := range k.dead {
		if at.Until(now) > remember {
			delete(k.dead, other)
		}
	}
}

// strangers returns the processes that nobody has looked for.
func (k *known) strangers(s *sheet) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []string
	for _, p := range s.Parts {
		if _, dead := k.dead[p.Process]; !dead && !k.living[p.Process] {
			out = append(out, p.Process)
		}
	}
	return out
}

// look looks for processes.
func (k *known) look(ctx context.Context, processes []string) error {
	for _, process := range processes {
		resp, err := k.conn.Read(ctx, k.key(process))
		switch {
		case err != nil:
			return err
		case resp.Count == 0:
			k.died(process)
		default:
			k.lives(process)
		}
	}
	return nil
}

// follow keeps what is known up to date until ctx ends, and calls changed where one is
// gone.
func (k *known) follow(ctx context.Context, changed func()) {
	pause := retryFirst
	for ctx.Err() == nil {
		begin := time.Now()
		if err := k.watch(ctx, changed); err != nil && ctx.Err() == nil {
			k.conn.Log().Debug("what is known of other processes is not followed", "error", err)
		}
		if time.Since(begin) > retryMost {
			pause = retryFirst
		}
		wait(ctx, pause)
		pause = min(2*pause, retryMost)
	}
}

// watch reads who is there and then hears of what changes, until that ends.
func (k *known) watch(ctx context.Context, changed func()) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	resp, err := k.conn.Read(ctx, k.key(""), clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, kv := range resp.Kvs {
		there[strings.TrimPrefix(string(kv.Key), k.key(""))] = true
	}
	k.compare(there)
	changed()
	for events := range k.conn.Watch(ctx, k.key(""), clientv3.WithPrefix(), clientv3.WithRev(resp.Header.Revision+1)) {
		if err := events.Err(); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		for _, e := range events.Events {
			process := strings.TrimPrefix(string(e.Kv.Key), k.key(""))
			if e.Type == clientv3.EventTypeDelete {
				k.died(process)
			} else {
				k.lives(process)
			}
		}
		changed()
	}
	return ctx.Err()
}

// compare takes over who is there.
func (k *known) compare(there map[string]bool) {
	k.mu.Lock()
	var missing []string
	for process := range k.living {
		if !there[process] {
			missing = append(missing, process)
		}
	}
	k.mu.Unlock()
	for _, process := range missing {
		k.died(process)
	}
	for process := range there {
		k.lives(process)
	}
}
