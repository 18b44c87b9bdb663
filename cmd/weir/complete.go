package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// mostCompletions bounds what a shell is given: nobody reads more.
const mostCompletions = 1000

// complete teaches the shells the arguments and flags of the commands below
// root. It goes by their names, so that a command knows nothing of shells.
func (a *app) complete(root *cobra.Command) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	arguments := map[string]cobra.CompletionFunc{
		"blame": a.firstOf(a.knownIDs), "bisect": a.firstOf(a.knownIDs), "status": a.firstOf(a.knownIDs),
		"settle": a.settleWords, "explain": a.firstOf(func(*cobra.Command) []string { return codeNames() }),
		"accept-account": a.firstOf(a.accountNames),
	}
	files := []string{"validate", "apply", "history", "rollback", "man"}
	values := map[string]func(*cobra.Command) []string{
		"output": outputs, "resource": a.knownIDs, "account": a.accountNames, "source": a.sourceNames,
		"log-format": func(*cobra.Command) []string { return []string{"text", "json"} },
		"wait-for":   func(*cobra.Command) []string { return waitWords() },
		"log-level":  func(*cobra.Command) []string { return []string{"debug", "info", "warn", "error"} },
	}
	completeFlags(root, root.PersistentFlags(), values)
	for _, cmd := range root.Commands() {
		if words, ok := arguments[cmd.Name()]; ok {
			cmd.ValidArgsFunction = words
		}
		if slices.Contains(files, cmd.Name()) {
			cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveDefault)
		}
		completeFlags(cmd, cmd.LocalNonPersistentFlags(), values)
	}
}

// completeFlags gives each flag of set its values: those under its name, or
// files where its usage calls what it takes a file or a folder.
func completeFlags(cmd *cobra.Command, set *pflag.FlagSet, values map[string]func(*cobra.Command) []string) {
	set.VisitAll(func(f *pflag.Flag) {
		words, directive := values[f.Name], cobra.ShellCompDirectiveNoFileComp
		switch takes, _ := pflag.UnquoteUsage(f); takes {
		case "file":
			directive = cobra.ShellCompDirectiveDefault
		case "directory", "folder":
			directive = cobra.ShellCompDirectiveFilterDirs
		}
		// It fails only where a flag is given its values twice, or there is none.
		_ = cmd.RegisterFlagCompletionFunc(f.Name,
			func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
				if words == nil {
					return nil, directive
				}
				return beginning(words(cmd), begun), directive
			})
	})
}

// outputs are the formats of a command.
func outputs(cmd *cobra.Command) []string {
	words := []string{"text", "json"}
	switch cmd.Name() {
	case "validate":
		words = append(words, "github", "sarif")
	case "diff":
		words = append(words, "github", "markdown")
	}
	return words
}

// beginning returns the words that begin as what was typed.
func beginning(words []string, begun string) []string {
	var out []string
	for _, w := range words {
		if strings.HasPrefix(w, begun) && len(out) < mostCompletions {
			out = append(out, w)
		}
	}
	return out
}

// firstOf completes the first argument, and none after it.
func (a *app) firstOf(words func(*cobra.Command) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return beginning(words(cmd), begun), cobra.ShellCompDirectiveNoFileComp
	}
}

func (a *app) settleWords(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 1 {
		return beginning([]string{"done", "again"}, begun), cobra.ShellCompDirectiveNoFileComp
	}
	return a.firstOf(a.knownIDs)(cmd, args, begun)
}

// knownIDs are the identities of what weir remembers applying. The state is
// only read; a shell that asks where there is none gets none.
func (a *app) knownIDs(cmd *cobra.Command) []string {
	store, err := a.openJournal(cmd.Context())
	if err != nil {
		return nil
	}
	defer func() { _ = store.Shut() }()
	records, err := store.Applied(cmd.Context())
	if err != nil {
		return nil
	}
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = r.ID.String()
	}
	slices.Sort(ids)
	return ids
}

func (a *app) accountNames(*cobra.Command) []string {
	var names []string
	if cfg, err := a.readConfig(); err == nil {
		for _, account := range cfg.Accounts {
			names = append(names, account.Name)
		}
	}
	return names
}

func (a *app) sourceNames(*cobra.Command) []string {
	var names []string
	if cfg, err := a.readConfig(); err == nil {
		for _, source := range cfg.Sources {
			names = append(names, source.Name)
		}
	}
	return names
}
