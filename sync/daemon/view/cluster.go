package view

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"weir/sync/cluster"
	"weir/sync/plan"
	"weir/sync/reconcile"
)

// Cluster is who is there and who leads what, as the member that answers knows it.
type Cluster struct {
	Self     string   `json:"self"`     // its ID
	Members  []Member `json:"members"`  // ordered by name and ID
	Accounts []Lead   `json:"accounts"` // that are configured here or led, and the sources; ordered by name
	// Format is the newest format of the state that every member writes, and so the one
	// that is written; HeldBack names those for whom a newer one has to wait.
	Format   int      `json:"format"`
	HeldBack []string `json:"heldBack"`
	// Error says why all this may be older than it should, and Age for how many seconds
	// nothing has shown that it is still so.
	Error string  `json:"error,omitempty"`
	Age   float64 `json:"age"`
}

// Member is one process of the cluster.
type Member struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Process string    `json:"process"`
	Version string    `json:"version"`
	Address string    `json:"address,omitempty"` // where people reach its page
	Since   time.Time `json:"since"`
	Format  int       `json:"format"`         // the newest of the state that it writes
	Once    bool      `json:"once,omitempty"` // it is a command, and done soon
	Leads   []string  `json:"leads"`          // accounts, and cluster.Sources, ordered
}

// Lead is who leads an account, or cluster.Sources, nobody where Member is "".
type Lead struct {
	Account string    `json:"account"`
	Member  string    `json:"member,omitempty"` // its ID
	Name    string    `json:"name,omitempty"`
	Address string    `json:"address,omitempty"` // where people reach its page
	Since   time.Time `json:"since,omitzero"`
	Term    int64     `json:"term,omitempty"` // greater than those of all leaders before
	// Seen is when something of the account was read last, as far as the one that answers
	// has heard of it.
	Seen time.Time `json:"seen,omitzero"`
}

// ClusterHeadline is what of a Cluster changes from moment to moment.
type ClusterHeadline struct {
	Members []string          `json:"members"` // names
	Leaders map[string]string `json:"leaders"` // names by account
	Error   string            `json:"error,omitempty"`
}

// Cluster returns the cluster that the process is a member of, nil where it works
// alone.
func (v *Viewer) Cluster() *Cluster {
	if v.Options.Cluster == nil {
		return nil
	}
	return clusterOf(certain(v.Options.Cluster), v.Loop.Seen())
}

// led is Cluster with the accounts alone that are led, and not when each was seen: that
// takes a look at every resource.
func (v *Viewer) led() *Cluster {
	if v.Options.Cluster == nil {
		return nil
	}
	return clusterOf(certain(v.Options.Cluster), nil)
}

// certain returns the view of a member. What is old of it may still say that this one
// leads what it knows that it does not.
func certain(member cluster.Cluster) cluster.View {
	c := member.View()
	if c.Error == "" {
		return c
	}
	c.Leaders = maps.Clone(c.Leaders)
	maps.DeleteFunc(c.Leaders, func(account string, l cluster.Leader) bool {
		return l.Member == c.Self && member.Term(account) == 0
	})
	return c
}

// ClusterChanged returns a channel that is closed when Cluster says something else,
// nil where that never happens.
func (v *Viewer) ClusterChanged() <-chan struct{} {
	if v.Options.Cluster == nil {
		return nil
	}
	return v.Options.Cluster.Changed()
}

// clusterOf puts a view in the order of people, with the accounts that are configured
// and when each was seen last.
func clusterOf(c cluster.View, seen map[string]time.Time) *Cluster {
	out := &Cluster{Self: c.Self, Members: membersOf(c), Accounts: leadsOf(c, seen), Error: c.Error, Age: c.Age.Seconds()}
	out.Format, out.HeldBack = formats(out.Members)
	return out
}

func membersOf(c cluster.View) []Member {
	leads := map[string][]string{}
	for account, l := range c.Leaders {
		leads[l.Member] = append(leads[l.Member], account)
	}
	out := []Member{}
	for _, m := range c.Members {
		slices.Sort(leads[m.ID])
		out = append(out, Member{
			ID: m.ID, Name: m.Name, Process: m.Process, Version: m.Version, Address: m.Address, Since: m.Since.UTC(),
			Format: m.Format, Once: m.Once, Leads: append([]string{}, leads[m.ID]...),
		})
	}
	slices.SortFunc(out, func(a, b Member) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return out
}

func leadsOf(c cluster.View, seen map[string]time.Time) []Lead {
	address, known := map[string]string{}, map[string]bool{cluster.Sources: true}
	for _, m := range c.Members {
		address[m.ID] = m.Address
	}
	for account := range seen {
		known[account] = true
	}
	for account := range c.Leaders {
		known[account] = true
	}
	out := []Lead{}
	for _, account := range slices.Sorted(maps.Keys(known)) {
		l := c.Leaders[account]
		out = append(out, Lead{
			Account: account, Member: l.Member, Name: l.Name, Address: address[l.Member], Term: l.Term,
			Since: l.Since.UTC(), Seen: seen[account].UTC(),
		})
	}
	return out
}

// formats returns the newest format of the state that every member writes, and who of
// them writes no newer one where others do.
func formats(members []Member) (format int, heldBack []string) {
	heldBack = []string{}
	if len(members) == 0 {
		return 0, heldBack
	}
	byFormat := func(a, b Member) int { return cmp.Compare(a.Format, b.Format) }
	format = slices.MinFunc(members, byFormat).Format
	if format == slices.MaxFunc(members, byFormat).Format {
		return format, heldBack
	}
	for _, m := range members {
		if m.Format == format {
			heldBack = append(heldBack, m.Name)
		}
	}
	return format, heldBack
}

// headline returns what of c changes from moment to moment, nil of nil.
func (c *Cluster) headline() *ClusterHeadline {
	if c == nil {
		return nil
	}
	h := &ClusterHeadline{Members: []string{}, Leaders: map[string]string{}, Error: c.Error}
	for _, m := range c.Members {
		h.Members = append(h.Members, m.Name)
	}
	for _, l := range c.Accounts {
		if l.Member != "" {
			h.Leaders[l.Account] = l.Name
		}
	}
	return h
}

// Lead returns who leads an account. It reports false where there is no cluster.
func (c *Cluster) Lead(account string) (Lead, bool) {
	if c == nil {
		return Lead{}, false
	}
	byAccount := func(l Lead, account string) int { return strings.Compare(l.Account, account) }
	i, found := slices.BinarySearchFunc(c.Accounts, account, byAccount)
	if !found {
		return Lead{Account: account}, true
	}
	return c.Accounts[i], true
}

// Unled returns the accounts that nobody leads.
func (c *Cluster) Unled() (accounts []string) {
	for _, l := range c.Accounts {
		if l.Member == "" {
			accounts = append(accounts, l.Account)
		}
	}
	return accounts
}

// Leader is another member, and what it leads.
type Leader struct {
	Name     string
	Address  string
	Accounts []string // without the sources
	// Seen is when something was seen last of the account of which that is longest ago;
	// those of which nothing ever was do not count: mostly they hold nothing. Zero for none.
	Seen time.Time
}

// Others returns the other members that lead accounts, with these.
func (c *Cluster) Others() (out []Leader) {
	for _, m := range c.Members {
		if m.ID == c.Self {
			continue
		}
		one := Leader{Name: m.Name, Address: m.Address}
		for _, l := range c.Accounts {
			if l.Member != m.ID || l.Account == cluster.Sources {
				continue
			}
			one.Seen = plan.Earliest(one.Seen, l.Seen)
			one.Accounts = append(one.Accounts, l.Account)
		}
		if len(one.Accounts) > 0 {
			out = append(out, one)
		}
	}
	return out
}

// Why changes that are due are not made by the one who answers.
const (
	dueElsewhere = "led"   // other members make them
	dueNowhere   = "unled" // nobody leads their account
)

// notHere says why none of the changes that are due is made here, "" where one is, or
// there is no cluster.
func (o Overview) notHere() (why string) {
	for _, k := range o.Kinds {
		l, is := o.Cluster.Lead(k.Account)
		switch {
		case k.States[State(plan.Pending)] == 0:
		case !is || l.Member == o.Cluster.Self:
			return ""
		case l.Member == "":
			why = dueNowhere
		case why == "":
			why = dueElsewhere
		}
	}
	return why
}

// Led says of the row of a change that is due, and that nothing withholds, who makes
// it, where that is another member.
func (c *Cluster) Led(row Row, account string) Row {
	l, is := c.Lead(account)
	if !is {
		return row
	}
	if row.Action != plan.None && row.Withheld == "" && l.Member != c.Self {
		row.LedBy, row.Unled = l.Name, l.Member == ""
	}
	if row.Note == reconcile.LeadNote(l.Name) {
		row.Note = "" // LedBy and Unled say it
	}
	return row
}
