package providertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/resource"
)

// list checks a provider that is a provider.Lister: all that stands in the
// cloud is found, and what was found, once declared, is in sync.
func (s Suite) list(t *testing.T) {
	if s.lister() == nil {
		t.Skip("the provider is no Lister")
	}
	for name, check := range map[string]func(*testing.T){
		"Standing": s.listStanding, "Nothing": s.listNothing, "Down": s.listDown, "Canceled": s.listCanceled,
		"UnknownDomain": s.listUnknown,
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, check) })
	}
}

// lister returns a fresh provider, nil where it is no Lister.
func (s Suite) lister() provider.Lister {
	l, _ := s.New().(provider.Lister)
	return l
}

// lists returns what a List finds, its requests checked.
func (s Suite) lists(t *testing.T, c call.Caller, search provider.Search) provider.Listing {
	t.Helper()
	p := s.New()
	search.Account = s.Account
	rec := &recorder{next: call.Withhold(c, p.Reads())}
	found, err := s.lister().List(t.Context(), rec, search)
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	for _, req := range rec.requests() {
		s.request(t, p, req)
	}
	s.quiet(t, encode(found))
	return found
}

// listStanding makes every sample, then finds them: by the cloud's own list of
// domains, and by domains that are named.
func (s Suite) listStanding(t *testing.T) {
	c := spaced(s.caller(t, s.Cloud()))
	for _, one := range s.Samples {
		l := &life{T: t, suite: s, id: one.ID, provider: s.New(), caller: c}
		l.kind = l.provider.Kinds()[one.ID.Kind]
		l.declare(s.desired(t, one, one.Spec))
	}
	time.Sleep(s.Lag)
	var named provider.Search
	for _, r := range s.all(t) {
		named.Domains = append(named.Domains, r.ID.Part(0))
	}
	for name, search := range map[string]provider.Search{"listed": {}, "named": named, "known": {Known: named.Domains}} {
		found := s.lists(t, c, search)
		if len(found.Unread) > 0 {
			t.Errorf("%s: unread %+v", name, found.Unread)
		}
		s.findsStanding(t, c, found)
	}
}

// findsStanding holds what was found against what Observe sees of the samples.
func (s Suite) findsStanding(t *testing.T, c call.Caller, found provider.Listing) {
	t.Helper()
	free := map[resource.ID]resource.Spec{}
	for i, f := range found.Found {
		if i > 0 && resource.Compare(found.Found[i-1].ID, f.ID) > 0 {
			t.Errorf("%s stands behind %s", f.ID, found.Found[i-1].ID)
		}
		if f.Obstacle == "" {
			free[f.ID] = f.Spec
			s.settled(t, c, resource.Resource{ID: f.ID, Spec: f.Spec})
		}
	}
	seen, err := s.New().Observe(t.Context(), c, s.all(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range seen {
		if o.Exists && s.New().Kinds()[o.ID.Kind].Readable && free[o.ID] == "" {
			t.Errorf("%s stands in the cloud and was not found", o.ID)
		}
	}
}

// settled checks that nothing is to be done about r once it is declared.
func (s Suite) settled(t *testing.T, c call.Caller, r resource.Resource) {
	t.Helper()
	kind := s.New().Kinds()[r.ID.Kind]
	if normal, err := kind.Normal(r.Spec); err != nil || normal != r.Spec {
		t.Errorf("%s: normal form of %s is %s, %v", r.ID, r.Spec, normal, err)
	}
	seen, err := s.New().Observe(t.Context(), c, []resource.Resource{r})
	if err != nil || len(seen) != 1 {
		t.Fatal(seen, err)
	}
	v := kind.Judge(plan.Case{ID: r.ID, Want: &r, Seen: &seen[0], Now: time.Now()})
	if v.Action != plan.None || v.State != plan.InSync {
		t.Errorf("%s as it was found: verdict %+v, want it in sync", r.ID, v)
	}
}

func (s Suite) listNothing(t *testing.T) {
	kinds := s.New().Kinds()
	for _, f := range s.lists(t, spaced(s.caller(t, s.Cloud())), provider.Search{}).Found {
		if f.Obstacle == "" && kinds[f.ID.Kind].Readable {
			t.Errorf("found %+v in a cloud that holds nothing", f)
		}
	}
	rec := &recorder{next: s.caller(t, s.Cloud())}
	search := provider.Search{Account: s.Account, Kinds: []string{"NoSuchKind"}}
	found, err := s.lister().List(t.Context(), rec, search)
	if err != nil || len(found.Found) > 0 || len(rec.requests()) > 0 {
		t.Errorf("no kind asked for: %+v, %v after %s", found, err, encode(rec.requests()))
	}
}

// listUnknown names a domain that no cloud has, beside one that it has.
func (s Suite) listUnknown(t *testing.T) {
	const none = "no-such-domain.invalid"
	domain := s.Samples[0].ID.Part(0)
	found := s.lists(t, spaced(s.caller(t, s.Cloud())), provider.Search{Domains: []string{none, domain}})
	if len(found.Unread) != 1 || found.Unread[0].Domain != none || !found.Unread[0].Absent {
		t.Errorf("unread %+v, want %s absent", found.Unread, none)
	}
	if found = s.lists(t, spaced(s.caller(t, s.Cloud())), provider.Search{Known: []string{none}}); len(found.Unread) > 0 {
		t.Errorf("unread %+v of a domain that was only heard of", found.Unread)
	}
}

// listDown asks a cloud that answers nothing: that is no empty account.
func (s Suite) listDown(t *testing.T) {
	down := s.caller(t, &breaking{next: s.Cloud(), how: failing(errReset)})
	if found := s.lists(t, down, provider.Search{}); len(found.Unread) == 0 || len(found.Found) > 0 {
		t.Errorf("a cloud that is down lists %+v", found)
	}
	domain := s.Samples[0].ID.Part(0)
	found := s.lists(t, down, provider.Search{Domains: []string{domain}})
	if !slices.ContainsFunc(found.Unread, func(u provider.Unread) bool { return u.Domain == domain && !u.Absent }) {
		t.Errorf("unread %+v, want %s", found.Unread, domain)
	}
}

func (s Suite) listCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.lister().List(ctx, s.caller(t, s.Cloud()), provider.Search{Account: s.Account})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want it canceled", err)
	}
}
