package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"weir/sync/call"
	"weir/sync/commitstatus"
	"weir/sync/config"
	"weir/sync/daemon"
	"weir/sync/etcd"
	"weir/sync/notify"
	"weir/sync/reconcile"
	"weir/sync/trace/otlp"
)

// stopTime is how long the daemon may take to stop.
const stopTime = 10 * time.Second

func (a *app) runCmd() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon: keep the accounts as declared",
		Long: "run watches the sources and keeps the accounts as declared. SIGHUP reads the configuration again,\n" +
			"SIGTERM and SIGINT stop within ten seconds, after the calls under way.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := a.logger("info")
			if err != nil {
				return err
			}
			return a.serve(cmd.Context(), log, dryRun, func(*daemon.Daemon) {})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only observe and report, apply nothing")
	return cmd
}

// serve runs a daemon until a signal, and tells started when it serves.
func (a *app) serve(ctx context.Context, log *slog.Logger, dryRun bool, started func(*daemon.Daemon)) (err error) {
	cfg, err := a.readConfig()
	if err != nil {
		return err
	}
	registry, b, err := newBuilder(log, dryRun)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	defer func() { err = errors.Join(err, b.fleet.leave(ctx)) }()
	d, err := daemon.New(ctx, daemon.Options{
		Listen: cfg.Listen, Registry: registry, Version: version().Version, Logger: log,
		Load: a.loader(b, cfg),
	})
	if err != nil {
		return err
	}
	d.Start()
	log.Info("weir runs", "listen", d.Addr(), "mode", string(cfg.Policy.Mode), "dry_run", dryRun)
	started(d)
	a.untilStopped(ctx, d, log)
	return stopDaemon(d, log)
}

// loader returns what reads the configuration: the one given at first, the
// file again at each reload.
func (a *app) loader(b *builder, first *config.Config) func(context.Context) (daemon.Setup, error) {
	listen := first.Listen
	return func(ctx context.Context) (daemon.Setup, error) {
		cfg := first
		first = nil
		if cfg == nil {
			var err error
			if cfg, err = a.readConfig(); err != nil {
				return daemon.Setup{}, err
			}
			if cfg.Listen != listen {
				b.log.Warn("another address to listen on takes a restart", "listen", listen, "configured", cfg.Listen)
			}
		}
		return b.build(ctx, cfg)
	}
}

func newBuilder(log *slog.Logger, dryRun bool) (*prometheus.Registry, *builder, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	calls, err := call.NewMetrics(registry)
	if err != nil {
		return nil, nil, err
	}
	statuses, err := commitstatus.NewMetrics(registry)
	if err != nil {
		return nil, nil, err
	}
	events, err := notify.NewMetrics(registry)
	if err != nil {
		return nil, nil, err
	}
	spans, err := otlp.NewMetrics(registry)
	if err != nil {
		return nil, nil, err
	}
	stores, err := etcd.NewMetrics(registry)
	if err != nil {
		return nil, nil, err
	}
	b := &builder{
		log: log, dryRun: dryRun, keeps: !dryRun, resident: true, limiters: call.Limiters{}, calls: calls,
		loop: reconcile.NewMetrics(registry), statuses: statuses, events: events, spans: spans, stores: stores,
	}
	return registry, b, nil
}

// untilStopped serves SIGHUP until ctx ends.
func (a *app) untilStopped(ctx context.Context, d *daemon.Daemon, log *slog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			if err := d.Reload(ctx); err != nil {
				log.Error("reload refused", "error", err)
				continue
			}
			log.Info("configuration reloaded")
		}
	}
}

func stopDaemon(d *daemon.Daemon, log *slog.Logger) error {
	log.Info("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	if err := d.Stop(ctx); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	log.Info("stopped")
	return nil
}

// untilSignal returns a context that ends at SIGINT or SIGTERM. A second
// signal ends the process at once, as it does without us.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
