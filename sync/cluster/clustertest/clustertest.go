// Package clustertest is what every cluster.Cluster does, as tests, and a cluster in
// memory for simulations.
package clustertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"weir/sync/cluster"
)

// Joined is a process's part in a cluster.
type Joined interface {
	cluster.Cluster
	cluster.Claimer
}

// World is a cluster that has no members yet.
type World struct {
	// Join makes a member. Where the test is over, so is its part.
	Join func(Joining) Joined
	// Lose lets a member be heard of no more, as if its machine were gone; what it was
	// may go on, and finds out by itself.
	Lose  func(Joined)
	Lease time.Duration
}

// most is the longest that a test waits for something.
const most = time.Minute

// Run tests that what open returns, a new and empty one each time, is a cluster.
// around runs each test: in a bubble, or as it is.
func Run(t *testing.T, around func(*testing.T, func(*testing.T)), open func(t *testing.T) World) {
	tests := map[string]func(*testing.T, World){
		"Ready/leads what it is ready for":  ready,
		"Ready/gives up what it is not":     readyNoMore,
		"Share/even, and back again":        share,
		"Term/grows":                        termGrows,
		"Idle/is waited for":                idleWaited,
		"Close/others take over at once":    closeAtOnce,
		"Close/what is under way is not":    closeBusy,
		"Lost/taken over after its time":    lost,
		"Claim/before any daemon":           claimFirst,
		"Claim/one after the other":         claimInTurn,
		"Claim/several of several daemons":  claimSeveral,
		"Claim/gives up and says who leads": claimBusy,
		"Claim/only a command":              claimDaemon,
		"Tell/all others":                   tell,
		"View/who is there":                 view,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			around(t, func(t *testing.T) { test(t, open(t)) })
		})
	}
}

// Await waits until something is so. c says when it may have changed; it is looked at
// now and then as well, for what is so of another member.
func Await(t testing.TB, c cluster.Cluster, what string, is func() bool) {
	t.Helper()
	late := time.NewTimer(most)
	defer late.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		changed := c.Changed()
		if is() {
			return
		}
		select {
		case <-changed:
		case <-look.C:
		case <-late.C:
			t.Fatalf("not within %v: %s; the view is %+v", most, what, c.View())
		}
	}
}

// soon returns a context that ends when a test has waited for too long.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), most)
	t.Cleanup(cancel)
	return ctx
}

// within returns what comes from a channel.
func within[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	late := time.NewTimer(most)
	defer late.Stop()
	select {
	case v := <-from:
		return v
	case <-late.C:
		t.Fatalf("nothing came within %v", most)
	}
	panic("unreachable")
}

// Leads counts those of some accounts that a member leads.
func Leads(c cluster.Cluster, accounts ...string) int {
	n := 0
	for _, a := range accounts {
		if c.Term(a) != 0 && c.Left(a) > 0 {
			n++
		}
	}
	return n
}

// Accounts returns the names of so many.
func Accounts(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("account/%04d", i)
	}
	return out
}

// atOnce is an Idle of a process in which nothing is ever under way.
func atOnce(context.Context, string) {}

func daemon(name string) Joining { return Joining{Name: name, Process: "weir run", Idle: atOnce} }

func command(name string) Joining {
	return Joining{Name: name, Process: "weir apply", Once: true, Idle: atOnce}
}

func (w World) daemon(t *testing.T, name string, accounts ...string) Joined {
	t.Helper()
	c := w.Join(daemon(name))
	c.Ready(accounts...)
	Await(t, c, "it is a member that is ready", func() bool {
		return slices.ContainsFunc(c.View().Members, func(m cluster.Member) bool {
			return m.ID == c.View().Self && len(m.Accounts) == len(accounts)
		})
	})
	return c
}

func leadsAll(t *testing.T, c Joined, accounts ...string) {
	t.Helper()
	Await(t, c, "it leads all", func() bool { return Leads(c, accounts...) == len(accounts) })
}

func ready(t *testing.T, w World) {
	c := w.Join(daemon("a"))
	if Leads(c, "x", "y", "z") != 0 {
		t.Error("it leads something before it is ready")
	}
	changed := c.Changed()
	c.Ready("x", "y")
	within(t, changed)
	leadsAll(t, c, "x", "y")
	if c.Term("z") != 0 || c.Left("z") != 0 {
		t.Error("it leads what it is not ready for")
	}
	if left := c.Left("x"); left > w.Lease {
		t.Errorf("it has %v left, of a lease of %v", left, w.Lease)
	}
	l := c.View().Leaders["x"]
	if l.Account != "x" || l.Name != "a" || l.Member != c.View().Self || l.Term != c.Term("x") || l.Since.IsZero() {
		t.Errorf("its view is of %+v, and its term %d", l, c.Term("x"))
	}
}

func readyNoMore(t *testing.T, w World) {
	a, b := w.daemon(t, "a", "x", "y"), w.daemon(t, "b")
	leadsAll(t, a, "x", "y")
	b.Ready("y", "z")
	leadsAll(t, b, "z")
	a.Ready("x")
	leadsAll(t, b, "y", "z")
	if Leads(a, "x", "y", "z") != 1 {
		t.Error("it leads what it is not ready for any more")
	}
	a.Ready()
	Await(t, b, "nobody leads x", func() bool { _, led := b.View().Leaders["x"]; return !led })
}

func share(t *testing.T, w World) {
	accounts := Accounts(9)
	a := w.daemon(t, "a", accounts...)
	leadsAll(t, a, accounts...)
	b, c := w.daemon(t, "b", accounts...), w.daemon(t, "c", accounts...)
	for _, one := range []Joined{a, b, c} {
		Await(t, one, "each leads a third", func() bool { return Leads(one, accounts...) == 3 })
	}
	terms := map[string]int64{}
	for _, account := range accounts {
		terms[account] = a.Term(account)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	Await(t, a, "what one left is led by the others", func() bool { return Leads(a, accounts...)+Leads(b, accounts...) == 9 })
	for _, account := range accounts {
		if terms[account] != 0 && a.Term(account) != terms[account] {
			t.Errorf("%s was led in term %d, and another member's end made it %d", account, terms[account], a.Term(account))
		}
	}
	if n := Leads(a, accounts...); n < 4 || n > 5 {
		t.Errorf("one leads %d of 9", n)
	}
}

func termGrows(t *testing.T, w World) {
	a := w.daemon(t, "a", "x")
	leadsAll(t, a, "x")
	last := a.Term("x")
	for i := range 3 {
		next := w.daemon(t, fmt.Sprint("next", i), "x")
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		leadsAll(t, next, "x")
		if next.Term("x") <= last {
			t.Errorf("the term is %d, after %d", next.Term("x"), last)
		}
		a, last = next, next.Term("x")
	}
}

func idleWaited(t *testing.T, w World) {
	asked, proceed := make(chan string, 1), make(chan struct{})
	a := w.Join(Joining{Name: "a", Idle: func(_ context.Context, account string) {
		asked <- account
		<-proceed
	}})
	a.Ready("x")
	leadsAll(t, a, "x")
	once := w.Join(command("c"))
	claimed := make(chan error, 1)
	go func() { claimed <- once.Claim(soon(t), "x") }()
	if account := within(t, asked); account != "x" || a.Term("x") != 0 || a.Left("x") != 0 {
		t.Errorf("asked of %s, which it leads with term %d for %v", account, a.Term("x"), a.Left("x"))
	}
	if l, ok := a.View().Leaders["x"]; !ok || l.Name != "a" {
		t.Errorf("what is handed over is led by %+v already", l)
	}
	close(proceed)
	if err := within(t, claimed); err != nil || Leads(once, "x") != 1 {
		t.Errorf("the command does not lead: %v", err)
	}
}

func closeAtOnce(t *testing.T, w World) {
	accounts := Accounts(20)
	a, b := w.daemon(t, "a", accounts...), w.daemon(t, "b", accounts...)
	Await(t, b, "all are led", func() bool { return len(b.View().Leaders) == len(accounts) })
	begun := time.Now()
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	leadsAll(t, b, accounts...)
	if took := time.Since(begun); took > time.Second {
		t.Errorf("to take over from one that leaves took %v", took)
	}
	if Leads(a, accounts...) != 0 {
		t.Error("who has left leads")
	}
	if err := a.Close(t.Context()); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

func closeBusy(t *testing.T, w World) {
	a := w.Join(Joining{Name: "a", Idle: func(ctx context.Context, _ string) { <-ctx.Done() }})
	a.Ready("x")
	leadsAll(t, a, "x")
	b := w.daemon(t, "b", "x")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := a.Close(ctx); err == nil {
		t.Error("calls are under way, and Close says that all is well")
	}
	if a.Left("x") != 0 {
		t.Error("who has left leads")
	}
	if _, led := b.View().Leaders["x"]; !led {
		t.Error("the account of a member whose calls are under way is free")
	}
	leadsAll(t, b, "x")
}

func lost(t *testing.T, w World) {
	accounts := Accounts(5)
	a := w.daemon(t, "a", accounts...)
	leadsAll(t, a, accounts...)
	b := w.daemon(t, "b", accounts...)
	Await(t, b, "it sees who leads", func() bool { return len(b.View().Leaders) == 5 })
	w.Lose(a)
	begun := time.Now()
	Await(t, b, "it leads all", func() bool {
		for _, account := range accounts {
			// In this order: what a can still prove, b cannot have got before.
			if of, other := b.Left(account), a.Left(account); of > 0 && other > 0 {
				t.Fatalf("both lead %s, for %v and %v", account, of, other)
			}
		}
		return Leads(b, accounts...) == 5
	})
	if took := time.Since(begun); took > w.Lease+2*time.Second {
		t.Errorf("to take over took %v, of a lease of %v", took, w.Lease)
	}
}

func claimFirst(t *testing.T, w World) {
	a, b := w.daemon(t, "a", "x"), w.daemon(t, "b", "x")
	Await(t, a, "x is led", func() bool { return a.View().Leaders["x"].Name != "" })
	once := w.Join(command("c"))
	if Leads(once, "x") != 0 {
		t.Error("a command leads what it has not claimed")
	}
	if err := once.Claim(soon(t), "x"); err != nil {
		t.Fatal(err)
	}
	if Leads(once, "x") != 1 || Leads(a, "x")+Leads(b, "x") != 0 {
		t.Error("it does not lead what it has claimed, or not alone")
	}
	if err := once.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	Await(t, a, "a daemon leads x again", func() bool {
		name := a.View().Leaders["x"].Name
		return name == "a" || name == "b"
	})
}

func claimInTurn(t *testing.T, w World) {
	a := w.daemon(t, "a", "x", "y")
	leadsAll(t, a, "x", "y")
	first := w.Join(command("first"))
	if err := first.Claim(soon(t), "x", "y"); err != nil {
		t.Fatal(err)
	}
	second, third := w.Join(command("second")), w.Join(command("third"))
	got := make(chan Joined, 2)
	for _, once := range []Joined{second, third} {
		go func() {
			if err := once.Claim(soon(t), "y", "x"); err != nil {
				t.Error(err)
			}
			got <- once
		}()
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	one := within(t, got)
	if other := map[Joined]Joined{second: third, third: second}[one]; Leads(one, "x", "y") != 2 || Leads(other, "x", "y") != 0 {
		t.Errorf("one leads %d of two, the one after it %d", Leads(one, "x", "y"), Leads(other, "x", "y"))
	}
	if err := one.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if other := within(t, got); Leads(other, "x", "y") != 2 {
		t.Error("the last one does not lead")
	}
}

func claimSeveral(t *testing.T, w World) {
	accounts := Accounts(6)
	a, b := w.daemon(t, "a", accounts...), w.daemon(t, "b", accounts...)
	Await(t, a, "all are led", func() bool { return len(a.View().Leaders) == 6 })
	once := w.Join(command("c"))
	if err := once.Claim(soon(t), accounts[:4]...); err != nil {
		t.Fatal(err)
	}
	Await(t, b, "the daemons lead the others", func() bool { return Leads(a, accounts...)+Leads(b, accounts...) == 2 })
}

func claimBusy(t *testing.T, w World) {
	first, second := w.Join(Joining{Name: "host", Process: "weir apply", Once: true}), w.Join(command("d"))
	if err := first.Claim(soon(t), "x"); err != nil {
		t.Fatal(err)
	}
	Await(t, second, "it sees who leads", func() bool { return second.View().Leaders["x"].Name == "host" })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := second.Claim(ctx, "x", "y")
	busy, ok := errors.AsType[*cluster.Busy](err)
	if !ok || busy.Account != "x" || busy.Leader.Name != "host" || busy.Member.Process != "weir apply" ||
		!errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v", err)
	}
	third := w.Join(command("e"))
	if err := third.Claim(soon(t), "y"); err != nil {
		t.Errorf("what was claimed in vain is not free: %v", err)
	}
}

func claimDaemon(t *testing.T, w World) {
	if err := w.daemon(t, "a", "x").Claim(soon(t), "x"); err == nil {
		t.Error("a daemon claims an account")
	}
}

func tell(t *testing.T, w World) {
	heard := make(chan cluster.Trigger, 100)
	own := make(chan cluster.Trigger, 100)
	a := w.Join(Joining{Name: "a", Heard: func(t cluster.Trigger) { own <- t }})
	w.Join(Joining{Name: "b", Heard: func(t cluster.Trigger) { heard <- t }})
	const burst = 20
	var all sync.WaitGroup
	for range burst {
		all.Go(func() {
			if err := a.Tell(t.Context(), cluster.Trigger{Source: "live/main"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := a.Tell(t.Context(), cluster.Trigger{}); err != nil {
		t.Fatal(err)
	}
	live := 0
	for {
		h := within(t, heard)
		if h.By != a.View().Self {
			t.Errorf("it was heard by %q", h.By)
		}
		if h.Source == "" {
			break
		}
		if live++; h.Source != "live/main" {
			t.Errorf("of source %q", h.Source)
		}
	}
	if live == 0 || live > burst {
		t.Errorf("%d triggers became %d", burst, live)
	}
	if len(own) != 0 {
		t.Error("it hears itself")
	}
}

func view(t *testing.T, w World) {
	a := w.daemon(t, "b", "x")
	w.Join(Joining{Name: "a", Process: "weir run", Version: "1.2.3", Address: "https://a", Format: 7})
	Await(t, a, "two members", func() bool { return len(a.View().Members) == 2 })
	v := a.View()
	m := v.Members[0]
	if m.Name != "a" || m.Version != "1.2.3" || m.Address != "https://a" || m.Format != 7 || m.Once {
		t.Errorf("%+v", m)
	}
	if m.Since.IsZero() || m.ID == v.Self {
		t.Errorf("%+v, seen by %s", m, v.Self)
	}
	if m := v.Members[1]; m.Name != "b" || m.ID != v.Self || !slices.Equal(m.Accounts, []string{"x"}) {
		t.Errorf("%+v", m)
	}
	if v.Error != "" || v.Age > w.Lease {
		t.Errorf("%q, %v old", v.Error, v.Age)
	}
}
