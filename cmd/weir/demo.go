package main

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"weir/examples"
	"weir/sync/daemon"
	"weir/sync/emulator"
)

// The addresses of the quickstart's files; the demo replaces them where they
// are taken.
const (
	demoEmulator = "127.0.0.1:8181"
	demoListen   = "127.0.0.1:8180"
)

func (a *app) demoCmd() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show it: the emulator, the daemon and five kinds to edit, no account needed",
		Args:  cobra.NoArgs,
		Long: "demo starts both clouds as an emulator and the daemon on a copy of examples/quickstart. With --git the\n" +
			"manifests are a repository on a git host of its own: commit and push, and the push is applied.",
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), f) },
	}
	cmd.Flags().BoolVar(&f.once, "once", false, "apply once, print the report and exit")
	cmd.Flags().BoolVar(&f.git, "git", false, "declare in a git repository, which the demo serves")
	cmd.Flags().StringVar(&f.dir, "dir", "", "`directory` for the copy of the quickstart (default: a new temporary one)")
	return cmd
}

type demoFlags struct {
	once, git bool
	dir       string
}

func (a *app) demo(ctx context.Context, f demoFlags) error {
	dir, once := f.dir, f.once
	if dir == "" {
		tmp, err := os.MkdirTemp("", "weir-demo-")
		if err != nil {
			return err
		}
		dir = tmp
		if once {
			defer func() { _ = os.RemoveAll(tmp) }() // only what is ours: a --dir stays
		}
	}
	clouds, err := startDemoClouds()
	if err != nil {
		return err
	}
	defer func() { _ = clouds.close() }()
	if err := copyQuickstart(dir, clouds.addr); err != nil {
		return err
	}
	a.config = filepath.Join(dir, "weir.yaml")
	explain := a.explainDemo
	if f.git {
		host, err := startDemoGit(ctx, dir)
		if err != nil {
			return err
		}
		defer func() { _ = host.close() }()
		explain = a.explainDemoGit
	}
	if once {
		return a.apply(ctx, applyFlags{permission: permission{yes: true}})
	}
	log, err := a.logger("info")
	if err != nil {
		return err
	}
	return a.serve(ctx, log, false, func(d *daemon.Daemon) { explain(d.Addr(), clouds.addr, dir) })
}

// startDemoClouds serves the demo's world: the example's streams are on air.
func startDemoClouds() (*served, error) {
	world := demoWorld()
	clouds, err := serveEmulator(demoEmulator, world)
	if err == nil {
		return clouds, nil
	}
	return serveEmulator("127.0.0.1:0", world)
}

func demoWorld() emulator.World {
	world := emulator.DefaultWorld()
	for _, stream := range []string{"main", "test"} {
		world.Streams = append(world.Streams, emulator.Stream{
			Domain: "live.example.com", App: "live", Stream: stream, Online: true,
		})
	}
	return world
}

// copyQuickstart writes the embedded quickstart into dir and points it at the
// addresses that are free.
func copyQuickstart(dir, emulatorAddr string) error {
	files, err := fs.Sub(examples.Quickstart, "quickstart")
	if err != nil {
		return err
	}
	if err := os.CopyFS(dir, files); err != nil {
		return fmt.Errorf("copy the quickstart: %w", err)
	}
	path := filepath.Join(dir, "weir.yaml")
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	listen, err := demoAddress()
	if err != nil {
		return err
	}
	text := strings.NewReplacer(demoEmulator, emulatorAddr, demoListen, listen).Replace(string(b))
	return os.WriteFile(path, []byte(text), 0o600)
}

// demoAddress returns a free address for the daemon. It is a definite one, so
// that `weir status` finds it in the file.
func demoAddress() (string, error) {
	l, err := net.Listen("tcp", demoListen)
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", err
		}
	}
	return l.Addr().String(), l.Close()
}

func (a *app) explainDemo(addr, emulatorAddr, dir string) {
	fmt.Fprintf(a.out, `
weir keeps two emulated accounts as the files in %[3]s/live say.

  page      http://%[1]s/        metrics   http://%[1]s/metrics
  clouds    http://%[2]s/_emulator/world   calls   http://%[2]s/_emulator/calls

Try, in another terminal:

  edit      sed -i 's/protocol: flv/protocol: rtmp/' %[3]s/live/relay.yaml
  break     sed -i 's/\[SHH, SG, NO\]/[SHH, SG, NOR]/' %[3]s/live/prefetch.yaml
  console   curl -X PATCH http://%[2]s/_emulator/world -d '%[4]s'
  dry run   weir diff --config %[3]s/weir.yaml        (here: go run ./cmd/weir diff --config ...)

Ctrl-C ends it.

`, addr, emulatorAddr, dir, demoConsole)
}

func (a *app) explainDemoGit(addr, emulatorAddr, dir string) {
	fmt.Fprintf(a.out, `
weir keeps two emulated accounts as the branch main of the repository says whose clone is %[3]s/live.

  page      http://%[1]s/        metrics   http://%[1]s/metrics
  clouds    http://%[2]s/_emulator/world   calls   http://%[2]s/_emulator/calls

Try, in another terminal:

  cd %[3]s/live
  edit      sed -i 's/protocol: flv/protocol: rtmp/' relay.yaml && git commit -qam 'Backup by RTMP' && git push -q
  break     sed -i 's/\[SHH, SG, NO\]/[SHH, SG, NOR]/' prefetch.yaml && git commit -qam 'A typo' && git push -q
  repair    git revert --no-edit HEAD && git push -q
  rewrite   git reset -q --hard HEAD~2 && git push -qf          (held: weir accept-rewrite HASH lets it through)
  dry run   weir diff --config ../weir.yaml
  request   weir diff --config ../weir.yaml --base HEAD~1 --rev HEAD      (offline: what the last commit changes)

Ctrl-C ends it.

`, addr, emulatorAddr, dir)
}

// demoConsole is what somebody does in the console behind weir's back.
const demoConsole = `{"relaySources":[{"vhost":"push.example.com","app":"live","deleted":true}]}`
