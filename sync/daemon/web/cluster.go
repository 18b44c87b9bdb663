package web

import (
	"net/url"
	"strings"

	"weir/sync/cluster"
	"weir/sync/daemon/view"
	"weir/sync/reconcile"
)

// accountsNamed is how many accounts a sentence names; of more it says how many.
const accountsNamed = 4

// Account is the name of an account, or what is said of the sources.
func (p *page) Account(name string) string {
	if name == cluster.Sources {
		return p.T("cluster.sources")
	}
	return p.Text(name)
}

// Accounts names accounts in a sentence.
func (p *page) Accounts(names []string) string {
	var out []string
	for _, name := range names[:min(len(names), accountsNamed)] {
		out = append(out, p.Account(name))
	}
	list := strings.Join(out, languages[p.lang].comma)
	if more := len(names) - accountsNamed; more > 0 {
		return p.T("cluster.more", list, Number(more))
	}
	return list
}

// Leading says what another member leads.
func (p *page) Leading(l view.Leader) string {
	if l.Seen.IsZero() {
		return p.T("cluster.leads-unseen", p.Accounts(l.Accounts))
	}
	return p.T("cluster.leads", p.Accounts(l.Accounts))
}

// Elsewhere is the address of another member's page, "" for what is none.
func (p *page) Elsewhere(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return ""
	}
	return u.String()
}

// MadeBy says who makes a change, where that is another member than this one or
// nobody.
func (p *page) MadeBy(r view.Row) string {
	switch {
	case r.Unled:
		return p.T("row.unled")
	case r.LedBy != "":
		return p.T("row.led", p.Text(r.LedBy))
	}
	return ""
}

// MadeIn is MadeBy of a change in an account.
func (p *page) MadeIn(account string, c reconcile.ChangeDocument) string {
	return p.MadeBy(p.row(account, c))
}

// Remark is the note of a change, but for one that MadeIn says.
func (p *page) Remark(account string, c reconcile.ChangeDocument) string {
	return p.row(account, c).Note
}

// row is a change as far as who makes it goes.
func (p *page) row(account string, c reconcile.ChangeDocument) view.Row {
	return p.over.Cluster.Led(view.Row{Action: c.Action, Withheld: c.Withheld, Note: c.Note}, account)
}
