package cluster

import (
	"context"
	"sync"
	"time"
)

// The bounds of what a Voice keeps, of each account.
const (
	unsaidMost  = 1000
	unsaidExtra = 5 * time.Second // longer than a leader is taken for one after its end
)

// Voice lets one member say what all of them find out: who leads the account that it
// is about. The others take note, so that they know what was said when it is their
// turn. What was found out when nobody led the account, or after its leader had died
// and before that was known, is said by the next one. A nil Voice says everything.
type Voice struct {
	cluster Cluster
	window  time.Duration // in which what another may have died over is kept

	mu      sync.Mutex
	leaders map[string]string // by account, as last seen: the member
	unsaid  map[string][]saying
}

// saying is something to say.
type saying struct {
	at        time.Time
	say, note func()
}

// NewVoice returns the voice of a member of a cluster with a lease, nil for a process
// that is alone.
func NewVoice(c Cluster, lease time.Duration) *Voice {
	if c == nil {
		return nil
	}
	return &Voice{cluster: c, window: lease + unsaidExtra, leaders: map[string]string{}, unsaid: map[string][]saying{}}
}

// Speaks reports whether it is this member that says what there is about an account.
func (v *Voice) Speaks(account string) bool { return v == nil || v.cluster.Term(account) != 0 }

// Say says something about an account, or of none with Sources, where this member leads
// it; else note is called, now or once another leads it. Neither may block.
func (v *Voice) Say(account string, say, note func()) {
	if v == nil {
		say()
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.look(account, v.cluster.View())
	if v.Speaks(account) {
		say()
		return
	}
	list := append(v.unsaid[account], saying{time.Now(), say, note})
	if len(list) > unsaidMost {
		list[0].note()
		list = list[1:]
	}
	v.unsaid[account] = list
}

// Listen looks who leads what whenever that changes, until ctx ends.
func (v *Voice) Listen(ctx context.Context) {
	if v == nil {
		return
	}
	tick := time.NewTicker(v.window)
	defer tick.Stop()
	for {
		changed := v.cluster.Changed()
		v.lookAll()
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}

func (v *Voice) lookAll() {
	v.mu.Lock()
	defer v.mu.Unlock()
	view := v.cluster.View()
	for account := range v.unsaid {
		v.look(account, view)
	}
	for account := range view.Leaders {
		v.look(account, view)
	}
}

// look settles what was kept of an account by who leads it now.
func (v *Voice) look(account string, view View) {
	was, now := v.leaders[account], view.speaker(account)
	v.leaders[account] = now
	gaveUp := was != "" && was != now && view.has(was)
	if was != "" && was != view.Self { // it has said what is older, dead or not
		v.settle(account, v.window, func(s saying) { s.note() })
	}
	switch {
	case v.Speaks(account) && !gaveUp:
		v.settle(account, 0, func(s saying) { s.say() })
	case gaveUp || now != "" && now != was: // who led it has said it, or who leads it now does
		v.settle(account, 0, func(s saying) { s.note() })
	}
}

// settle ends the waiting of what was kept of an account for a time.
func (v *Voice) settle(account string, age time.Duration, with func(saying)) {
	list := v.unsaid[account]
	for len(list) > 0 && time.Since(list[0].at) >= age {
		with(list[0])
		list = list[1:]
	}
	if v.unsaid[account] = list; len(list) == 0 {
		delete(v.unsaid, account)
	}
}

// speaker returns the ID of the daemon that leads an account, "" where none does.
func (v View) speaker(account string) string {
	l := v.Leaders[account]
	for _, m := range v.Members {
		if m.ID == l.Member && m.Once {
			return ""
		}
	}
	return l.Member
}

// has reports whether a member is there.
func (v View) has(id string) bool {
	for _, m := range v.Members {
		if m.ID == id {
			return true
		}
	}
	return false
}
