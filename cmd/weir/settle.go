package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"weir/sync/resource"
	"weir/sync/state"
)

func (a *app) settleCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "settle ID done|again",
		Short: "Say how an act ended whose outcome weir cannot know, or end a fight",
		Long: "An act that must not happen twice (a prefetch, a restart) and whose answer was lost is left alone until\n" +
			"a person has looked: `done` says that it happened, `again` that it did not and may be done.\n" +
			"A resource that somebody changed back each time weir had put it back is left alone as well: `again` has\n" +
			"weir put it back once more, and forget how often it did.",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return a.settle(cmd.Context(), args[0], args[1]) },
	}
}

func (a *app) settle(ctx context.Context, name, how string) error {
	id, err := resource.ParseID(name)
	if err != nil {
		return err
	}
	if how != "done" && how != "again" {
		return fmt.Errorf("%q: want done or again: done says that it happened, again that it did not and may be done", how)
	}
	_, store, err := a.openState(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = store.Shut() }()
	acts, err := store.Acts(ctx)
	if err != nil {
		return err
	}
	settled := 0
	for _, act := range acts {
		if act.ID != id || !act.InDoubt() {
			continue
		}
		if under, err := underWay(ctx, store, act, time.Now()); err != nil || under {
			return cmp.Or(err, fmt.Errorf("act %q was begun at %s and may be under way; look again in a minute",
				act.Name, act.Begun.Format(time.RFC3339)))
		}
		if how == "done" {
			act.Done = time.Now()
		}
		if err := store.Settle(ctx, act); err != nil {
			return fmt.Errorf("act %q: %w", act.Name, err)
		}
		settled++
		fmt.Fprintf(a.out, "%s: %s is settled as %s\n", id, act.Name, how)
	}
	if how == "again" {
		calmed, err := a.calm(ctx, store, id)
		if err != nil || calmed {
			return err
		}
	}
	if settled == 0 {
		return fmt.Errorf("%s has no act in doubt, and weir has not stopped putting it back; `weir status` lists both", id)
	}
	return nil
}

// calm forgets how often weir has put a resource back, and reports whether it
// ever did.
func (a *app) calm(ctx context.Context, store state.Store, id resource.ID) (bool, error) {
	records, err := store.Applied(ctx)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(records, func(r resource.Applied) bool { return r.ID == id && len(r.Heals) > 0 })
	if i < 0 {
		return false, nil
	}
	records[i].Heals = nil
	if err := store.Save(ctx, records[i]); err != nil {
		return false, err
	}
	fmt.Fprintf(a.out, "%s: what is changed there is put back again\n", id)
	return true, nil
}

// underWay reports whether the call of an act may not have ended yet: what is
// settled then would be done twice. A call that was not written down a minute
// after it began never will be, since its process is dead.
func underWay(ctx context.Context, store state.Store, act resource.Act, now time.Time) (bool, error) {
	if now.Sub(act.Begun) > time.Minute {
		return false, nil
	}
	calls, err := store.Journal(ctx, state.Query{Resource: act.ID.String(), Since: act.Begun, Writes: true})
	open := func(e state.Entry) bool { return e.Outcome.Closed.IsZero() }
	return len(calls) == 0 || slices.ContainsFunc(calls, open), err
}
