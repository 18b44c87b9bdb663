package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/schema"
	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/config"
	"weir/sync/manifest"
	"weir/sync/provider"
	"weir/sync/resource"
	"weir/sync/state"
)

type importFlags struct {
	accounts, kinds, domains []string // none: all
	out                      string   // folder, "-" for stdout
	all                      bool     // also what stands at its default
}

func (a *app) importCmd() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Write manifests for what the accounts hold now",
		Long: "import reads what stands in the accounts, whoever made it, and writes a file an account and kind:\n" +
			"DIR/ACCOUNT/KIND.yaml. `weir diff` of them shows no change. What cannot be declared as it stands, and what\n" +
			"cannot be read at all, is said in comments. No call has an effect, no file is overwritten, and what the\n" +
			"sources declare already is left out. Nothing imported is weir's to remove before it was applied.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.imports(cmd.Context(), f) },
	}
	cmd.Flags().StringSliceVar(&f.accounts, "account", nil, "only this `account` of weir.yaml; may be repeated")
	cmd.Flags().StringSliceVar(&f.kinds, "kind", nil, "only this `kind`; may be repeated")
	cmd.Flags().StringSliceVar(&f.domains, "domain", nil,
		"only this `domain` or vhost, and what is mapped to it, instead of all that the cloud lists; may be repeated")
	cmd.Flags().StringVar(&f.out, "out", "imported", "`folder` to write into, - for stdout")
	cmd.Flags().BoolVar(&f.all, "all", false, "also what stands at the cloud's default, as a MultiStream that is off")
	return cmd
}

func (a *app) imports(ctx context.Context, f importFlags) error {
	if err := a.format(); err != nil {
		return err
	}
	if f.out == "-" && a.output == "json" {
		return errors.New("--out - and --output json both want stdout")
	}
	cfg, err := a.readConfig()
	if err != nil {
		return err
	}
	accounts, err := f.chosen(cfg)
	if err != nil {
		return err
	}
	work, err := a.surveyor(ctx, cfg)
	if err != nil {
		return err
	}
	defer work.close()
	found, err := work.survey(ctx, accounts, f)
	if err != nil {
		return err
	}
	files := filesOf(cfg, found, work.declared, f.out)
	if err := a.deliver(files, f.out); err != nil {
		return err
	}
	return a.tellImport(cfg, found, files, f)
}

// chosen returns the accounts that have a kind asked for.
func (f importFlags) chosen(cfg *config.Config) ([]config.Account, error) {
	var names, kinds []string
	var out []config.Account
	for _, acc := range cfg.Accounts {
		names = append(names, acc.Name)
		if len(f.accounts) > 0 && !slices.Contains(f.accounts, acc.Name) {
			continue
		}
		own := slices.Sorted(maps.Keys(clouds()[acc.Provider].provider.Kinds()))
		kinds = append(kinds, own...)
		if len(f.kinds) == 0 || slices.ContainsFunc(own, func(k string) bool { return slices.Contains(f.kinds, k) }) {
			out = append(out, acc)
		}
	}
	for _, name := range f.accounts {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("--account %q: weir.yaml has %s%s", name, strings.Join(names, ", "), meant(name, names))
		}
	}
	slices.Sort(kinds)
	kinds = slices.Compact(kinds)
	for _, kind := range f.kinds {
		if !slices.Contains(kinds, kind) {
			return nil, fmt.Errorf("--kind %q: the accounts have %s%s", kind, strings.Join(kinds, ", "), meant(kind, kinds))
		}
	}
	return out, nil
}

// meant asks whether the nearest of the known was meant.
func meant(s string, known []string) string {
	if near := schema.Nearest(s, known); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return ""
}

// surveyor reads accounts, and knows what is declared and applied.
type surveyor struct {
	targets  map[string]apply.Target
	declared map[resource.ID]resource.Origin
	domains  map[string][]string // by account, from the sources and the state
	watch    func(account string, c call.Caller) (counted call.Caller, end func())
	close    func()
}

// surveyor opens what cfg names. Only reads get through to the clouds, at the
// pace of the quotas, as with diff.
func (a *app) surveyor(ctx context.Context, cfg *config.Config) (*surveyor, error) {
	log, err := a.logger()
	if err != nil {
		return nil, err
	}
	b := &builder{log: log, dryRun: true, limiters: call.Limiters{}}
	store, err := b.openMemory(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &surveyor{
		declared: map[resource.ID]resource.Origin{}, domains: map[string][]string{}, watch: a.listing,
		close: func() { _ = errors.Join(store.Shut(), b.fleet.leave(ctx)) },
	}
	s.targets, err = b.targets(ctx, cfg, apply.NewRecorder(store))
	if err == nil {
		err = s.remember(ctx, store)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	a.readDeclared(ctx, cfg, s)
	return s, nil
}

// remember learns domains from what was applied.
func (s *surveyor) remember(ctx context.Context, store state.Store) error {
	applied, err := store.Applied(ctx)
	for _, r := range applied {
		s.hear(r.ID)
	}
	return err
}

// hear learns a domain.
func (s *surveyor) hear(id resource.ID) {
	if domain := id.Part(0); domain != "" && !slices.Contains(s.domains[id.Account], domain) {
		s.domains[id.Account] = append(s.domains[id.Account], domain)
	}
}

// readDeclared learns what the sources declare. One that is not there yet
// declares nothing; of one with problems it takes what can be read and says so,
// since what it misses is at worst written twice, which validate tells.
func (a *app) readDeclared(ctx context.Context, cfg *config.Config, s *surveyor) {
	for _, root := range rootsOf(cfg, nil) {
		c := &checker{cfg: cfg, limits: limitsOf(cfg)}
		switch err := c.check(ctx, root); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			fmt.Fprintf(a.errs, "source %s cannot be read, so what it declares may be written again: %v\n", root.source.Name, err)
		case c.sum.Errors > 0:
			a.printProblems(c.sum.Problems)
			fmt.Fprintf(a.errs, "source %s has problems, so what it declares may be written again\n", root.source.Name)
		}
		for _, set := range c.sets {
			for r := range set.All() {
				s.declared[manifest.Fold(r.ID)] = r.Origin
				s.hear(r.ID)
			}
		}
	}
}

// surveyed is what one account holds.
type surveyed struct {
	account config.Account
	kinds   map[string]provider.Kind
	provider.Listing
}

// survey lists the accounts, one after the other.
func (s *surveyor) survey(ctx context.Context, accounts []config.Account, f importFlags) ([]surveyed, error) {
	var out []surveyed
	for _, acc := range accounts {
		target := s.targets[acc.Name]
		lister, ok := target.Provider.(provider.Lister)
		if !ok {
			return nil, fmt.Errorf("account %s: provider %s cannot list what it holds", acc.Name, acc.Provider)
		}
		caller, end := s.watch(acc.Name, target.Caller)
		l, err := lister.List(ctx, caller, provider.Search{
			Account: acc.Name, Kinds: f.kinds, Domains: f.domains, Known: s.domains[acc.Name], Defaults: f.all,
		})
		end()
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", acc.Name, err)
		}
		out = append(out, surveyed{acc, target.Provider.Kinds(), l})
	}
	forgiveElsewhere(out, f.domains)
	return out, nil
}

// forgiveElsewhere takes it for no failure that an account does not have a
// named domain which another has.
func forgiveElsewhere(all []surveyed, domains []string) {
	for _, domain := range domains {
		absent := func(u provider.Unread) bool { return u.Absent && strings.EqualFold(u.Domain, domain) }
		missing := 0
		for _, s := range all {
			if slices.ContainsFunc(s.Unread, absent) {
				missing++
			}
		}
		if missing == len(all) {
			continue
		}
		for i := range all {
			all[i].Unread = slices.DeleteFunc(all[i].Unread, absent)
		}
	}
}

// loaderFor returns what reads the files below out once they are written.
func loaderFor(cfg *config.Config, out string) *manifest.Loader {
	return manifest.New(manifestOptions(cfg, sourceOf(cfg, out)))
}
