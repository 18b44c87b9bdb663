package cluster_test

import (
	"slices"
	"testing"
	"time"

	"weir/sync/cluster"
)

// watched is a judge and the time it is told.
type watched struct {
	*cluster.Judge
	now time.Time
	v   cluster.View
}

func judge(self string, members []cluster.Member, led map[string]string) *watched {
	w := &watched{
		Judge: &cluster.Judge{Self: self, Times: cluster.TimesOf(10 * time.Second)}, now: time.Unix(1e9, 0),
		v: cluster.View{Self: self, Members: members, Leaders: map[string]cluster.Leader{}},
	}
	for account, member := range led {
		w.v.Leaders[account] = cluster.Leader{Account: account, Member: member}
	}
	return w
}

// decide checks what is decided some time after the last decision.
func (w *watched) decide(t *testing.T, later time.Duration, take, give []string, wishes ...cluster.Wish) time.Duration {
	t.Helper()
	w.now = w.now.Add(later)
	d := w.Decide(w.v, wishes, w.now)
	if !slices.Equal(d.Take, take) || !slices.Equal(d.Give, give) {
		t.Errorf("it takes %q and gives %q, want %q and %q", d.Take, d.Give, take, give)
	}
	return d.Again
}

// theirs splits accounts by who is to lead them.
func theirs(members []cluster.Member, accounts []string, id string) (own, others []string) {
	to := cluster.Assign(members, accounts, nil)
	for _, a := range accounts {
		if to[a] == id {
			own = append(own, a)
		} else {
			others = append(others, a)
		}
	}
	return own, others
}

// TestJudge_Vacant: what is its own it takes at once, what is another's only after the
// grace, and then that one is left alone for a time.
func TestJudge_Vacant(t *testing.T) {
	accounts := names("account", 6)
	members := alike(2, accounts)
	self := members[0].ID
	own, others := theirs(members, accounts, self)
	w := judge(self, members, nil)
	if again := w.decide(t, 0, own, nil); again != 5*time.Second {
		t.Errorf("it is to be asked again in %v", again)
	}
	for _, a := range own {
		w.v.Leaders[a] = cluster.Leader{Member: self}
	}
	w.decide(t, 4*time.Second, nil, nil)
	w.decide(t, time.Second, others, nil)
	for _, a := range others {
		w.v.Leaders[a] = cluster.Leader{Member: self}
	}
	w.decide(t, 30*time.Second, nil, nil) // not to the one that did not take it
	w.now = w.now.Add(time.Minute)
	if d := w.Decide(w.v, nil, w.now); len(d.Give) != 3 {
		t.Errorf("after a minute it gives %q", d.Give)
	}
}

// TestJudge_Settles: the share is made even when the members have been the same for a
// while, not before.
func TestJudge_Settles(t *testing.T) {
	accounts := names("account", 4)
	members := alike(3, accounts)
	self := members[0].ID
	led := map[string]string{}
	for _, a := range accounts {
		led[a] = self
	}
	w := judge(self, members[:1], led)
	w.decide(t, 0, nil, nil)
	w.v.Members = members[:2]
	if again := w.decide(t, time.Minute, nil, nil); again != 5*time.Second {
		t.Errorf("it is to be asked again in %v", again)
	}
	w.v.Members = members // another one comes: it begins anew
	w.decide(t, 4*time.Second, nil, nil)
	w.decide(t, 4*time.Second, nil, nil)
	w.now = w.now.Add(time.Second)
	if d := w.Decide(w.v, nil, w.now); len(d.Give) != 2 {
		t.Errorf("of four for three members it gives %q", d.Give)
	}
	w.v.Members = append(slices.Clone(members), cluster.Member{ID: "command", Once: true})
	if d := w.Decide(w.v, nil, w.now); len(d.Give) != 2 {
		t.Errorf("a command that comes unsettles it: it gives %q", d.Give)
	}
}

// TestJudge_Wishes: what a command wishes for is given up at once and taken by no
// daemon, and of two commands the first takes it.
func TestJudge_Wishes(t *testing.T) {
	daemons := alike(1, []string{"x", "y"})
	members := append(slices.Clone(daemons), cluster.Member{ID: "c1", Once: true}, cluster.Member{ID: "c2", Once: true})
	wishes := []cluster.Wish{{Member: "c1", Accounts: []string{"x", "z"}}, {Member: "c2", Accounts: []string{"x", "y"}}}
	led := map[string]string{"x": daemons[0].ID}
	judge(daemons[0].ID, members, led).decide(t, 0, nil, []string{"x"}, wishes...)
	judge(daemons[0].ID, members, nil).decide(t, time.Hour, nil, nil, wishes...)
	judge("c1", members, nil).decide(t, 0, []string{"x", "z"}, nil, wishes...)
	judge("c2", members, nil).decide(t, 0, []string{"y"}, nil, wishes...)
	judge("c2", members, led).decide(t, 0, []string{"y"}, nil, wishes...)
	judge("c2", members, nil).decide(t, time.Hour, nil, nil)
}

// TestJudge_NotReady: what it cannot lead any more it gives up without waiting, and
// takes nothing that it does not list.
func TestJudge_NotReady(t *testing.T) {
	members := []cluster.Member{{ID: "a", Accounts: []string{"x"}}, {ID: "b", Accounts: []string{"x", "y"}}}
	w := judge("a", members, map[string]string{"x": "a", "y": "a"})
	w.decide(t, 0, nil, []string{"y"})
	delete(w.v.Leaders, "y")
	w.decide(t, time.Hour, nil, nil)
	w.v.Members = members[1:]
	w.decide(t, 0, nil, nil) // it is no member itself
}

// TestJudge_Restarts: a daemon that comes and goes gets its share later each time.
func TestJudge_Restarts(t *testing.T) {
	accounts := names("account", 4)
	self := alike(1, accounts)[0]
	led := map[string]string{}
	for _, a := range accounts {
		led[a] = self.ID
	}
	w := judge(self.ID, []cluster.Member{self}, led)
	for i, want := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second} {
		other := cluster.Member{ID: names("run", 4)[i], Name: "other", Accounts: accounts}
		w.v.Members = []cluster.Member{self, other}
		if again := w.decide(t, time.Second, nil, nil); again != want {
			t.Errorf("after %d restarts it gets its share in %v, want %v", i, again, want)
		}
		w.v.Members = []cluster.Member{self}
		w.decide(t, time.Second, nil, nil)
	}
	w.v.Members = []cluster.Member{self, {ID: "x", Name: "other", Accounts: accounts}}
	if again := w.decide(t, time.Hour, nil, nil); again != 5*time.Second {
		t.Errorf("an hour later it gets its share in %v", again)
	}
}
