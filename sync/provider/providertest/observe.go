package providertest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"weir/sync/call"
	"weir/sync/provider"
	"weir/sync/resource"
)

// observe checks the reads: none for nothing, one observation for each
// resource in the order asked, the trouble of one not spread to others, and an
// end when the context ends.
func (s Suite) observe(t *testing.T) {
	for name, check := range map[string]func(*testing.T){
		"Nothing": s.observeNothing, "InOrder": s.observeInOrder, "DryRun": s.observeDry, "AsPriced": s.observePriced,
		"TroubleStaysWhereItIs": s.observeTrouble, "Canceled": s.observeCanceled, "Unavailable": s.observeDown,
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, check) })
	}
}

func (s Suite) observeNothing(t *testing.T) {
	rec := &recorder{next: s.caller(t, s.Cloud())}
	out, err := s.New().Observe(t.Context(), rec, nil)
	if err != nil || len(out) != 0 || len(rec.requests()) != 0 {
		t.Errorf("observations %v, error %v, calls %s", out, err, encode(rec.requests()))
	}
}

func (s Suite) observeInOrder(t *testing.T) {
	want := s.all(t)
	for range 2 {
		slices.Reverse(want)
		out, err := s.New().Observe(t.Context(), spaced(s.caller(t, s.Cloud())), want)
		if err != nil {
			t.Fatal(err)
		}
		s.matches(t, want, out)
		for _, o := range out {
			if o.Unreadable != "" || o.At.IsZero() {
				t.Errorf("observation %+v, want it read", o)
			}
		}
	}
}

// matches checks that there is one observation for each resource, in order.
func (s Suite) matches(t *testing.T, want []resource.Resource, out []resource.Observation) {
	t.Helper()
	if len(out) != len(want) {
		t.Fatalf("%d observations of %d resources", len(out), len(want))
	}
	for i, o := range out {
		if o.ID != want[i].ID {
			t.Errorf("observation %d is of %s, want %s", i, o.ID, want[i].ID)
		}
		if o.Exists && o.Spec == "" && s.New().Kinds()[o.ID.Kind].Readable {
			t.Errorf("observation %+v exists without a spec", o)
		}
		s.quiet(t, encode(o))
	}
}

// observeDry reads through the fence of a dry run.
func (s Suite) observeDry(t *testing.T) {
	p := s.New()
	out, err := p.Observe(t.Context(), call.Withhold(spaced(s.caller(t, s.Cloud())), p.Reads()), s.all(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		if o.Unreadable != "" {
			t.Errorf("observation %+v, want it read without a write", o)
		}
	}
}

// observePriced checks that Reads names the operations that Observe asks, for each
// resource alone and for all. How many calls of them, the cloud has a say in.
func (s Suite) observePriced(t *testing.T) {
	all := s.all(t)
	for _, r := range all {
		s.priced(t, []resource.Resource{r})
	}
	s.priced(t, all)
}

func (s Suite) priced(t *testing.T, want []resource.Resource) {
	t.Helper()
	p := s.New()
	rec := &recorder{next: s.caller(t, s.Cloud())}
	if _, err := p.Observe(t.Context(), spaced(rec), want); err != nil {
		t.Fatal(err)
	}
	price, made := map[string]bool{}, map[string]bool{}
	for _, r := range want {
		for _, req := range p.Kinds()[r.ID.Kind].Reads(r) {
			price[req.Operation] = true
		}
	}
	for _, req := range rec.requests() {
		if req.Write || req.Account != s.Account {
			t.Errorf("%s: to observe is to read", encode(req))
		}
		made[req.Operation] = true
	}
	if !maps.Equal(price, made) {
		t.Errorf("Reads names %v, Observe asks %v", price, made)
	}
	s.remembered(t, p, want)
}

// remembered checks that what a provider says it remembers is not asked again.
func (s Suite) remembered(t *testing.T, p provider.Provider, want []resource.Resource) {
	t.Helper()
	r, ok := p.(provider.Rememberer)
	if !ok {
		return
	}
	rec := &recorder{next: s.caller(t, s.Cloud())}
	if _, err := p.Observe(t.Context(), spaced(rec), want); err != nil {
		t.Fatal(err)
	}
	for _, req := range rec.requests() {
		if r.Remembers(req) {
			t.Errorf("%s is said to be remembered, and is asked again", encode(req))
		}
	}
}

// observeTrouble spoils the calls that name one sample's first part (its
// domain, its vhost). Resources whose own reads do not name it stay readable.
func (s Suite) observeTrouble(t *testing.T) {
	all := s.all(t)
	apart := 0
	for _, victim := range all {
		text := victim.ID.Part(0)
		out, err := s.New().Observe(t.Context(), spaced(spoiling(s.caller(t, s.Cloud()), text)), all)
		if err != nil {
			t.Fatal(err)
		}
		s.matches(t, all, out)
		for i, o := range out {
			if touched := s.touches(t, all[i], text); touched != (o.Unreadable != "") {
				t.Errorf("%s in trouble: %s is unreadable %q, want it unreadable: %t", text, o.ID, o.Unreadable, touched)
			} else if !touched {
				apart++
			}
		}
	}
	if apart == 0 {
		t.Error("no sample is apart from the others, so this checks nothing")
	}
}

// touches reports whether reading r alone names text.
func (s Suite) touches(t *testing.T, r resource.Resource, text string) bool {
	t.Helper()
	rec := &recorder{next: spaced(s.caller(t, s.Cloud()))}
	if _, err := s.New().Observe(t.Context(), rec, []resource.Resource{r}); err != nil {
		t.Fatal(err)
	}
	return rec.mentions(text)
}

func (s Suite) observeCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	all := s.all(t)
	out, err := s.New().Observe(ctx, s.caller(t, s.Cloud()), all)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want it canceled", err)
	}
	s.matches(t, all, out)
}

// observeDown reads a cloud that answers nothing: every resource that takes a
// read is unreadable, none is called absent.
func (s Suite) observeDown(t *testing.T) {
	all := s.all(t)
	down := &breaking{next: s.Cloud(), how: failing(errReset)}
	rec := &recorder{next: s.caller(t, down)}
	out, err := s.New().Observe(t.Context(), rec, all)
	if err != nil {
		t.Fatal(err)
	}
	s.matches(t, all, out)
	for _, o := range out {
		if s.New().Kinds()[o.ID.Kind].Readable && o.Unreadable == "" {
			t.Errorf("observation %+v of a cloud that is down", o)
		}
	}
}
