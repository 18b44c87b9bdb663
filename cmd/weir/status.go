package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"weir/sync/reconcile"
)

// statusTimeout bounds the question to the daemon, statusBody its answer.
const (
	statusTimeout = 5 * time.Second
	statusBody    = 16 << 20
)

// statusAnswer is what /api/v1/status says.
type statusAnswer struct {
	Version string           `json:"version"`
	Status  reconcile.Status `json:"status"`
}

func (a *app) statusCmd() *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask the running daemon how it is",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.status(cmd.Context(), address) },
	}
	cmd.Flags().StringVar(&address, "address", "", "`host:port` of the daemon, instead of the config's listen")
	return cmd
}

func (a *app) status(ctx context.Context, address string) error {
	if err := a.format(); err != nil {
		return err
	}
	if address == "" {
		cfg, err := a.readConfig()
		if err != nil {
			return err
		}
		address = cfg.Listen
	}
	ans, err := askStatus(ctx, address)
	if err != nil {
		return fmt.Errorf("ask the daemon on %s: %w", address, err)
	}
	if a.output == "json" {
		err = a.printJSON(ans)
	} else {
		err = a.print(func(w io.Writer) { printStatus(w, ans, a.style()) })
	}
	if err == nil && !ans.Status.Ready {
		return exitError(exitFailed)
	}
	return err
}

func askStatus(ctx context.Context, address string) (ans statusAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	body, err := askDaemon(ctx, http.MethodGet, address, "/api/v1/status", http.StatusOK)
	if err != nil {
		return ans, err
	}
	defer body.Close()
	return ans, json.NewDecoder(io.LimitReader(body, statusBody)).Decode(&ans)
}

// askDaemon asks the daemon on an address, and returns the body of its answer where
// that has the status that is wanted.
func askDaemon(ctx context.Context, method, address, path string, want int) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != want {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("HTTP %s", resp.Status)
	}
	return resp.Body, nil
}

func printStatus(w io.Writer, ans statusAnswer, s style) {
	st := ans.Status
	ready := s.paint(green, "ready")
	switch {
	case !st.Ready:
		ready = s.paint(red, "not ready")
	case len(st.Unread) > 0:
		ready += s.paint(yellow, ", but knows nothing of "+plural(len(st.Unread), "resource"))
	}
	fmt.Fprintf(w, "weir %s is %s; mode %s, %d passes, last %s\n",
		ans.Version, ready, st.Mode, st.Passes, since(st.LastPass.Started))
	if st.ReadOnly != "" {
		fmt.Fprintf(w, "%s\n", s.paint(red, st.ReadOnly))
	}
	for _, src := range st.Sources {
		fmt.Fprintf(w, "source %s: %s in force, %s, last success %s\n",
			src.Name, cmp.Or(src.InForce, "nothing"), plural(src.Documents, "document"), since(src.LastSuccess))
		if src.Error != "" {
			fmt.Fprintf(w, "  %s\n", s.paint(red, src.Error))
		}
		if src.Pinned != nil {
			fmt.Fprintf(w, "  %s %s\n", s.paint(yellow, "rolled back"), src.Pinned.Text)
		}
		if src.Degraded != "" {
			fmt.Fprintf(w, "  %s\n", s.paint(yellow, src.Degraded))
		}
		for _, p := range src.Problems {
			fmt.Fprintf(w, "  %s %s\n", s.paint(red, string(p.Severity)), p)
		}
	}
	for _, h := range st.Plan.Held {
		fmt.Fprintf(w, "%s by %s: %s; consent: %s\n",
			s.paint(red, "held"), h.Guard, h.Message, letThrough(st.Plan.Held, st.Revision, st.Plan.Hash))
	}
	for _, c := range st.Counts {
		fmt.Fprintf(w, "%-12s %-14s %-9s %d\n", c.Account, c.Kind, c.State, c.Count)
	}
	if st.LastApply != nil {
		printLastApply(w, *st.LastApply)
	}
	for _, sc := range st.Scrub {
		printScrub(w, sc)
	}
	printTroubles(w, st, s)
	if st.Journal.Writes.Seq > 0 {
		fmt.Fprintf(w, "journal: head of writes %s (link %d)\n", st.Journal.Writes.Hash, st.Journal.Writes.Seq)
	}
	if st.Error != "" {
		fmt.Fprintf(w, "%s\n", s.paint(red, st.Error))
	}
}

// printTroubles writes what a person may have to look at.
func printTroubles(w io.Writer, st reconcile.Status, s style) {
	for _, f := range st.Failures {
		fmt.Fprintf(w, "%s %s: %s\n", s.paint(red, "failed"), f.ID, f.Error)
	}
	for _, f := range st.Fights {
		fmt.Fprintf(w, "%s %s: %s; edit the declaration, or: weir settle %s again\n",
			s.paint(red, "stopped"), f.ID, f.Fight, f.ID)
	}
	for _, u := range st.Unread {
		what := "unreadable"
		if u.InDoubt {
			what = "in doubt"
		}
		fmt.Fprintf(w, "%s %s: %s\n", s.paint(yellow, what), u.ID, u.Why)
	}
}

// printScrub says how the search for drift goes.
func printScrub(w io.Writer, s reconcile.ScrubStatus) {
	fmt.Fprintf(w, "%s: oldest observation %s; looking for drift took %.1f%% of a read quota (%g%% at most), all once in %s\n",
		s.Account, since(s.Oldest), 100*s.Used, 100*s.Share, time.Duration(s.Cycle*float64(time.Second)).Round(time.Second))
}

func since(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return time.Since(t).Round(time.Second).String() + " ago"
}
