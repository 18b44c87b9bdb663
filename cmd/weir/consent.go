package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"regexp"
	"time"

	"weir/sync/state"
)

// consentTime is how long a consent holds.
const consentTime = 15 * time.Minute

// planHash is the form of a plan's hash.
var planHash = regexp.MustCompile(`^[0-9a-f]{32}$`)

// consent writes that whoever calls lets the plan of that hash through, before
// the plan is made: a daemon that has it first uses it.
func (one *oneShot) consent(ctx context.Context, hash string) error {
	if hash == "" {
		return nil
	}
	if !planHash.MatchString(hash) {
		return fmt.Errorf("--consent %q: want the 32 hexadecimal digits of a plan's hash, as `weir diff` shows it", hash)
	}
	now := time.Now()
	err := one.store.Consent(ctx, state.Consent{Plan: hash, Given: now, Expires: now.Add(consentTime), By: person()})
	if errors.Is(err, state.ErrClaimed) {
		return one.usedBefore(ctx, hash)
	}
	return err
}

// release uses the consent for the plan that was made.
func (one *oneShot) release(ctx context.Context) error {
	err := one.rec.Release(ctx, one.plan)
	if errors.Is(err, state.ErrClaimed) {
		return one.handedOver(ctx, one.plan.Hash)
	}
	return err
}

// errHandedOver says that another process carries the plan out by this consent.
var errHandedOver = errors.New("it is carried out by the process that saw the consent first")

func (one *oneShot) handedOver(ctx context.Context, hash string) error {
	c, err := one.given(ctx, hash)
	if err != nil {
		return err
	}
	return fmt.Errorf("plan %s: %w, %s; see `weir status` for what becomes of it", hash, errHandedOver, c.UsedBy)
}

// otherPlan says what is wrong with a consent whose plan is not the one of now.
// The daemon is asked to look: it may have used it, or may have that plan.
func (one *oneShot) otherPlan(ctx context.Context, hash string) error {
	switch c, err := one.given(ctx, hash); {
	case err != nil:
		return err
	case !c.Used.IsZero():
		return one.handedOver(ctx, hash)
	}
	note := ""
	if askSync(ctx, daemonOf(one.cfg)) == nil {
		note = fmt.Sprintf("; the daemon was asked to look, and may use it for that plan within %s", consentTime)
	}
	return fmt.Errorf("consent is for plan %s, but the plan is now %s; look at `weir diff` again%s", hash, one.plan.Hash, note)
}

// usedBefore says when and by whom a consent was used.
func (one *oneShot) usedBefore(ctx context.Context, hash string) error {
	c, err := one.given(ctx, hash)
	if err != nil {
		return err
	}
	return fmt.Errorf("plan %s was let through at %s by process %s, and a consent is used once; "+
		"the same changes coming again are another plan: see `weir diff`",
		hash, c.Used.UTC().Format(time.RFC3339), c.UsedBy)
}

// given returns the consent for a plan, zero where there is none.
func (one *oneShot) given(ctx context.Context, hash string) (state.Consent, error) {
	consents, err := one.store.Consents(ctx)
	for _, c := range consents {
		if c.Plan == hash {
			return c, err
		}
	}
	return state.Consent{}, err
}

// person names whoever calls, as far as the machine knows.
func person() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}
