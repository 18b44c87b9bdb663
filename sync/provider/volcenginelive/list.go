package volcenginelive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"weir/sync/call"
	"weir/sync/provider"
	"weir/sync/provider/wire"
	"weir/sync/resource"
)

var _ provider.Lister = (*Provider)(nil)

// vhostPage is the largest page of ListDomainDetail.
const vhostPage = 1000

// statusDeleted is the Status of a domain that is no more.
const statusDeleted = 3

// lister is one List under way.
type lister struct {
	ctx    context.Context
	caller call.Caller
	search provider.Search
	book   provider.Notebook
}

// List reads each vhost with one call that answers for all its apps.
func (*Provider) List(ctx context.Context, c call.Caller, s provider.Search) (provider.Listing, error) {
	l := &lister{ctx: ctx, caller: c, search: s}
	if s.Wants(KindRelaySource) {
		l.vhosts()
	}
	return l.book.Listing(), ctx.Err()
}

func (l *lister) vhosts() {
	places := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	names := l.names()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			l.vhost(name, names[name])
		})
	}
	wg.Wait()
}

// origin says who speaks of a vhost.
type origin int

const (
	byUser    origin = iota // the user
	byCloud                 // the cloud
	byHearsay               // a source or the state
)

// names returns the vhosts to look at: those asked for, or those that the cloud
// lists and those known from elsewhere.
func (l *lister) names() map[string]origin {
	out := map[string]origin{}
	for _, name := range l.search.Domains {
		out[name] = byUser
	}
	if len(out) > 0 {
		return out
	}
	for _, name := range l.search.Known {
		out[name] = byHearsay
	}
	list, err := wire.ReadList(func(n int) (wire.Page[vhostDomain], error) { return l.page(n) })
	if err != nil {
		l.fail("", err)
	}
	for _, d := range list {
		if d.Vhost != "" && d.Status != statusDeleted {
			out[d.Vhost] = byCloud
		}
	}
	return out
}

// vhostDomain is one entry of ListDomainDetail: a domain and the vhost it
// belongs to. A vhost without any domain is in no list.
type vhostDomain struct {
	Vhost, Domain string
	Status        int
}

func (l *lister) page(n int) (wire.Page[vhostDomain], error) {
	resp, err := l.caller.Call(l.ctx, &call.Request{
		Account: l.search.Account, Operation: opDomains, Repeatable: true,
		Params: map[string]any{"PageNum": n, "PageSize": vhostPage},
	})
	if err != nil {
		return wire.Page[vhostDomain]{}, err
	}
	var answer struct {
		Result struct {
			Total      *wire.Count
			DomainList []vhostDomain
		}
	}
	if err := json.Unmarshal(resp.Body, &answer); err != nil {
		return wire.Page[vhostDomain]{}, fmt.Errorf("%s: answer is not as documented: %w", opDomains, err)
	}
	return wire.Page[vhostDomain]{Total: answer.Result.Total, Entries: answer.Result.DomainList}, nil
}

// fail writes down a read that failed. That the account has no such vhost is
// said by 404 and by two codes with 403, in words that overlap.
func (l *lister) fail(vhost string, err error) {
	u := provider.Unread{Domain: vhost, Why: err.Error()}
	if vhost != "" {
		u.Kind, u.Absent = KindRelaySource, absent(err)
	}
	l.book.Fail(u)
}

func absent(err error) bool {
	failure, ok := errors.AsType[*call.Error](err)
	if !ok {
		return false
	}
	return failure.Code == call.NotFound || failure.CloudCode == "RequestForbidden" ||
		failure.CloudCode == "RequestForbidden.AccountIDNotAllow"
}

// vhost reads one vhost. Of one that the cloud itself lists, a 404 can only say
// that nothing is configured.
func (l *lister) vhost(name string, from origin) {
	o := &observer{ctx: l.ctx, caller: l.caller}
	all, err := o.describe(describe(l.search.Account, name, ""))
	switch {
	case from == byCloud && call.CodeOf(err) == call.NotFound, from == byHearsay && absent(err):
		return
	case err != nil:
		l.fail(name, err)
		return
	case all.broken != "":
		l.book.Fail(provider.Unread{Domain: name, Kind: KindRelaySource, Why: all.broken})
	}
	for app := range all.entries {
		if spec, why := all.of(name, app); spec != "" || why != "" {
			l.app(name, app, spec, why)
		}
	}
}

// app writes down one application, or the entry of the whole vhost.
func (l *lister) app(vhost, app string, spec resource.Spec, why string) {
	f := provider.Found{
		ID:   resource.ID{Account: l.search.Account, Kind: KindRelaySource, Key: vhost + "/" + app},
		Spec: spec, Obstacle: why,
	}
	switch {
	case global(app):
		f.Obstacle = strings.TrimPrefix(why+"; this is the entry of the whole vhost, which weir does not manage", "; ")
	case spec != "":
		if _, err := normal(spec); err != nil {
			f.Obstacle = err.Error()
		}
	}
	l.book.Find(f)
}
