package emulator

import "time"

// held is the state of both clouds. What the APIs can read back is in tables,
// which remember their past; the rest is not.
type held struct {
	settings   Settings
	quotas     []Quota
	keys       map[keyRef]Credential
	domains    map[string]Domain // declared ones; their MultiStream is in multi
	vhosts     map[string]Vhost
	multi      table[string, string] // main streaming domain → on, off
	streams    shelf[string, streamKey, push]
	blocks     shelf[string, streamKey, block]
	relays     shelf[string, string, relayEntry] // vhost → app
	played     shelf[string, streamKey, played]  // by vhost
	recordings map[streamRef]*recording
	files      []File
	prefetches map[prefetchKey]Prefetch
}

// streamKey names a stream below its main streaming domain.
type streamKey struct {
	app, stream string
}

type streamRef struct {
	main string
	streamKey
}

// moment is a point of time on this machine's clock, by which states are kept,
// and on the cloud's, by which they are read.
type moment struct {
	at, wall time.Time
}

// now is when the call arrived.
func (c *apiCall) now() moment { return moment{c.at, c.wall(c.at)} }

// seen is the moment whose state a read shows.
func (c *apiCall) seen() moment { return moment{c.view, c.wall(c.view)} }

func newHeld() *held {
	return &held{
		keys: map[keyRef]Credential{}, domains: map[string]Domain{}, vhosts: map[string]Vhost{},
		streams: shelf[string, streamKey, push]{}, blocks: shelf[string, streamKey, block]{},
		relays: shelf[string, string, relayEntry]{}, played: shelf[string, streamKey, played]{},
		recordings: map[streamRef]*recording{}, prefetches: map[prefetchKey]Prefetch{},
	}
}

// merge enters the entries of w; those with a key that is there already
// replace what is there. They hold from the moment's at on, the zero time
// meaning that they always did.
func (h *held) merge(w World, from time.Time, now time.Time) {
	m := moment{from, now.Add(time.Duration(h.settings.ClockSkew))}
	for _, k := range w.Credentials {
		h.mergeCredential(k)
	}
	for _, d := range w.Domains {
		h.mergeDomain(d, m)
	}
	for _, v := range w.Vhosts {
		put(h.vhosts, v.Name, v, v.Deleted)
	}
	for _, r := range w.RelaySources {
		h.mergeRelay(r, m)
	}
	for _, s := range w.Streams {
		if s.Vhost != "" {
			h.setPlayed(s, m)
			continue
		}
		h.setStream(s, m)
	}
	for _, b := range w.Blocked {
		h.mergeBlock(b, m)
	}
	for _, r := range w.Recordings {
		h.mergeRecording(r)
	}
	for _, p := range w.Prefetches {
		put(h.prefetches, keyOf(p), p, p.Deleted)
	}
	h.mergeFiles(w.Files)
}

// mergeFiles adds the files that are not known by stream and begin.
func (h *held) mergeFiles(files []File) {
	key := func(f File) string { return place(f.Domain, f.App, f.Stream, f.Begin.UTC().String()) }
	known := map[string]bool{}
	for _, f := range h.files {
		known[key(f)] = true
	}
	for _, f := range files {
		if !known[key(f)] {
			h.addFiles(f)
		}
	}
}

// put sets or removes an entry of a map.
func put[K comparable, V any](m map[K]V, k K, v V, deleted bool) {
	if deleted {
		delete(m, k)
		return
	}
	m[k] = v
}

// mergeCredential keeps the secrets that an entry leaves out, as GET does.
func (h *held) mergeCredential(k Credential) {
	ref := keyRef{k.Cloud, k.AccessKeyID}
	if old, known := h.keys[ref]; known && k.AccessKeySecret == "" {
		k.AccessKeySecret, k.SecurityToken = old.AccessKeySecret, old.SecurityToken
	}
	put(h.keys, ref, k, k.Deleted)
}

// mergeDomain sets a domain. An entry without a type only sets its switch.
func (h *held) mergeDomain(d Domain, m moment) {
	if d.Deleted {
		h.multi.drop(d.Name, m.at)
		delete(h.domains, d.Name)
		return
	}
	if d.MultiStream != "" {
		h.multi.put(d.Name, d.MultiStream, m.at)
	}
	if d.Type != "" {
		d.MultiStream = ""
		h.domains[d.Name] = d
	}
}

func (h *held) mergeRelay(r RelaySource, m moment) {
	if r.Deleted {
		h.relays.in(r.Vhost).drop(r.App, m.at)
		return
	}
	var groups []relayGroup
	for _, g := range r.Groups {
		group := relayGroup{Group: g.Name}
		for _, s := range g.Servers {
			group.Servers = append(group.Servers, relayServer{s.Protocol, s.Address, s.Params})
		}
		groups = append(groups, group)
	}
	h.relays.in(r.Vhost).put(r.App, newRelayEntry(r.Vhost, r.App, groups), m.at)
}

func (h *held) mergeBlock(b Block, m moment) {
	main := h.main(b.Domain)
	key := streamKey{b.App, b.Stream}
	if b.Deleted {
		h.blocks.in(main).drop(key, m.at)
		return
	}
	if b.Until.IsZero() {
		b.Until = m.wall.AddDate(0, defaultBlockMonths, 0)
	}
	h.forbid(main, key, block{b.Domain, b.Until}, m)
}

func (h *held) mergeRecording(r Recording) {
	ref := streamRef{h.main(r.Domain), streamKey{r.App, r.Stream}}
	put(h.recordings, ref, &recording{state: r.State, since: r.Since, fileAt: r.FileAt}, r.Deleted)
}
