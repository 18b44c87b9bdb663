package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/sync/config"
	"weir/sync/state"
	"weir/sync/state/etcdstate"
	"weir/sync/state/sqlitestate"
)

func (a *app) stateCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "state", Short: "Move what weir remembers to another place, or say that it belongs where it is"}
	cmd.AddCommand(a.migrateCmd(), a.adoptCmd())
	return cmd
}

func (a *app) migrateCmd() *cobra.Command {
	from, back := "", false
	cmd := &cobra.Command{
		Use:   "migrate --from OLD.yaml",
		Short: "Take the state of another configuration over: from a file into etcd, or back",
		Long: "migrate copies all that the state of OLD.yaml holds (what was applied, acts, consents, the journal and its\n" +
			"chain) into the state of --config, which must hold nothing, and holds the two against each other. The old\n" +
			"state is retired first: nobody writes it any more. Nobody may be using either: stop the daemons before, and\n" +
			"start them with the new configuration afterwards. Where anything fails the old state is in use again.\n" +
			"--back opens the state of --config again that was retired, without what was written elsewhere since.",
		Example: "  weir state migrate --from sqlite.yaml --config etcd.yaml\n  weir state migrate --back --config sqlite.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.format(); err != nil {
				return err
			}
			switch {
			case back:
				return a.migrateBack(cmd.Context())
			case from == "":
				return errors.New("--from OLD.yaml is missing: the configuration whose state is taken over into that of --config")
			}
			return a.migrate(cmd.Context(), from)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "configuration `file` whose state is taken over")
	cmd.Flags().BoolVar(&back, "back", false, "let the state of --config be written again, which was retired")
	cmd.MarkFlagsMutuallyExclusive("from", "back")
	return cmd
}

func (a *app) adoptCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "adopt",
		Short: "Say that a state in etcd belongs there, after a restore from a backup",
		Long: "A state that was written in another etcd cluster than the one it is in is not used [state-swapped]: a backup\n" +
			"does not know what was applied after it was made, nor which acts were done. adopt says that a person has\n" +
			"looked, and that it is to be gone on with. What weir applied since the backup counts as not weir's until it\n" +
			"is applied again, and is never removed; acts that were done since may be done again: look at them before.\n" +
			"No daemon may be running.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.adopt(cmd.Context()) },
	}
}

// keptAt is a state that is being moved.
type keptAt struct {
	cfg *config.Config
	memory
	state.Porter
}

// unused opens the state of a configuration file that nobody else is using.
func (a *app) unused(ctx context.Context, file string, existing bool) (k keptAt, err error) {
	other := *a
	other.config = file
	if k.cfg, err = other.readConfig(); err != nil {
		return k, err
	}
	if err := a.nobodyUses(ctx, k.cfg); err != nil {
		return k, err
	}
	log, err := a.logger()
	if err != nil {
		return k, err
	}
	if k.memory, err = openMemory(ctx, k.cfg, opening{existing: existing, log: log}); err != nil {
		return k, err
	}
	porter, ok := k.memory.(state.Porter)
	if !ok {
		return k, errors.Join(fmt.Errorf("what %s holds cannot be taken elsewhere", k.Path()), k.Shut())
	}
	k.Porter = porter
	return k, nil
}

// nobodyUses fails while another process uses the state of a configuration: a daemon
// would go on with a state that is another from one moment to the next.
func (a *app) nobodyUses(ctx context.Context, cfg *config.Config) error {
	if cfg.Etcd == nil {
		pid, err := sqlitestate.Holder(cfg.StatePath)
		if err == nil && pid != 0 {
			err = fmt.Errorf("state %s: process %d has it open; stop it before", cfg.StatePath, pid)
		}
		return err
	}
	names, err := a.members(ctx, cfg)
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("%s: it is used by %s; stop them before, or wait %s where they are gone",
			locationOf(cfg), strings.Join(names, ", "), cfg.Cluster.Lease)
	}
	return err
}

// members returns who else is in a cluster, for people.
func (a *app) members(ctx context.Context, cfg *config.Config) (names []string, err error) {
	log, err := a.logger()
	if err != nil {
		return nil, err
	}
	conn, err := connect(ctx, cfg, log, nil)
	if err != nil {
		return nil, err
	}
	f := &fleet{cfg: cfg, log: log, conn: conn}
	defer func() { err = errors.Join(err, f.leave(ctx)) }()
	if err := f.join(ctx, joining{command: "state", once: true}); err != nil {
		return nil, err
	}
	view := f.member.Load().View()
	for _, m := range view.Members {
		if m.ID != view.Self {
			names = append(names, m.Process+" on "+m.Name)
		}
	}
	return names, nil
}

// takenOver is what was taken from one state to another.
type takenOver struct {
	From   string         `json:"from"`
	To     string         `json:"to"`
	Counts map[string]int `json:"counts"` // by kind
	Heads  state.Heads    `json:"heads"`  // of the journal
}

func (a *app) migrate(ctx context.Context, file string) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	from, err := a.unused(ctx, file, true)
	if err != nil {
		return err
	}
	defer func() { _ = from.Shut() }()
	to, err := a.unused(ctx, a.config, false)
	if err != nil {
		return err
	}
	defer func() { _ = to.Shut() }()
	done, err := takeOver(ctx, from, to)
	if err != nil {
		return err
	}
	return a.tellTakenOver(done)
}

// takeOver retires a state and copies it. Where that fails it is in use as before.
func takeOver(ctx context.Context, from, to keptAt) (takenOver, error) {
	if err := fit(ctx, from, to); err != nil {
		return takenOver{}, err
	}
	if err := from.Retire(ctx, to.Path()); err != nil {
		return takenOver{}, err
	}
	done, err := carry(ctx, from, to)
	if err == nil {
		return done, nil
	}
	back := from.Retire(context.WithoutCancel(ctx), "")
	if back == nil {
		err = fmt.Errorf("%w; %s is in use again as before", err, from.Path())
	}
	return done, errors.Join(err, back)
}

// fit fails where a state cannot be taken over, before anything is changed.
func fit(ctx context.Context, from, to keptAt) error {
	if from.Path() == to.Path() {
		return fmt.Errorf("%s is the state of both configurations: there is nothing to take over", from.Path())
	}
	for _, k := range []keptAt{from, to} {
		if err := inUse(ctx, k.memory); err != nil {
			return err
		}
	}
	for d, err := range to.Dump(ctx) {
		switch {
		case err != nil:
			return err
		case d.Head != nil && d.Head.Number == 0, d.Anchor != nil:
			continue
		}
		return fmt.Errorf("%s: %w; name another one in the configuration", to.Path(), state.ErrNotEmpty)
	}
	return nil
}

// carry copies all, and holds what came over against what there was.
func carry(ctx context.Context, from, to keptAt) (takenOver, error) {
	done := takenOver{From: from.Path(), To: to.Path()}
	before, err := from.Verify(ctx)
	if err != nil {
		return done, err
	}
	read := tally{}
	if err := to.Restore(ctx, read.counting(from.Dump(ctx))); err != nil {
		return done, err
	}
	written := tally{}
	for _, err := range written.counting(to.Dump(ctx)) {
		if err != nil {
			return done, err
		}
	}
	after, err := to.Verify(ctx)
	switch {
	case err != nil:
		return done, err
	case !slices.Equal(read.list(), written.list()):
		return done, fmt.Errorf("%s holds %s, and %s held %s", to.Path(), written, from.Path(), read)
	case before.Heads != after.Heads || before.Entries != after.Entries || len(before.Flaws) != len(after.Flaws):
		return done, fmt.Errorf("the journal does not verify in %s as it did in %s", to.Path(), from.Path())
	}
	done.Counts, done.Heads = written, after.Heads
	return done, nil
}

// tally counts what a dump holds, by kind.
type tally map[string]int

// counting counts a sequence as it is read, from its beginning each time.
func (n tally) counting(all iter.Seq2[state.Dump, error]) iter.Seq2[state.Dump, error] {
	return func(yield func(state.Dump, error) bool) {
		clear(n)
		for d, err := range all {
			if err == nil {
				n[kindOf(d)]++
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

// kindOf names what a dump has, in the plural, "" for what is no content.
func kindOf(d state.Dump) string {
	switch {
	case d.Applied != nil:
		return "records"
	case d.Act != nil:
		return "acts"
	case d.Mark != nil:
		return "marks"
	case d.Consent != nil:
		return "consents"
	case d.Claim != nil:
		return "claims"
	case d.Entry != nil:
		return "calls"
	case d.Orphan != nil:
		return "links"
	}
	return ""
}

// list returns the counts of all kinds, "3 records" first.
func (n tally) list() []string {
	var out []string
	for _, kind := range []string{"records", "acts", "marks", "consents", "claims", "calls", "links"} {
		out = append(out, fmt.Sprint(n[kind], " ", kind))
	}
	return out
}

func (n tally) String() string { return strings.Join(n.list(), ", ") }

func (a *app) tellTakenOver(t takenOver) error {
	delete(t.Counts, "")
	if a.output == "json" {
		return a.printJSON(t)
	}
	return a.print(func(w io.Writer) {
		fmt.Fprintf(w, "Taken over into %s: %s.\n", t.To, tally(t.Counts))
		fmt.Fprintf(w, "The journal verifies there; its head is %s.\n", t.Heads.Writes.Hash)
		fmt.Fprintf(w, "%s is retired: nobody writes it any more. Start the daemons with the new configuration.\n", t.From)
	})
}

func (a *app) migrateBack(ctx context.Context) error {
	k, err := a.unused(ctx, a.config, true)
	if err != nil {
		return err
	}
	defer func() { _ = k.Shut() }()
	where, err := k.Retired(ctx)
	switch {
	case err != nil:
		return err
	case where == "":
		return fmt.Errorf("%s is not retired: there is nothing to take back", k.Path())
	}
	if err := k.Retire(ctx, ""); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s is in use again. What was applied by %s since is not in it: let nobody use that one any more.\n",
		k.Path(), where)
	return nil
}

func (a *app) adopt(ctx context.Context) error {
	cfg, err := a.readConfig()
	if err != nil {
		return err
	}
	if cfg.Etcd == nil {
		return errors.New("only a state in etcd is adopted; `weir explain state-swapped` says what to do with a file")
	}
	if err := a.nobodyUses(ctx, cfg); err != nil {
		return err
	}
	conn, err := connect(ctx, cfg, nil, nil)
	if err != nil {
		return err
	}
	err = etcdstate.Adopt(ctx, conn)
	if err = errors.Join(err, conn.Close()); err != nil {
		return err
	}
	store, err := openMemory(ctx, cfg, opening{existing: true})
	if err != nil {
		return err
	}
	defer func() { _ = store.Shut() }()
	calls, err := store.Journal(ctx, state.Query{Writes: true, Limit: 1})
	if err != nil {
		return err
	}
	newest := "it holds no call"
	for _, e := range calls {
		newest = "the newest call in it was made at " + e.Opened.UTC().Format(time.RFC3339)
	}
	fmt.Fprintf(a.out, "%s is adopted: %s\n", store.Path(), newest)
	return nil
}
