package cluster

import (
	"maps"
	"slices"
	"time"
)

// Wish is that a command wants to lead accounts, before any daemon does.
type Wish struct {
	Member   string   `json:"member"` // its ID
	Accounts []string `json:"accounts"`
}

// Times are how patient a member is.
type Times struct {
	// Grace is for how long nobody leads an account before a member takes it that
	// is another's to take.
	Grace time.Duration
	// Settle is for how long no daemon has come, gone or said something else of what it
	// can lead, before accounts are moved for the sake of an even share. It is longer for
	// a daemon that has come and gone.
	Settle time.Duration
}

// TimesOf are those of a cluster with a lease.
func TimesOf(lease time.Duration) Times { return Times{Grace: lease / 2, Settle: lease / 2} }

// excuse is for how long a member that left an account to others which was its to take
// gets none for the sake of an even share.
const excuse = time.Minute

// remembered is for how long it counts that a daemon has gone: one that comes and goes
// gets accounts for the sake of an even share after twice the time for each time.
const (
	remembered = 30 * time.Minute
	mostFalls  = 7
)

// Decision is what a member does now.
type Decision struct {
	Take  []string      // what it should lead
	Give  []string      // what it should lead no more
	Again time.Duration // when it may be otherwise by time alone, 0 for never
}

// Judge decides for one member what it leads, from what it has seen of the cluster. It
// is asked again whenever that changes, and it looks at no clock.
type Judge struct {
	Self  string
	Times Times

	vacant  map[string]time.Time // by account: since when nobody leads it
	daemons []Member
	changed time.Time            // since when these are the daemons
	slow    map[string]time.Time // by member: when it last left an account to others
	falls   map[string]fall      // by name
}

// fall is that a daemon has gone, so often.
type fall struct {
	times int
	last  time.Time
}

// Decide says what the member does in a view, with the wishes in the order in which
// they are to be granted.
func (j *Judge) Decide(v View, wishes []Wish, now time.Time) Decision {
	j.note(v, now)
	self := slices.IndexFunc(v.Members, func(m Member) bool { return m.ID == j.Self })
	if self < 0 {
		return Decision{}
	}
	if v.Members[self].Once {
		return decideOnce(v, wishes, j.Self)
	}
	return j.decide(v, v.Members[self], wishes, now)
}

// note keeps since when things are as they are.
func (j *Judge) note(v View, now time.Time) {
	daemons := slices.DeleteFunc(slices.Clone(v.Members), func(m Member) bool { return m.Once })
	if !slices.EqualFunc(daemons, j.daemons, sameDaemon) {
		j.miss(daemons, now)
		j.daemons, j.changed = daemons, now
	}
	vacant := map[string]time.Time{}
	for _, account := range j.accounts() {
		if _, led := v.Leaders[account]; led {
			continue
		}
		vacant[account] = now
		if since, ok := j.vacant[account]; ok {
			vacant[account] = since
		}
	}
	j.vacant = vacant
	maps.DeleteFunc(j.slow, func(_ string, at time.Time) bool { return now.Sub(at) >= excuse })
}

// miss notes which daemons are gone.
func (j *Judge) miss(daemons []Member, now time.Time) {
	maps.DeleteFunc(j.falls, func(_ string, f fall) bool { return now.Sub(f.last) >= remembered })
	if j.falls == nil {
		j.falls = map[string]fall{}
	}
	for _, was := range j.daemons {
		if !slices.ContainsFunc(daemons, func(m Member) bool { return m.ID == was.ID }) {
			j.falls[was.Name] = fall{j.falls[was.Name].times + 1, now}
		}
	}
}

// settle is for how long the daemons must have been the same before an account is
// moved to one.
func (j *Judge) settle(to string) time.Duration {
	at := slices.IndexFunc(j.daemons, func(m Member) bool { return m.ID == to })
	if at < 0 {
		return j.Times.Settle
	}
	return j.Times.Settle << min(j.falls[j.daemons[at].Name].times, mostFalls)
}

func sameDaemon(a, b Member) bool { return a.ID == b.ID && slices.Equal(a.Accounts, b.Accounts) }

// accounts are all that a daemon could lead.
func (j *Judge) accounts() []string {
	all := map[string]bool{}
	for _, m := range j.daemons {
		for _, a := range m.Accounts {
			all[a] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func decideOnce(v View, wishes []Wish, self string) Decision {
	var out Decision
	wished := map[string]bool{}
	for _, w := range wishes {
		for _, account := range w.Accounts {
			if _, led := v.Leaders[account]; !led && w.Member == self && !wished[account] {
				out.Take = append(out.Take, account)
			}
			wished[account] = true
		}
	}
	return out
}

func (j *Judge) decide(v View, self Member, wishes []Wish, now time.Time) Decision {
	leaders := make(map[string]string, len(v.Leaders))
	for account, l := range v.Leaders {
		leaders[account] = l.Member
	}
	wished := map[string]bool{}
	for _, w := range wishes {
		for _, account := range w.Accounts {
			wished[account] = true
		}
	}
	assigned := Assign(j.quick(), j.accounts(), leaders)
	can := map[string]bool{}
	for _, account := range self.Accounts {
		can[account] = true
	}
	d := &deciding{now: now}
	for account := range j.vacant {
		if can[account] && !wished[account] {
			j.vacancy(d, account, assigned[account])
		}
	}
	for account, leader := range leaders {
		if leader != j.Self {
			continue
		}
		switch to := assigned[account]; {
		case !can[account] || wished[account]:
			d.Give = append(d.Give, account)
		case to != j.Self && d.over(j.changed, j.settle(to)):
			d.Give = append(d.Give, account)
		}
	}
	slices.Sort(d.Take)
	slices.Sort(d.Give)
	return d.Decision
}

// quick are the daemons that take what is theirs to take, this one always.
func (j *Judge) quick() []Member {
	return slices.DeleteFunc(slices.Clone(j.daemons), func(m Member) bool {
		_, slow := j.slow[m.ID]
		return slow && m.ID != j.Self
	})
}

// vacancy decides about an account that nobody leads and this member could.
func (j *Judge) vacancy(d *deciding, account, assigned string) {
	if assigned != j.Self {
		if !d.over(j.vacant[account], j.Times.Grace) {
			return
		}
		if j.slow == nil {
			j.slow = map[string]time.Time{}
		}
		j.slow[assigned] = d.now
	}
	d.Take = append(d.Take, account)
}

// deciding is a decision that is being made.
type deciding struct {
	Decision
	now time.Time
}

// over reports whether a time since then is over, and notes when it will be.
func (d *deciding) over(since time.Time, patience time.Duration) bool {
	left := patience - d.now.Sub(since)
	if left <= 0 {
		return true
	}
	if d.Again == 0 || left < d.Again {
		d.Again = left
	}
	return false
}
