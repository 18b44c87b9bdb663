package statetest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"weir/sync/state"
)

// Consent writes that a person lets a plan through; see state.Store.
func (m *Memory) Consent(ctx context.Context, c state.Consent) error {
	if err := cmp.Or(ctx.Err(), state.CheckConsent(c)); err != nil {
		return err
	}
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if !m.given[c.Plan].Used.IsZero() {
		return fmt.Errorf("consent to plan %s: %w", c.Plan, state.ErrClaimed)
	}
	m.wrote()
	m.given[c.Plan] = state.Consent{Plan: c.Plan, Given: stored(c.Given), Expires: stored(c.Expires), By: c.By}
	return nil
}

// Consents returns every consent, the oldest first.
func (m *Memory) Consents(ctx context.Context) ([]state.Consent, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.everyConsent(), nil
}

func (m *Memory) everyConsent() []state.Consent {
	return slices.SortedFunc(maps.Values(m.given), func(a, b state.Consent) int {
		return cmp.Or(a.Given.Compare(b.Given), cmp.Compare(a.Plan, b.Plan))
	})
}

// UseConsent uses the consent for a plan, once.
func (m *Memory) UseConsent(ctx context.Context, plan string, at time.Time, by string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	c := m.given[plan]
	switch {
	case !c.Used.IsZero():
		return fmt.Errorf("consent to plan %s: %w", plan, state.ErrClaimed)
	case !c.Holds(at):
		return fmt.Errorf("consent to plan %s: %w", plan, state.ErrNoConsent)
	}
	c.Used, c.UsedBy = stored(at), by
	m.given[plan] = c
	m.wrote()
	return nil
}

// Claim writes that something begins that may happen once only.
func (m *Memory) Claim(ctx context.Context, name string, at time.Time, by string) error {
	if err := cmp.Or(ctx.Err(), state.CheckClaim(name)); err != nil {
		return err
	}
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if _, claimed := m.claims[name]; claimed {
		return fmt.Errorf("claim %s: %w", name, state.ErrClaimed)
	}
	m.claims[name] = state.NewClaimed(name, at, by)
	return nil
}
