package main

import (
	"fmt"
	"strings"
	"time"

	"weir/sync/cluster"
	"weir/sync/daemon/view"
)

// members says who is there and who leads what, and what nobody leads; it says the
// same whoever of them is asked.
func (t *statusText) members() {
	c := t.o.Cluster
	if c == nil {
		return
	}
	t.heading(t.w, "Members")
	tab := table{indent: 2}
	for _, m := range c.Members {
		tab.row(cell{legible(m.Name), bold}, cell{t.memberText(m), dim}, cell{"leads " + leadText(m.Leads), ""})
	}
	tab.write(t.w, t.style)
	if none := c.Unled(); len(none) > 0 {
		t.line(t.w, 4, cell{"  nobody leads " + leadText(none), red})
	}
	if len(c.HeldBack) > 0 {
		t.line(t.w, 4, cell{fmt.Sprintf("  the state is written in format %d: %s writes no newer one",
			c.Format, legible(strings.Join(c.HeldBack, ", "))), yellow})
	}
	if c.Error != "" {
		age := time.Duration(c.Age * float64(time.Second)).Round(time.Second)
		t.line(t.w, 4, cell{"  as of " + age.String() + " ago: ", yellow}, cell{legible(c.Error), ""})
	}
}

// memberText says what a member is, and since when it is there.
func (t *statusText) memberText(m view.Member) string {
	if m.Once {
		return "a command, since " + t.ago(m.Since)
	}
	return "weir " + legible(m.Version) + ", since " + t.ago(m.Since)
}

// leadText names what is led.
func leadText(accounts []string) string {
	if len(accounts) == 0 {
		return "nothing"
	}
	var out []string
	for _, a := range accounts {
		if a == cluster.Sources {
			a = "the sources"
		}
		out = append(out, legible(a))
	}
	return strings.Join(out, ", ")
}
