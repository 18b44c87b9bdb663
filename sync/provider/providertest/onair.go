package providertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"weir/sync/call"
	"weir/sync/plan"
)

// onAir checks how a provider tells what is on air: one answer a change, by
// documented reads, and never "nothing" where it could not be read.
func (s Suite) onAir(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := s.interruptions(t)
		if len(changes) == 0 {
			t.Skip("no change of the samples interrupts anything")
		}
		p := s.New()
		rec := &recorder{next: s.caller(t, s.Cloud())}
		if got := p.OnAir(context.Background(), spaced(rec), changes); len(got) != len(changes) {
			t.Fatalf("%d answers for %d changes", len(got), len(changes))
		}
		if len(rec.requests()) == 0 {
			t.Error("it was not read what is on air")
		}
		for _, req := range rec.requests() {
			if !slices.Contains(p.Reads(), req.Operation) {
				t.Errorf("%s is no read", req.Operation)
			}
			s.request(t, p, req)
		}
		s.unknownIsOnAir(t, changes)
		s.airing(t, changes)
	})
}

// airing checks that a kind names the reads that are made about a change.
func (s Suite) airing(t *testing.T, changes []plan.Change) {
	t.Helper()
	for _, c := range changes {
		p := s.New()
		rec := &recorder{next: s.caller(t, s.Cloud())}
		p.OnAir(context.Background(), spaced(rec), []plan.Change{c})
		if got, want := rec.requests(), p.Kinds()[c.ID.Kind].Airing(c); encode(got) != encode(want) {
			t.Errorf("%s: it asks %s, and says that it asks %s", c.ID, encode(got), encode(want))
		}
	}
}

// unknownIsOnAir checks that a read that fails, or is cut short, is no answer.
func (s Suite) unknownIsOnAir(t *testing.T, changes []plan.Change) {
	t.Helper()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	failing := func(answer *call.Response, err error) call.Caller {
		return call.Func(func(context.Context, *call.Request) (*call.Response, error) { return answer, err })
	}
	for name, c := range map[string]call.Caller{
		"refused":     failing(nil, &call.Error{Code: call.Denied, Message: "no"}),
		"no answer":   failing(nil, &call.Error{Code: call.Unknown, Err: errors.New("reset")}),
		"empty":       failing(&call.Response{Body: []byte(`{}`)}, nil),
		"garbage":     failing(&call.Response{Body: []byte(`<html>`)}, nil),
		"nothing":     failing(&call.Response{}, nil),
		"another API": failing(&call.Response{Body: []byte(`{"Result":[1,2],"TotalNum":"x"}`)}, nil),
	} {
		for i, why := range s.New().OnAir(ended, c, changes) {
			if why == "" {
				t.Errorf("%s: %s is off air", name, changes[i].ID)
			}
		}
	}
}

// interruptions returns the changes of all samples that interrupt something, one
// a resource.
func (s Suite) interruptions(t *testing.T) []plan.Change {
	t.Helper()
	var out []plan.Change
	for _, one := range s.Samples {
		kind := s.New().Kinds()[one.ID.Kind]
		c := s.cases(t, one)["removed"]
		ch := change(c, kind.Judge(c))
		if kind.Interrupts != nil && kind.Interrupts(ch) {
			out = append(out, ch)
		}
	}
	return out
}
