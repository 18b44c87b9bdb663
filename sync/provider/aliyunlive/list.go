package aliyunlive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"weir/sync/call"
	"weir/sync/provider"
	"weir/sync/provider/wire"
	"weir/sync/resource"
)

var _ provider.Lister = (*Provider)(nil)

// domainPage is the largest page of DescribeLiveUserDomains.
const domainPage = 50

// typeEdge is the LiveDomainType of an ingest domain; streaming domains, main
// and sub, are all of the other one.
const typeEdge = "liveEdge"

// lister is one List under way.
type lister struct {
	*Provider
	caller call.Caller
	search provider.Search
	book   provider.Notebook
}

// List finds the dual-stream switches that are on, the blocked streams, and the
// streams on air, of which it cannot be told whether they are recorded. What is
// prefetched cannot be listed.
func (p *Provider) List(ctx context.Context, c call.Caller, s provider.Search) (provider.Listing, error) {
	l := &lister{Provider: p, caller: c, search: s}
	l.limits()
	if s.Wants(kindMultiStream) || s.Wants(kindIngest) || s.Wants(kindRecording) {
		each(l.realms(ctx), func(r *realm) { l.realm(ctx, r) })
	}
	return l.book.Listing(), ctx.Err()
}

// limits writes down what no operation tells.
func (l *lister) limits() {
	for kind, what := range map[string]string{
		kindIngest:    "until when a stream is blocked is not said: these blocks are written without `until`",
		kindRecording: "whether a stream is being recorded is not said: the streams on air are listed as comments",
		kindPrefetch:  "what is prefetched cannot be read or listed",
	} {
		if l.search.Wants(kind) {
			l.book.Limit(kind, what)
		}
	}
}

func (l *lister) realm(ctx context.Context, r *realm) {
	if l.search.Wants(kindMultiStream) {
		l.listSwitch(ctx, r)
	}
	if l.search.Wants(kindIngest) {
		l.listBlocks(ctx, r)
	}
	if l.search.Wants(kindRecording) {
		l.listOnline(ctx, r)
	}
}

// fail writes down a read that failed.
func (l *lister) fail(domain, kind string, err error) {
	l.book.Fail(provider.Unread{
		Domain: domain, Kind: kind, Why: err.Error(), Absent: call.CodeOf(err) == call.NotFound,
	})
}

// found writes down v, of a kind whose key has the parts given.
func (l *lister) found(kind string, v any, obstacle string, parts ...string) {
	l.book.Find(l.find(kind, v, obstacle, parts...))
}

func (l *lister) find(kind string, v any, obstacle string, parts ...string) provider.Found {
	f := provider.Found{ID: l.id(kind, parts...), Obstacle: obstacle}
	spec, err := resource.NewSpec(v)
	if err == nil {
		f.Spec, err = l.kinds[kind].Normal(spec)
	}
	if err != nil && f.Obstacle == "" {
		f.Obstacle = err.Error()
	}
	return f
}

func (l *lister) id(kind string, parts ...string) resource.ID {
	return resource.ID{Account: l.search.Account, Kind: kind, Key: strings.Join(parts, "/")}
}

func (l *lister) listSwitch(ctx context.Context, r *realm) {
	on, err := readPosition(ctx, l.caller, l.search.Account, r.main)
	if e, ok := errors.AsType[*call.Error](err); ok && e.CloudCode == "CodeGetPushbackDomainError" {
		return // without an ingest domain there is no switch to declare
	}
	if err != nil {
		l.fail(r.main, kindMultiStream, err)
		return
	}
	if on || l.search.Defaults {
		l.found(kindMultiStream, multiStream{Domain: r.main, Enabled: on}, "", r.main)
	}
}

// listBlocks writes each block at the one ingest domain where it may stand.
// Where there are several and the list does not say which, it is declared at
// the first, since a block seen is seen at all of them.
func (l *lister) listBlocks(ctx context.Context, r *realm) {
	list, err := wire.ReadList(func(n int) (wire.Page[blocked], error) {
		return blockPage(ctx, l.caller, group{account: l.search.Account, domain: r.main}, n)
	})
	if err != nil {
		l.fail(r.main, kindIngest, describe(opBlockList, err))
		return
	}
	for _, b := range list {
		places := r.places(b.domain)
		for _, domain := range places {
			l.block(r, b.streamKey, domain, places)
		}
		if len(places) == 0 {
			l.found(kindIngest, ingest{Domain: r.main, App: b.app, Stream: b.stream},
				"no ingest domain is mapped to "+r.main+", so where it is blocked is not known", r.main, b.app, b.stream)
		}
	}
}

// block writes down a block at one of the places where it may stand.
func (l *lister) block(r *realm, k streamKey, domain string, places []string) {
	obstacle := ""
	if domain != places[0] {
		obstacle = fmt.Sprintf("the block list does not say at which ingest domain of %s the stream is blocked; "+
			"it is declared at %s", r.main, places[0])
	}
	f := l.find(kindIngest, ingest{Domain: domain, App: k.app, Stream: k.stream}, obstacle, domain, k.app, k.stream)
	for _, other := range places {
		if other != domain {
			f.Twins = append(f.Twins, l.id(kindIngest, other, k.app, k.stream))
		}
	}
	l.book.Find(f)
}

func (l *lister) listOnline(ctx context.Context, r *realm) {
	list, err := wire.ReadList(func(n int) (wire.Page[online], error) {
		return onlinePage(ctx, l.caller, group{account: l.search.Account, domain: r.main}, n)
	})
	if err != nil {
		l.fail(r.main, kindRecording, describe(opOnlineList, err))
		return
	}
	met := map[streamKey]bool{} // with dual-stream ingest a stream may stand in the list twice
	for _, o := range list {
		k := streamKey{o.AppName, o.StreamName}
		if met[k] {
			continue
		}
		met[k] = true
		l.found(kindRecording, recording{Domain: r.main, App: k.app, Stream: k.stream, State: stateRecording},
			"the stream is on air; whether it is being recorded is not said", r.main, k.app, k.stream)
	}
}

// realm is a main streaming domain with the ingest domains mapped to it,
// those of another name than its own first.
type realm struct {
	main    string
	ingests []string
}

// places returns where a block may stand: at the ingest domain that the list
// prints, and where it prints the streaming domain, at each of the ingest
// domains.
func (r *realm) places(printed string) []string {
	if printed != r.main && slices.Contains(r.ingests, printed) {
		return []string{printed}
	}
	return r.ingests
}

// realms resolves the domains to look at. The mapping of a main streaming domain
// tells all of its realm, so a domain met in one is not asked about again.
func (l *lister) realms(ctx context.Context) []*realm {
	all := map[string]*realm{}
	placed := map[string]bool{}
	for _, d := range l.domains(ctx) {
		if placed[d.name] || ctx.Err() != nil {
			continue
		}
		main, ok := l.place(ctx, d, placed, all)
		// What the mapping of another domain says of this one may not be all.
		if ok && main != d.name && !placed[main] {
			l.place(ctx, ownDomain{name: main}, placed, all)
		}
	}
	out := make([]*realm, 0, len(all))
	for _, name := range sortedKeys(all) {
		all[name].order()
		out = append(out, all[name])
	}
	return out
}

// order puts the ingest domains in order, each once, the one of the realm's own
// name last.
func (r *realm) order() {
	slices.Sort(r.ingests)
	r.ingests = slices.Compact(r.ingests)
	if i := slices.Index(r.ingests, r.main); i >= 0 {
		r.ingests = append(slices.Delete(r.ingests, i, i+1), r.main)
	}
}

// place asks to which realm a domain belongs, and puts the domains of that
// realm in their places.
func (l *lister) place(ctx context.Context, d ownDomain, placed map[string]bool, all map[string]*realm) (string, bool) {
	placed[d.name] = true
	m, err := readMapping(ctx, l.caller, mappingKey{l.search.Account, d.name})
	if err != nil {
		if call.CodeOf(err) != call.NotFound || !d.rumour {
			l.fail(d.name, "", err)
		}
		return "", false
	}
	main, why := m.mainOf(d)
	if why != "" {
		if l.search.Wants(kindIngest) {
			l.book.Limit(kindIngest, why)
		}
		return "", false
	}
	r := all[main]
	if r == nil {
		r = &realm{main: main}
		all[main] = r
	}
	if d.edge {
		m.ingests = append(m.ingests, d.name)
	}
	r.ingests = append(r.ingests, m.ingests...)
	if d.name == main {
		for _, name := range append(m.ingests, m.plays...) {
			placed[name] = true
		}
	}
	return main, true
}

// mainOf returns the main streaming domain of d, whose mapping m is, or why
// there is none. Whether the mapping of a main streaming domain names that
// itself is not documented; a domain of which it says nothing else is taken
// for one.
func (m mapped) mainOf(d ownDomain) (main, why string) {
	switch {
	case len(m.mains) == 1:
		return m.mains[0], ""
	case len(m.mains) > 1:
		return "", fmt.Sprintf("%s is mapped to %d main streaming domains %v: its blocks are not looked for",
			d.name, len(m.mains), m.mains)
	case d.edge || slices.Contains(m.ingests, d.name) || slices.Contains(m.plays, d.name):
		return "", d.name + " is mapped to no main streaming domain: what is blocked there cannot be read"
	}
	return d.name, ""
}

// ownDomain is a domain to look at.
type ownDomain struct {
	name   string
	edge   bool // the cloud lists it as an ingest domain
	rumour bool // only a source or the state speaks of it
}

// domains returns the domains to look at: those asked for, or those that the
// cloud lists and those known from elsewhere. Streaming domains come first,
// since their mapping is the one that names a whole realm.
func (l *lister) domains(ctx context.Context) []ownDomain {
	all := map[string]ownDomain{}
	for _, name := range l.search.Domains {
		all[strings.ToLower(name)] = ownDomain{}
	}
	if len(all) == 0 {
		for _, name := range l.search.Known {
			all[strings.ToLower(name)] = ownDomain{rumour: true}
		}
		l.listed(ctx, all)
	}
	var first, last []ownDomain
	for _, name := range sortedKeys(all) {
		d := all[name]
		d.name = name
		if d.edge {
			last = append(last, d)
			continue
		}
		first = append(first, d)
	}
	return append(first, last...)
}

// listed adds the domains that the cloud lists.
func (l *lister) listed(ctx context.Context, all map[string]ownDomain) {
	list, err := wire.ReadList(func(n int) (wire.Page[userDomain], error) {
		return domainsPage(ctx, l.caller, l.search.Account, n)
	})
	if err != nil {
		l.fail("", "", describe(opUserDomains, err))
	}
	for _, d := range list {
		if d.DomainName != "" {
			all[strings.ToLower(d.DomainName)] = ownDomain{edge: strings.EqualFold(d.LiveDomainType, typeEdge)}
		}
	}
}

// userDomain is one entry of DescribeLiveUserDomains.
type userDomain struct{ DomainName, LiveDomainType string }

func domainsPage(ctx context.Context, c call.Caller, account string, n int) (wire.Page[userDomain], error) {
	var answer struct {
		TotalCount *wire.Count
		Domains    struct{ PageData []userDomain }
	}
	params := map[string]any{"PageNumber": strconv.Itoa(n), "PageSize": strconv.Itoa(domainPage)}
	err := read(ctx, c, account, opUserDomains, params, &answer)
	return wire.Page[userDomain]{Total: answer.TotalCount, Entries: answer.Domains.PageData}, err
}
