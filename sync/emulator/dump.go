package emulator

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// World returns all that the clouds hold now, without secrets. Lists are
// sorted by key.
func (e *Emulator) World() World {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	return e.held.world(moment{now, now.Add(time.Duration(e.held.settings.ClockSkew))})
}

func (h *held) world(m moment) World {
	w := World{
		Credentials: []Credential{}, Vhosts: []Vhost{}, Files: []File{}, Prefetches: []Prefetch{}, Quotas: []Quota{},
		Settings: h.settings,
	}
	w.Quotas = append(w.Quotas, h.quotas...)
	for _, k := range h.keys {
		k.AccessKeySecret, k.SecurityToken = "", ""
		w.Credentials = append(w.Credentials, k)
	}
	by(w.Credentials, func(k Credential) string { return k.Cloud + " " + k.AccessKeyID })
	w.Domains = h.worldDomains(m)
	w.Vhosts = slices.AppendSeq(w.Vhosts, maps.Values(h.vhosts))
	by(w.Vhosts, func(v Vhost) string { return v.Name })
	w.Streams, w.Blocked = h.worldStreams(m), h.worldBlocks(m)
	w.RelaySources = h.worldRelays(m)
	w.Recordings = h.worldRecordings(m)
	w.Files = append(w.Files, h.files...)
	for _, p := range h.prefetches {
		p.Active = p.Expires.IsZero() || m.wall.Before(p.Expires)
		w.Prefetches = append(w.Prefetches, p)
	}
	by(w.Prefetches, func(p Prefetch) string { return place(p.Domain, p.App, p.Stream, p.Region) })
	return w
}

// by sorts a list by a key.
func by[T any](list []T, key func(T) string) {
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}

func place(parts ...string) string { return strings.Join(parts, "\x00") }

// worldDomains returns the declared domains, and the switches of others
// without a type.
func (h *held) worldDomains(m moment) []Domain {
	all := []Domain{}
	for name, d := range h.domains {
		d.MultiStream, _ = h.multi.get(name, m.at)
		all = append(all, d)
	}
	for name, to := range h.multi.each(m.at) {
		if _, declared := h.domains[name]; !declared {
			all = append(all, Domain{Name: name, MultiStream: to})
		}
	}
	by(all, func(d Domain) string { return d.Name })
	return all
}

func (h *held) worldStreams(m moment) []Stream {
	all := []Stream{}
	for main, table := range h.streams {
		for key := range table.each(m.at) {
			p, live := h.live(main, key, m)
			all = append(all, Stream{
				Domain: main, App: key.app, Stream: key.stream, Online: live, PublishTime: p.since.UTC(),
			})
		}
	}
	for vhost, table := range h.played {
		for key, p := range table.each(m.at) {
			all = append(all, Stream{
				Domain: p.domain, Vhost: vhost, App: key.app, Stream: key.stream, Online: true, Source: p.source,
				PublishTime: p.since.UTC(),
			})
		}
	}
	by(all, func(s Stream) string { return place(s.Domain, s.Vhost, s.App, s.Stream) })
	return all
}

func (h *held) worldBlocks(m moment) []Block {
	all := []Block{}
	for _, table := range h.blocks {
		for key, b := range table.each(m.at) {
			if m.wall.Before(b.until) {
				all = append(all, Block{Domain: b.ingest, App: key.app, Stream: key.stream, Until: b.until.UTC()})
			}
		}
	}
	by(all, func(b Block) string { return place(b.Domain, b.App, b.Stream) })
	return all
}

func (h *held) worldRelays(m moment) []RelaySource {
	all := []RelaySource{}
	for vhost, table := range h.relays {
		for app, entry := range table.each(m.at) {
			all = append(all, RelaySource{Vhost: vhost, App: app, Groups: worldGroups(entry.groups)})
		}
	}
	by(all, func(r RelaySource) string { return place(r.Vhost, r.App) })
	return all
}

func worldGroups(groups []relayGroup) []RelayGroup {
	all := []RelayGroup{}
	for _, g := range groups {
		group := RelayGroup{Name: g.Group}
		for _, s := range g.Servers {
			group.Servers = append(group.Servers, RelayServer{
				Address: s.RelaySourceDomain, Protocol: s.RelaySourceProtocol, Params: maps.Clone(s.RelaySourceParams),
			})
		}
		all = append(all, group)
	}
	return all
}

// worldRecordings returns the recordings in progress, after the files whose
// time has come were made.
func (h *held) worldRecordings(m moment) []Recording {
	all := []Recording{}
	for ref := range h.recordings {
		if r := h.task(ref, m.wall); r != nil {
			all = append(all, Recording{
				Domain: ref.main, App: ref.app, Stream: ref.stream, State: r.state,
				Since: r.since.UTC(), FileAt: r.fileAt,
			})
		}
	}
	by(all, func(r Recording) string { return place(r.Domain, r.App, r.Stream) })
	return all
}
