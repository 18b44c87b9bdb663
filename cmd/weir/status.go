package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"weir/sync/daemon/view"
)

// statusTimeout bounds the question to the daemon, statusBody its answer.
const (
	statusTimeout = 5 * time.Second
	statusBody    = 16 << 20
)

func (a *app) statusCmd() *cobra.Command {
	var f askFlags
	var follow followFlags
	cmd := &cobra.Command{
		Use:   "status [ID]",
		Short: "Ask the running daemon how it is",
		Long: "status says first what matters most, then what is in force, how many resources are in which state, what is\n" +
			"held and how to let it through, what failed, and how busy the quotas are; of daemons that share the accounts\n" +
			"also who they are and what each leads, whichever is asked. The exit status is 1 where the daemon is not ready.\n" +
			"Of one resource it says what is desired, applied and observed, and since when, what stands against it, and\n" +
			"which calls were made.\n\n" +
			"--watch goes on showing it: on a terminal in place until Ctrl-C, into a pipe a line for each change, as JSON\n" +
			"a document for each. --wait-for ends as soon as it is so, or with 1 after --timeout:\n" +
			"  ready    what is declared and what the accounts hold was read once\n" +
			"  applied  and nothing is due, being made, held, refused or failed\n" +
			"  in-sync  and every resource was read and is as declared, which a kind that cannot be read never is",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.status(cmd.Context(), f, follow, args) },
	}
	f.register(cmd.Flags())
	follow.register(cmd)
	return cmd
}

func (a *app) status(ctx context.Context, f askFlags, follow followFlags, ids []string) error {
	if err := a.format(); err != nil {
		return err
	}
	if err := follow.check(); err != nil {
		return err
	}
	d, err := f.daemon(a)
	if err != nil {
		return err
	}
	switch {
	case len(ids) > 0 && follow.follows():
		return errors.New("--watch and --wait-for are of all resources, not of one")
	case len(ids) > 0:
		return a.statusOf(ctx, d, ids[0])
	case follow.follows():
		return a.followStatus(ctx, d, follow)
	}
	over, err := askStatus(ctx, d)
	if err != nil {
		return fmt.Errorf("ask the daemon on %s: %w%s", d.name, err, absentText(err))
	}
	if a.output == "json" {
		err = a.printJSON(over)
	} else {
		err = a.print(func(w io.Writer) { printStatus(w, over, over.Now, a.style()) })
	}
	if err == nil && !over.Status.Ready {
		return exitError(exitFailed)
	}
	return err
}

// absentText adds to an error what to look for where nobody answers.
func absentText(err error) string {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "; is `weir run` running there?"
	}
	return ""
}

func askStatus(ctx context.Context, d *askedDaemon) (over view.Overview, err error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	body, err := d.ask(ctx, http.MethodGet, "/api/v1/status", http.StatusOK)
	if err != nil {
		return over, err
	}
	defer body.Close()
	err = json.NewDecoder(io.LimitReader(body, statusBody)).Decode(&over)
	if err == nil && over.States == nil {
		err = errors.New("no counts of states")
	}
	if err != nil {
		return view.Overview{}, fmt.Errorf("what answers there is no weir of this version (%s): %w", version().Version, err)
	}
	return over, nil
}
