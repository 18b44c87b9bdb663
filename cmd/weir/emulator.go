package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"weir/sync/emulator"
)

// emulatorHeaderTimeout bounds a client that never finishes its header.
const emulatorHeaderTimeout = 5 * time.Second

func (a *app) emulatorCmd() *cobra.Command {
	var listen, world string
	cmd := &cobra.Command{
		Use:   "emulator",
		Short: "Serve both clouds on one address",
		Long: "emulator answers as ApsaraVideo Live and Volcengine Live do: it verifies signatures, keeps to each\n" +
			"operation's quota, and holds state. Its access key is weir-emulator / weir-emulator.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.emulator(cmd.Context(), listen, world) },
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8181", "`address` to serve on")
	cmd.Flags().StringVar(&world, "world", "", "YAML `file` with credentials, domains, streams and configuration")
	return cmd
}

func (a *app) emulator(ctx context.Context, listen, worldFile string) error {
	world := emulator.DefaultWorld()
	if worldFile != "" {
		b, err := os.ReadFile(worldFile)
		if err != nil {
			return err
		}
		if world, err = emulator.ParseWorld(b); err != nil {
			return fmt.Errorf("%s: %w", worldFile, err)
		}
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	clouds, err := serveEmulator(listen, world)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.errs, "emulator serves both clouds on http://%s (key weir-emulator / weir-emulator)\n", clouds.addr)
	<-ctx.Done()
	return clouds.close()
}

// served is an emulator on a socket.
type served struct {
	addr  string
	close func() error
}

func serveEmulator(listen string, world emulator.World) (*served, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	srv := &http.Server{Handler: emulator.New(world), ReadHeaderTimeout: emulatorHeaderTimeout}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	return &served{addr: l.Addr().String(), close: func() error {
		err := srv.Close()
		if serr := <-ended; !errors.Is(serr, http.ErrServerClosed) {
			err = errors.Join(err, serr)
		}
		return err
	}}, nil
}
