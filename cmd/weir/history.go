package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"weir/sync/call"
	"weir/sync/resource"
	"weir/sync/state"
)

// historyShown is how many calls are shown where nobody says how many.
const historyShown = 100

// exportPage is how many entries are read at a time for an export.
const exportPage = 1000

// historyFlags are the flags of `weir history`.
type historyFlags struct {
	query        state.Query
	since, until string
	outcome      string
	reads        bool
	limit        int
	fields       bool
	export       bool
	verify       bool
	head         string
}

func (a *app) historyCmd() *cobra.Command {
	var f historyFlags
	cmd := &cobra.Command{
		Use:   "history [--verify [FILE]]",
		Short: "Show every call made: when, for which resource, with which outcome, because of which line",
		Long: "history reads the journal of calls, the newest first; it may run beside the daemon. Without filters it shows\n" +
			"calls that have an effect. --export writes all that match as JSON lines, the oldest first.\n\n" +
			"The journal is a chain of hashes. --verify says whether every entry is as it was written and none is missing;\n" +
			"with FILE, whether the lines of an export are. A chain cannot show that its end was cut off or that all of it\n" +
			"was written anew: the daemon logs the chain's head when it starts and every hour, and --verify --head HASH\n" +
			"says whether what was there then is there still.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := a.history(cmd.Context(), f, args)
			if errors.Is(err, syscall.EPIPE) {
				return exitError(exitFailed) // who reads has seen enough
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.query.Resource, "resource", "", "only calls for this resource: `ID`, as account/kind/key")
	flags.StringVar(&f.query.Account, "account", "", "only calls to this `account`")
	flags.StringVar(&f.query.Operation, "operation", "", "only calls of this `operation`")
	flags.StringVar(&f.query.Commit, "commit", "", "only calls because of the commit whose hash begins with `HASH`")
	flags.StringVar(&f.query.Plan, "plan", "", "only calls of the plan with this `HASH`")
	flags.StringVar(&f.query.RequestID, "request", "", "only the call to which the cloud gave this `ID`")
	flags.StringVar(&f.outcome, "outcome", "", "only calls that ended so: ok, failed, open or a `CODE`")
	flags.StringVar(&f.since, "since", "", "only calls from then on: a `TIME` (RFC 3339) or how long ago (2h, 30d)")
	flags.StringVar(&f.until, "until", "", "only calls before then: a `TIME` or how long ago")
	flags.BoolVar(&f.reads, "reads", false, "also calls that only read")
	flags.IntVar(&f.limit, "limit", 0, fmt.Sprintf("at most `N` calls (default %d; of an export all)", historyShown))
	flags.BoolVar(&f.fields, "fields", false, "also what each call changed")
	flags.BoolVar(&f.export, "export", false, "write all that match as JSON lines, the oldest first")
	flags.BoolVar(&f.verify, "verify", false, "hold the journal, or an exported FILE, against its chain of hashes")
	flags.StringVar(&f.head, "head", "", "with --verify: a `HASH` that was noted, which must be in the chain")
	cmd.MarkFlagsMutuallyExclusive("export", "verify")
	return cmd
}

func (a *app) history(ctx context.Context, f historyFlags, args []string) error {
	if err := a.format(); err != nil {
		return err
	}
	if f.verify {
		return a.verifyHistory(ctx, f, args)
	}
	if len(args) > 0 {
		return fmt.Errorf("%q: a file is for --verify; to look for a call say --resource %[1]s or --request %[1]s", args[0])
	}
	if f.head != "" {
		return errors.New("--head is for --verify: say --verify --head HASH, with a head that the daemon logged")
	}
	query, err := f.read(time.Now())
	if err != nil {
		return err
	}
	store, err := a.openJournal(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = store.Shut() }()
	if f.export {
		return exportHistory(ctx, store, query, a.out)
	}
	return a.showHistory(ctx, store, query, f)
}

// openJournal opens the state of the configuration to read it; it makes none.
func (a *app) openJournal(ctx context.Context) (memory, error) {
	cfg, err := a.readConfig()
	if err != nil {
		return nil, err
	}
	return openMemory(ctx, cfg, opening{existing: true})
}

// read makes a query of the flags, at a time.
func (f historyFlags) read(now time.Time) (q state.Query, err error) {
	q = f.query
	q.Writes, q.Limit, q.Commit = !f.reads, f.limit, strings.ToLower(q.Commit)
	if f.limit < 0 {
		return q, fmt.Errorf("--limit %d: want a number above 0", f.limit)
	}
	if strings.Trim(q.Commit, "0123456789abcdef") != "" {
		return q, fmt.Errorf("--commit %q: want the first digits of a commit's hash", q.Commit)
	}
	if q.Resource != "" {
		if _, err := resource.ParseID(q.Resource); err != nil {
			return q, fmt.Errorf("--resource: %w", err)
		}
	}
	if q.Code, err = readOutcome(f.outcome); err != nil {
		return q, err
	}
	if q.Since, err = readTime("--since", f.since, now); err != nil {
		return q, err
	}
	q.Until, err = readTime("--until", f.until, now)
	return q, err
}

// readOutcome checks an outcome that is asked for.
func readOutcome(name string) (string, error) {
	known := slices.Concat(state.Codes(), wordsOf(call.Codes()))
	if name == "" || slices.Contains(known, name) {
		return name, nil
	}
	return "", unknown(fmt.Sprintf("--outcome %q: want ok, failed, open or one of the codes", name), name, known)
}

// readTime reads a time, or how long before now it was.
func readTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if days, found := strings.CutSuffix(text, "d"); found {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%s %q: want a time as 2026-03-01T12:00:00Z or 2026-03-01 (UTC), "+
		"or how long ago, as 90m, 2h or 30d", flag, text)
}

// exportHistory writes what matches, a page at a time.
func exportHistory(ctx context.Context, store state.Store, q state.Query, out io.Writer) error {
	w := bufio.NewWriter(out)
	left := q.Limit
	q.Oldest, q.Links = true, true
	for {
		if q.Limit = exportPage; left > 0 {
			q.Limit = min(left, exportPage)
		}
		entries, err := store.Journal(ctx, q)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := state.WriteLine(w, e); err != nil {
				return err
			}
			q.Above = e.Number
		}
		if left -= len(entries); len(entries) < q.Limit || left == 0 {
			return w.Flush()
		}
	}
}
