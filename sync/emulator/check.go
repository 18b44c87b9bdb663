package emulator

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Check returns every problem of a world, each with the entry's place.
func (w *World) Check() error {
	var c checker
	for i, k := range w.Credentials {
		c.place("credentials", i)
		c.oneOf("cloud", k.Cloud, Aliyun, Volcengine)
		c.need("accessKeyId", k.AccessKeyID)
	}
	c.domains(w.Domains)
	for i, v := range w.Vhosts {
		c.place("vhosts", i)
		c.need("name", v.Name)
	}
	for i, s := range w.Streams {
		c.place("streams", i)
		c.stream(s)
	}
	for i, b := range w.Blocked {
		c.place("blocked", i)
		c.key(b.Domain, b.App, b.Stream)
	}
	c.relays(w.RelaySources)
	c.recordings(w.Recordings)
	for i, p := range w.Prefetches {
		c.place("prefetches", i)
		c.key(p.Domain, p.App, p.Stream)
		c.need("region", p.Region)
	}
	c.settings(w.Settings, w.Quotas)
	return errors.Join(c.problems...)
}

// checker collects problems, each with the place it is at.
type checker struct {
	at       string
	problems []error
}

func (c *checker) place(list string, i int) { c.at = fmt.Sprintf("%s[%d]", list, i) }

func (c *checker) report(field, words string) {
	c.problems = append(c.problems, fmt.Errorf("%s.%s: %s", c.at, field, words))
}

func (c *checker) need(field, value string) {
	if value == "" {
		c.report(field, "missing")
	}
}

func (c *checker) key(domain, app, stream string) {
	c.need("domain", domain)
	c.need("app", app)
	c.need("stream", stream)
}

func (c *checker) stream(s Stream) {
	if s.Vhost == "" {
		c.key(s.Domain, s.App, s.Stream)
		c.oneOf("source", s.Source, "")
		return
	}
	c.key(s.Vhost, s.App, s.Stream)
	c.oneOf("source", s.Source, "", "relay", "push")
}

func (c *checker) oneOf(field, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		c.report(field, fmt.Sprintf("%.40q, want one of %q", value, allowed))
	}
}

func (c *checker) domains(domains []Domain) {
	for i, d := range domains {
		c.place("domains", i)
		c.need("name", d.Name)
		if d.Deleted {
			continue
		}
		c.oneOf("multiStream", d.MultiStream, "", "on", "off")
		switch {
		case d.Type == "" && d.MultiStream != "":
		case d.Type == typeMain && d.Main != "":
			c.report("main", "only for a publish or play domain")
		case d.Type != typeMain && d.Main == "":
			c.oneOf("type", d.Type, typeMain, typeIngest, typePlay)
			c.report("main", "missing: the main streaming domain it maps to")
		default:
			c.oneOf("type", d.Type, typeMain, typeIngest, typePlay)
		}
	}
}

func (c *checker) relays(sources []RelaySource) {
	for i, r := range sources {
		c.place("relaySources", i)
		c.need("vhost", r.Vhost)
		for j, g := range r.Groups {
			c.need(fmt.Sprintf("groups[%d].name", j), g.Name)
			for k, s := range g.Servers {
				c.need(fmt.Sprintf("groups[%d].servers[%d].address", j, k), s.Address)
			}
		}
	}
}

func (c *checker) recordings(recordings []Recording) {
	for i, r := range recordings {
		c.place("recordings", i)
		c.key(r.Domain, r.App, r.Stream)
		if !r.Deleted {
			c.oneOf("state", r.State, "recording", "stopped")
		}
	}
}

func (c *checker) settings(s Settings, quotas []Quota) {
	c.at = "settings"
	c.oneOf("relayUpdate", s.RelayUpdate, "", "replace", "merge")
	c.oneOf("relayEmpty", s.RelayEmpty, "", "list", "omitted", "notFound")
	c.oneOf("blockListDomain", s.BlockListDomain, "", "streaming", "ingest")
	if lag := time.Duration(s.Lag); lag < 0 || lag > horizon {
		c.report("lag", "want 0s to "+horizon.String())
	}
	for i, q := range quotas {
		c.place("quotas", i)
		c.need("operation", q.Operation)
		if q.Limit < 0 || q.Limit > maxQuota {
			c.report("limit", fmt.Sprintf("want 0 to %d", maxQuota))
		}
		if q.Per < 0 {
			c.report("per", "want a length of time")
		}
	}
}

// refers checks that a whole world's entries are of domains that it has.
func (w *World) refers() error {
	h := newHeld()
	h.settings = w.Settings
	return h.refers(w)
}

// refers checks that the entries of w are of domains and vhosts that the
// clouds have or w declares.
func (h *held) refers(w *World) error {
	var c checker
	known := map[string]bool{}
	for _, d := range w.Domains {
		known[d.Name] = !d.Deleted
	}
	for _, v := range w.Vhosts {
		known[v.Name+"/"] = !v.Deleted
	}
	domain := func(list string, i int, name string) {
		c.place(list, i)
		if !known[name] && h.main(name) == "" {
			c.report("domain", fmt.Sprintf("%.100q is not among the domains", name))
		}
	}
	vhost := func(list string, i int, name string) {
		c.place(list, i)
		if _, held := h.vhosts[name]; !held && !known[name+"/"] && !h.accepted(name) {
			c.report("vhost", fmt.Sprintf("%.100q is not among the vhosts", name))
		}
	}
	for i, s := range w.Streams {
		if s.Vhost != "" {
			vhost("streams", i, s.Vhost)
			continue
		}
		domain("streams", i, s.Domain)
	}
	for i, b := range w.Blocked {
		domain("blocked", i, b.Domain)
	}
	for i, r := range w.Recordings {
		domain("recordings", i, r.Domain)
	}
	for i, r := range w.RelaySources {
		vhost("relaySources", i, r.Vhost)
	}
	return errors.Join(c.problems...)
}
