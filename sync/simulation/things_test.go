package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/sync/emulator"
	"weir/sync/resource"
)

// The accounts of every run.
const (
	ali  = "ali"
	volc = "volc"
)

// thing is something that documents may declare.
type thing struct {
	id       resource.ID
	variants []variant
}

// variant is one way to declare a thing.
type variant struct {
	spec string // flow mapping without its braces
	// holds says how the clouds differ from what is declared, "" where they do not.
	holds func(w *emulator.World, now time.Time) string
}

// document is a thing as a file declares it.
type document struct {
	thing   *thing
	variant int
	restart int // number of the restart token, 0 for none
}

func (d document) text() string {
	api := "aliyun/v1"
	if d.thing.id.Account == volc {
		api = "volcengine/v1"
	}
	spec := d.thing.variants[d.variant].spec
	if d.restart > 0 && d.variant == 0 { // only of one that records
		spec += fmt.Sprintf(", restart: r%d", d.restart)
	}
	return fmt.Sprintf("apiVersion: %s\nkind: %s\nspec: {%s}\n", api, d.thing.id.Kind, spec)
}

// recordable reports whether the thing may carry a restart token.
func (t *thing) recordable() bool { return t.id.Kind == "Recording" }

// things returns the pool of identities.
func things() []*thing {
	all := []*thing{
		multi("live1.example.com"), multi("live2.example.com"),
		ingest("push1.example.com", "a"), ingest("push1.example.com", "b"), ingest("push2.example.com", "a"),
		recording("live1.example.com", "main"), recording("live1.example.com", "side"),
		prefetch("live1.example.com", "main"), prefetch("live2.example.com", "side"),
	}
	for _, app := range []string{"v1.example.com/live", "v1.example.com/ott", "v2.example.com/live"} {
		all = append(all, relay(app))
	}
	return all
}

// crowd returns relay sources enough that updates are counted in percent.
func crowd() []*thing {
	var all []*thing
	for i := range 12 {
		all = append(all, relay(fmt.Sprintf("v3.example.com/app%d", i)))
	}
	return all
}

func named(account, kind, key string) resource.ID {
	return resource.ID{Account: account, Kind: kind, Key: key}
}

func multi(domain string) *thing {
	t := &thing{id: named(ali, "MultiStream", domain)}
	for _, on := range []bool{true, false} {
		t.variants = append(t.variants, variant{
			spec: fmt.Sprintf("domain: %s, enabled: %t", domain, on),
			holds: func(w *emulator.World, _ time.Time) string {
				return differ("switch on", switchedOn(w, domain), on)
			},
		})
	}
	return t
}

func differ[T comparable](what string, is, want T) string {
	if is == want {
		return ""
	}
	return fmt.Sprintf("%s is %v, declared is %v", what, is, want)
}

func switchedOn(w *emulator.World, domain string) bool {
	return slices.ContainsFunc(w.Domains, func(d emulator.Domain) bool { return d.Name == domain && d.MultiStream == "on" })
}

// blockEnd is when a block that is declared with an end runs out.
func blockEnd() time.Time { return time.Date(2000, 1, 1, 0, 2, 0, 0, time.UTC) }

func ingest(domain, stream string) *thing {
	t := &thing{id: named(ali, "StreamIngest", domain+"/live/"+stream)}
	add := func(more string, forbidden func(time.Time) bool) {
		t.variants = append(t.variants, variant{
			spec: fmt.Sprintf("domain: %s, app: live, stream: %s, %s", domain, stream, more),
			holds: func(w *emulator.World, now time.Time) string {
				return differ("blocked", blocked(w, domain, stream), forbidden(now))
			},
		})
	}
	add("allowed: false", func(time.Time) bool { return true })
	add("allowed: true", func(time.Time) bool { return false })
	until := blockEnd()
	add(`allowed: false, until: "`+until.Format(time.RFC3339)+`"`, until.After)
	return t
}

func blocked(w *emulator.World, domain, stream string) bool {
	return slices.ContainsFunc(w.Blocked, func(b emulator.Block) bool {
		return b.Domain == domain && b.App == "live" && b.Stream == stream
	})
}

func recording(domain, stream string) *thing {
	t := &thing{id: named(ali, "Recording", domain+"/live/"+stream)}
	add := func(more string, runs bool) {
		t.variants = append(t.variants, variant{
			spec: fmt.Sprintf("domain: %s, app: live, stream: %s, %s", domain, stream, more),
			holds: func(w *emulator.World, _ time.Time) string {
				if !onAir(w, domain, stream) {
					return ""
				}
				return differ("recorded", recorded(w, domain, stream), runs)
			},
		})
	}
	add("state: recording", true)
	add("state: stopped", false)
	add("state: stopped, finish: immediate", false)
	return t
}

func onAir(w *emulator.World, domain, stream string) bool {
	return slices.ContainsFunc(w.Streams, func(s emulator.Stream) bool {
		return s.Domain == domain && s.Stream == stream && s.Online
	})
}

func recorded(w *emulator.World, domain, stream string) bool {
	return slices.ContainsFunc(w.Recordings, func(r emulator.Recording) bool {
		return r.Domain == domain && r.Stream == stream && r.State == "recording"
	})
}

func prefetch(domain, stream string) *thing {
	t := &thing{id: named(ali, "RtcPrefetch", domain+"/live/"+stream)}
	add := func(more string, renewed bool, regions ...string) {
		t.variants = append(t.variants, variant{
			spec: fmt.Sprintf("domain: %s, app: live, stream: %s, audioMsid: rts audio, videoMsid: rts video, regions: [%s]%s",
				domain, stream, strings.Join(regions, ", "), more),
			holds: func(w *emulator.World, _ time.Time) string {
				for _, region := range regions {
					if p, ok := prefetched(w, domain, stream, region); !ok || renewed && !p.Active {
						return fmt.Sprintf("region %s is not prefetched", region)
					}
				}
				return ""
			},
		})
	}
	add("", false, "SG")
	add("", false, "SG", "NO")
	add(", connectionTimeout: 2m, renew: true", true, "SG", "ZHJ")
	add(", connectionTimeout: 2m", false, "ZHJ")
	return t
}

func prefetched(w *emulator.World, domain, stream, region string) (emulator.Prefetch, bool) {
	i := slices.IndexFunc(w.Prefetches, func(p emulator.Prefetch) bool {
		return p.Domain == domain && p.Stream == stream && p.Region == region
	})
	if i < 0 {
		return emulator.Prefetch{}, false
	}
	return w.Prefetches[i], true
}

// relayGroups are the ways a relay source is declared: other origins, fewer
// groups, another order.
func relayGroups() [][]emulator.RelayGroup {
	a := emulator.RelayGroup{Name: "a", Servers: []emulator.RelayServer{{Address: "a.example.org", Protocol: "rtmp"}}}
	b := emulator.RelayGroup{Name: "b", Servers: []emulator.RelayServer{{Address: "b.example.org", Protocol: "flv"}}}
	long := emulator.RelayGroup{Name: "a", Servers: append(slices.Clone(a.Servers), emulator.RelayServer{
		Address: "c.example.org:1935", Protocol: "rtmp", Params: map[string]string{"k": "v"},
	})}
	return [][]emulator.RelayGroup{{a, b}, {a}, {b, a}, {long, b}, {long}}
}

func relay(key string) *thing {
	vhost, app, _ := strings.Cut(key, "/")
	t := &thing{id: named(volc, "RelaySource", key)}
	for _, groups := range relayGroups() {
		want := written(groups)
		t.variants = append(t.variants, variant{
			spec: fmt.Sprintf("vhost: %s, app: %s, groups: [%s]", vhost, app, want),
			holds: func(w *emulator.World, _ time.Time) string {
				return differ("relay", relayOf(w, vhost, app), want)
			},
		})
	}
	return t
}

// written is the text form of groups, as a manifest has it.
func written(groups []emulator.RelayGroup) string {
	var parts []string
	for _, g := range groups {
		var servers []string
		for _, s := range g.Servers {
			params := ""
			if len(s.Params) > 0 {
				params = ", params: {k: " + s.Params["k"] + "}"
			}
			servers = append(servers, fmt.Sprintf(`{address: "%s", protocol: %s%s}`, s.Address, s.Protocol, params))
		}
		parts = append(parts, fmt.Sprintf("{name: %s, servers: [%s]}", g.Name, strings.Join(servers, ", ")))
	}
	return strings.Join(parts, ", ")
}

// relayOf is the text form of what the cloud holds for an app, "" for nothing.
func relayOf(w *emulator.World, vhost, app string) string {
	for _, r := range w.RelaySources {
		if r.Vhost == vhost && r.App == app {
			return written(r.Groups)
		}
	}
	return ""
}

// absent says what the clouds still hold of a thing that weir removed.
func (t *thing) absent(w *emulator.World) string {
	domain, stream := t.id.Part(0), t.id.Part(2)
	switch t.id.Kind {
	case "MultiStream":
		return differ("switch on", switchedOn(w, domain), false)
	case "StreamIngest":
		return differ("blocked", blocked(w, domain, stream), false)
	case "RelaySource":
		return differ("relay", relayOf(w, domain, t.id.Part(1)), "")
	}
	return ""
}
