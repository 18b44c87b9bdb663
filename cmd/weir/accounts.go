package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/sync/config"
	"weir/sync/state"
)

// keyShown is how many digits of the hash of a key's id tell keys apart.
const keyShown = 16

// identity is what tells one account of a cloud from another, as far as that
// is known without asking the cloud: a key belongs to one account only.
type identity struct {
	provider, endpoint, key string
}

// identityOf returns the identity of an account, false where its key cannot be
// read: without it nothing is called.
func identityOf(a config.Account) (identity, bool) {
	key, err := a.Keys.Read()
	if err != nil {
		return identity{}, false
	}
	sum := sha256.Sum256([]byte("weir account key " + key.ID))
	return identity{
		provider: a.Provider, endpoint: cmp.Or(a.Endpoint, "-"), key: hex.EncodeToString(sum[:])[:keyShown],
	}, true
}

func (i identity) String() string { return i.provider + " " + i.endpoint + " " + i.key }

// readIdentity reads what String wrote, false where it is something else.
func readIdentity(text string) (identity, bool) {
	parts := strings.Split(text, " ")
	if len(parts) != 3 {
		return identity{}, false
	}
	return identity{parts[0], parts[1], parts[2]}, true
}

// other says why now may be another account than the one of before, "" where
// it is the same. A new key alone is what a rotation looks like, as long as the
// store was here before.
func (i identity) other(before identity, moved bool) string {
	switch {
	case i.provider != before.provider:
		return fmt.Sprintf("it was an account of %s, and is one of %s", before.provider, i.provider)
	case i.key == before.key:
		return ""
	case i.endpoint != before.endpoint:
		return fmt.Sprintf("its key and its endpoint are others (%s before)", before.endpoint)
	case moved:
		return "its key is another, and the state comes from elsewhere"
	}
	return ""
}

// errOtherAccount is the error of an account that may not be the one whose
// changes the store remembers.
func errOtherAccount(name, why string) error {
	return fmt.Errorf("the state is of another account %s: %s; what it says was applied may never have been weir's here, "+
		"so nothing is done: use another state, or say `weir accept-account %[1]s` if it is the same account",
		name, why)
}

// knownAccounts refuses a store that remembers changes to other accounts of
// the same names, and remembers those it meets for the first time.
func (b *builder) knownAccounts(ctx context.Context, cfg *config.Config, store memory) error {
	marks, err := store.Marks(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range cfg.Accounts {
		now, known := identityOf(a)
		if !known {
			continue // told by every call
		}
		i := slices.IndexFunc(marks, func(m state.Mark) bool {
			return m.Source == state.AccountSource+a.Name && m.Role == state.Identity
		})
		var before identity
		if i >= 0 {
			before, _ = readIdentity(marks[i].Revision)
		}
		errs = append(errs, b.knownAccount(ctx, store, a.Name, before, now))
	}
	if err := errors.Join(errs...); err != nil || !b.keeps {
		return err
	}
	return settleIn(ctx, store)
}

func (b *builder) knownAccount(ctx context.Context, store memory, name string, before, now identity) error {
	if now == before {
		return nil
	}
	if before != (identity{}) {
		if why := now.other(before, moved(store)); why != "" {
			return errOtherAccount(name, why)
		}
		b.log.Log(ctx, slog.LevelInfo, "an account has another key or endpoint", "account", name, "endpoint", now.endpoint)
	}
	if !b.keeps {
		return nil
	}
	return rememberAccount(ctx, store, name, now)
}

func rememberAccount(ctx context.Context, store state.Store, name string, now identity) error {
	return store.SetMark(ctx, state.Mark{
		Source: state.AccountSource + name, Role: state.Identity, Revision: now.String(), At: time.Now(),
	})
}

func (a *app) acceptAccountCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "accept-account NAME",
		Short: "Say that an account is the one whose changes the state remembers",
		Long: "A state that was made with another account of the same name is not used: what it says was applied may never\n" +
			"have been weir's in this one. Where key and endpoint have both changed, or the state was moved to another host\n" +
			"and the key has changed, weir cannot tell whether the account is the same; accept-account says that it is.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.acceptAccount(cmd.Context(), args[0]) },
	}
}

func (a *app) acceptAccount(ctx context.Context, name string) error {
	cfg, store, err := a.openState(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = store.Shut() }()
	var names []string
	for _, acc := range cfg.Accounts {
		names = append(names, acc.Name)
		if acc.Name != name {
			continue
		}
		now, known := identityOf(acc)
		if !known {
			return fmt.Errorf("account %s: its key cannot be read as accounts[].credentials says; `weir diff` tells why", name)
		}
		if err := rememberAccount(ctx, store, name, now); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s: accepted; what the state remembers counts as applied to it\n", name)
		return nil
	}
	return unknown(fmt.Sprintf("weir.yaml has no account %q", name), name, names)
}
