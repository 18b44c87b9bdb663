package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"weir/sync/config"
	"weir/sync/daemon"
	"weir/sync/resource"
)

// observationsTimeout bounds the transfer of the daemon's observations.
const observationsTimeout = 30 * time.Second

// identityOfAll tells what a configuration works on from all else.
func identityOfAll(ctx context.Context, cfg *config.Config, store memory) (daemon.Identity, error) {
	id, err := store.ID(ctx)
	if err != nil {
		return daemon.Identity{}, err
	}
	out := daemon.Identity{State: id, Accounts: map[string]string{}}
	for _, a := range cfg.Accounts {
		if of, known := identityOf(a); known {
			sum := sha256.Sum256([]byte(of.String() + " " + a.Region))
			out.Accounts[a.Name] = hex.EncodeToString(sum[:])[:keyShown]
		}
	}
	return out, nil
}

// takeOver lets one's plan use the daemon's observations that are at most age old.
func (a *app) takeOver(ctx context.Context, one *oneShot, age time.Duration) error {
	var list []resource.Observation
	strange := map[string]bool{} // accounts that are others there
	var head daemon.ObservationsHead
	accept := func(h daemon.ObservationsHead) error {
		head = h
		for name := range one.identity.Accounts {
			if h.Accounts[name] != one.identity.Accounts[name] {
				strange[name] = true
			}
		}
		return matches(h, one.identity)
	}
	d := daemonOf(one.cfg)
	err := readObservations(ctx, d, accept, func(o resource.Observation) {
		if head.Now.Sub(o.At) <= age && !strange[o.ID.Account] && one.identity.Accounts[o.ID.Account] != "" {
			list = append(list, o)
		}
	})
	if err != nil {
		return fmt.Errorf("--cached: the observations of the daemon on %s: %w; without --cached everything is read now",
			d.name, err)
	}
	if len(strange) > 0 {
		fmt.Fprintf(a.errs, "the daemon on %s has other accounts of these names, or none: %s; they are read now\n",
			d.name, strings.Join(slices.Sorted(maps.Keys(strange)), ", "))
	}
	one.rec.TakeOver(slices.Values(list))
	return nil
}

// matches refuses the observations of a daemon that may mean something else.
func matches(h daemon.ObservationsHead, of daemon.Identity) error {
	if h.State != of.State {
		return errors.New("it has another state than this configuration")
	}
	if here := version().Version; h.Version != here {
		return fmt.Errorf("it is weir %s, and this is %s", h.Version, here)
	}
	return nil
}

func readObservations(
	ctx context.Context, d *askedDaemon, accept func(daemon.ObservationsHead) error, keep func(resource.Observation),
) error {
	ctx, cancel := context.WithTimeout(ctx, observationsTimeout)
	defer cancel()
	body, err := d.ask(ctx, http.MethodGet, "/api/v1/observations", http.StatusOK)
	if err != nil {
		return err
	}
	defer body.Close()
	return daemon.ReadObservations(body, accept, keep)
}

// tellCached says how much of the plan was not read for it.
func (a *app) tellCached(one *oneShot) {
	c := one.rec.Cached()
	if c == nil {
		return
	}
	total := one.plan.Len()
	fmt.Fprintf(a.errs, "%d of %s as the daemon on %s saw them", c.Resources, plural(total, "resource"), askedAs(one.cfg))
	if c.Resources > 0 {
		fmt.Fprintf(a.errs, ", the oldest %s", since(c.Oldest))
	}
	fmt.Fprintf(a.errs, "; %d read now\n", total-c.Resources)
}
