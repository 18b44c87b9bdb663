package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/sync/config"
	"weir/sync/state"
)

// leastHash is how many digits of a commit's hash must be given.
const leastHash = 7

func (a *app) acceptCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "accept-rewrite HASH",
		Short: "Consent to a rewritten history: let a source go on at a held commit",
		Long: "A branch whose head does not follow the commit that was accepted last (a force-push, a deleted or replaced\n" +
			"branch) is held: the old revision stays in force. accept-rewrite consents to exactly the commit that is held;\n" +
			"its hash is in the message, in `weir status` and on the page. Seven digits of it are enough.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.accept(cmd.Context(), args[0]) },
	}
}

func (a *app) accept(ctx context.Context, hash string) error {
	hash = strings.ToLower(hash)
	if len(hash) < leastHash || strings.Trim(hash, "0123456789abcdef") != "" {
		return fmt.Errorf("%q: want at least %d digits of a commit's hash, as `weir status` shows it", hash, leastHash)
	}
	cfg, store, err := a.openState(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = store.Shut() }()
	found, err := heldAt(ctx, cfg, store, hash)
	if err != nil {
		return err
	}
	now := time.Now()
	accepted := state.Mark{Source: found.Source, Role: state.Accepted, Revision: found.Revision, At: now}
	if err := store.SetMark(ctx, accepted); err != nil {
		return err
	}
	if err := store.SetMark(ctx, state.Mark{Source: found.Source, Role: state.Held, At: now}); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s: accepted at %s\n", found.Source, found.Revision)
	d := daemonOf(cfg)
	if err := askSync(ctx, d); err != nil {
		fmt.Fprintf(a.errs, "no daemon answers on %s: it will be seen at the next look (%v)\n", d.name, err)
	}
	return nil
}

// heldAt returns the one mark of a configured source that is held at a commit
// whose hash begins so.
func heldAt(ctx context.Context, cfg *config.Config, store state.Store, hash string) (state.Mark, error) {
	marks, err := store.Marks(ctx)
	if err != nil {
		return state.Mark{}, err
	}
	known := map[string]bool{}
	for _, s := range cfg.Sources {
		known[follows(s)] = true
	}
	var found []state.Mark
	var all []string
	for _, m := range marks {
		if m.Role != state.Held || !known[m.Source] {
			continue
		}
		all = append(all, m.Revision)
		if strings.HasPrefix(m.Revision, hash) {
			found = append(found, m)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return state.Mark{}, fmt.Errorf("%d sources are held at a commit that begins with %s; give more digits", len(found), hash)
	case len(all) == 0:
		return state.Mark{}, errors.New("no source is held for its history; `weir status` says what each has in force, and why")
	}
	return state.Mark{}, fmt.Errorf("no source is held at %s; held are %s", hash, strings.Join(all, ", "))
}

// askSync asks the daemon, if there is one, to look at its sources now.
func askSync(ctx context.Context, d *askedDaemon) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	body, err := d.ask(ctx, http.MethodPost, "/api/v1/sync", http.StatusAccepted)
	if err != nil {
		return err
	}
	return body.Close()
}
