package etcdstate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/etcd"
	"weir/sync/state"
)

// given is a consent as it is kept, and the random number of who used it.
type given struct {
	state.Consent
	own int64
}

// Consent writes that a person lets a plan through; see state.Store.
func (s *Store) Consent(ctx context.Context, c state.Consent) error {
	if err := errors.Join(state.CheckConsent(c), checkTimes(c.Given, c.Expires)); err != nil {
		return fmt.Errorf("write a consent: %w", err)
	}
	c.Used, c.UsedBy = time.Time{}, ""
	return s.onConsent(ctx, c.Plan, func(last given) (given, error) {
		if !last.Used.IsZero() {
			return last, state.ErrClaimed
		}
		return given{Consent: c}, nil
	})
}

// UseConsent uses the consent for a plan, once.
func (s *Store) UseConsent(ctx context.Context, plan string, at time.Time, by string) error {
	if err := checkTimes(at); err != nil {
		return fmt.Errorf("use a consent: %w", err)
	}
	own := nonce()
	return s.onConsent(ctx, plan, func(last given) (given, error) {
		switch {
		case !last.Used.IsZero() && last.own == own:
			return last, errOwn
		case !last.Used.IsZero():
			return last, state.ErrClaimed
		case !last.Holds(at):
			return last, state.ErrNoConsent
		}
		last.Used, last.UsedBy, last.own = at, by, own
		return last, nil
	})
}

// onConsent puts what change makes of the consent for a plan (zero where there is none)
// into its place.
func (s *Store) onConsent(ctx context.Context, plan string, change func(given) (given, error)) error {
	key := consentKey(plan)
	err := s.update(ctx, update{
		keys: []string{key}, tick: tickConsents, look: true,
		decide: func(v *view) ([]clientv3.Op, error) {
			last := given{Consent: state.Consent{Plan: plan}}
			if b := v.found(key); b != nil {
				var err error
				if last, err = readGiven(key, b, nil); err != nil {
					return nil, err
				}
			}
			next, err := change(last)
			if err != nil {
				return nil, err
			}
			return []clientv3.Op{clientv3.OpPut(s.key(key), consentValue(key, next))}, nil
		},
	})
	if err != nil {
		return fmt.Errorf("consent to plan %s: %w", plan, err)
	}
	return nil
}

// Consents returns every consent, the oldest first.
func (s *Store) Consents(ctx context.Context) ([]state.Consent, error) {
	consents, err := collect(ctx, s, consentsAt, readConsent)
	if err != nil {
		return nil, fmt.Errorf("read consents: %w", err)
	}
	slices.SortFunc(consents, compareConsents)
	return consents, nil
}

func compareConsents(a, b state.Consent) int {
	return cmp.Or(a.Given.Compare(b.Given), cmp.Compare(a.Plan, b.Plan))
}

func readConsent(key string, value []byte, w words) (state.Consent, error) {
	g, err := readGiven(key, value, w)
	return g.Consent, err
}

func consentValue(key string, g given) string {
	f := fields{}.times(g.Given, g.Expires).texts(g.By).times(g.Used).texts(g.UsedBy).numbers(g.own)
	return value(key, f)
}

func readGiven(key string, value []byte, w words) (g given, err error) {
	p := parse(key, value, w)
	g.Plan = etcd.Unescape(strings.TrimPrefix(key, consentsAt))
	g.Given, g.Expires, g.By = p.time(), p.time(), p.text()
	g.Used, g.UsedBy, g.own = p.time(), p.text(), p.number()
	return g, p.end()
}

// Claim writes that something begins that may happen once only.
func (s *Store) Claim(ctx context.Context, name string, at time.Time, by string) error {
	if err := errors.Join(state.CheckClaim(name), checkTimes(at)); err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	key, own := claimKey(name), nonce()
	put := clientv3.OpPut(s.key(key), claimValue(key, claimed{at: at, by: by, own: own}))
	err := s.update(ctx, update{
		keys: []string{key}, look: true,
		decide: func(v *view) ([]clientv3.Op, error) {
			b := v.found(key)
			if b == nil {
				return []clientv3.Op{put}, nil
			}
			if c, err := readClaim(key, b, nil); err != nil || c.own == own {
				return nil, cmp.Or(err, errOwn)
			}
			return nil, state.ErrClaimed
		},
	})
	if err != nil {
		return fmt.Errorf("claim %s: %w", name, err)
	}
	return nil
}

// claimed is a claim as it is kept, and the random number of who made it.
type claimed struct {
	name, by string
	at       time.Time
	own      int64
}

func claimValue(key string, c claimed) string {
	return value(key, fields{}.times(c.at).texts(c.by).numbers(c.own))
}

func readClaim(key string, value []byte, w words) (c claimed, err error) {
	p := parse(key, value, w)
	c.name = etcd.Unescape(strings.TrimPrefix(key, claimsAt))
	c.at, c.by, c.own = p.time(), p.text(), p.number()
	return c, p.end()
}
