package statetest

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"weir/sync/state"
)

// consent is a consent that was just given, for a quarter of an hour.
func consent(plan string) state.Consent {
	return state.Consent{Plan: plan, Given: epoch(), Expires: epoch().Add(15 * time.Minute), By: "ann@host"}
}

func expectConsents(t *testing.T, s state.Store, want ...state.Consent) {
	t.Helper()
	got, err := s.Consents(context.Background())
	noError(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("consents\ngot  %+v\nwant %+v", got, want)
	}
}

func consentOnce(t *testing.T, s state.Store) {
	ctx := context.Background()
	if err := s.UseConsent(ctx, "9a7d", epoch(), "host:1"); !errors.Is(err, state.ErrNoConsent) {
		t.Errorf("a consent nobody gave: %v", err)
	}
	noError(t, s.Consent(ctx, consent("9a7d")))
	if err := s.UseConsent(ctx, "other", epoch(), "host:1"); !errors.Is(err, state.ErrNoConsent) {
		t.Errorf("another plan's consent: %v", err)
	}
	for name, at := range map[string]time.Time{"before": epoch().Add(-time.Second), "at its end": consent("").Expires} {
		if err := s.UseConsent(ctx, "9a7d", at, "host:1"); !errors.Is(err, state.ErrNoConsent) {
			t.Errorf("used %s: %v", name, err)
		}
	}
	later := consent("9a7d") // given again before it was used
	later.Given, later.Expires = epoch().Add(time.Hour), epoch().Add(2*time.Hour)
	noError(t, s.Consent(ctx, later))
	noError(t, s.UseConsent(ctx, "9a7d", later.Given, "host:1"))
	if err := s.UseConsent(ctx, "9a7d", later.Given, "host:2"); !errors.Is(err, state.ErrClaimed) {
		t.Errorf("used twice: %v", err)
	}
	if err := s.Consent(ctx, later); !errors.Is(err, state.ErrClaimed) {
		t.Errorf("given again after it was used: %v", err)
	}
	noError(t, s.Consent(ctx, consent("1234")))
	later.Used, later.UsedBy = later.Given, "host:1"
	expectConsents(t, s, consent("1234"), later)
}

func consentRefuses(t *testing.T, s state.Store) {
	for name, c := range map[string]state.Consent{
		"no plan": consent(""), "no time": {Plan: "p"}, "no end": {Plan: "p", Given: epoch(), Expires: epoch()},
	} {
		if err := s.Consent(context.Background(), c); err == nil {
			t.Errorf("%s: was written", name)
		}
	}
	expectConsents(t, s)
}

func claimOnce(t *testing.T, s state.Store) {
	ctx := context.Background()
	noError(t, s.Claim(ctx, "plan 1", epoch(), "host:1"))
	noError(t, s.Claim(ctx, "plan 2", time.Time{}, ""))
	if err := s.Claim(ctx, "plan 1", epoch(), "host:2"); !errors.Is(err, state.ErrClaimed) {
		t.Errorf("claimed twice: %v", err)
	}
	if err := s.Claim(ctx, "", epoch(), "host:2"); err == nil || errors.Is(err, state.ErrClaimed) {
		t.Errorf("a claim without a name: %v", err)
	}
}

// raceForConsent has two handles use one consent and one claim many times over.
func raceForConsent(t *testing.T, one, two state.Store) {
	ctx := context.Background()
	noError(t, one.Consent(ctx, consent("9a7d")))
	var used, claimed atomic.Int32
	done := make(chan struct{})
	for _, s := range []state.Store{one, two, one, two, one, two} {
		go func() {
			defer func() { done <- struct{}{} }()
			if s.UseConsent(ctx, "9a7d", epoch(), "host:1") == nil {
				used.Add(1)
			}
			if s.Claim(ctx, "plan 1", epoch(), "host:1") == nil {
				claimed.Add(1)
			}
		}()
	}
	for range 6 {
		<-done
	}
	if used.Load() != 1 || claimed.Load() != 1 {
		t.Errorf("consent used %d times, claimed %d times", used.Load(), claimed.Load())
	}
}
