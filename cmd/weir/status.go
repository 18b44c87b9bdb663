package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask the running daemon how it is",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.status(cmd.Context(), f) },
	}
	f.register(cmd.Flags())
	return cmd
}

func (a *app) status(ctx context.Context, f askFlags) error {
	if err := a.format(); err != nil {
		return err
	}
	d, err := f.daemon(a)
	if err != nil {
		return err
	}
	ans, err := askStatus(ctx, d)
	if err != nil {
		return fmt.Errorf("ask the daemon on %s: %w", d.name, err)
	}
	if a.output == "json" {
		err = a.printJSON(ans)
	} else {
		err = a.print(func(w io.Writer) { printStatus(w, ans, ans.Now, a.style()) })
	}
	if err == nil && !ans.Status.Ready {
		return exitError(exitFailed)
	}
	return err
}

func askStatus(ctx context.Context, d *askedDaemon) (ans view.Overview, err error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	body, err := d.ask(ctx, http.MethodGet, "/api/v1/status", http.StatusOK)
	if err != nil {
		return ans, err
	}
	defer body.Close()
	return ans, json.NewDecoder(io.LimitReader(body, statusBody)).Decode(&ans)
}
