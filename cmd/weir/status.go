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
		err = a.print(func(w io.Writer) { printStatus(w, ans, ans.Now, a.style()) })
	}
	if err == nil && !ans.Status.Ready {
		return exitError(exitFailed)
	}
	return err
}

func askStatus(ctx context.Context, address string) (ans view.Overview, err error) {
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
