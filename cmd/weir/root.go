package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// app is what every command shares: the streams and the flags of the root.
type app struct {
	in        io.Reader
	out, errs io.Writer
	config    string
	output    string
	logFormat string
	logLevel  string
	noColor   bool
}

func (a *app) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "weir",
		Short: "Keep live-streaming accounts equal to what git declares",
		Long: "weir keeps the live-streaming configuration of cloud accounts (ApsaraVideo Live, Volcengine Live)\n" +
			"equal to what a git repository, or a directory of YAML, declares. Begin with `weir demo`.",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			_, err := a.logger()
			return err
		},
	}
	f := cmd.PersistentFlags()
	f.StringVar(&a.config, "config", "weir.yaml", "configuration `file`")
	f.StringVarP(&a.output, "output", "o", "text",
		"output `format`: text or json (validate also github, sarif; diff also github, markdown)")
	f.StringVar(&a.logFormat, "log-format", "text", "log `format`: text or json")
	f.StringVar(&a.logLevel, "log-level", "", "least `level` that is logged: debug, info, warn or error")
	f.BoolVar(&a.noColor, "no-color", false, "never colour the output (as the NO_COLOR variable does)")
	cmd.SetOut(a.out)
	cmd.SetErr(a.errs)
	cmd.AddCommand(
		a.demoCmd(), a.validateCmd(), a.diffCmd(), a.applyCmd(), a.runCmd(), a.statusCmd(), a.settleCmd(), a.acceptCmd(),
		a.rollbackCmd(), a.acceptAccountCmd(), a.stateCmd(), a.historyCmd(), a.blameCmd(), a.bisectCmd(), a.importCmd(),
		a.emulatorCmd(), a.notifyCmd(), a.schemaCmd(), a.explainCmd(), a.versionCmd(), a.manCmd(),
	)
	teach(cmd)
	a.complete(cmd)
	return cmd
}

// logger returns the logger the flags ask for. One-shot commands log warnings,
// the daemon (which passes "info") says what it does.
func (a *app) logger(def ...string) (*slog.Logger, error) {
	level, name := slog.LevelWarn, a.logLevel
	if name == "" && len(def) > 0 {
		name = def[0]
	}
	if name != "" {
		if err := level.UnmarshalText([]byte(name)); err != nil {
			return nil, fmt.Errorf("--log-level %q: want debug, info, warn or error", name)
		}
	}
	opts := &slog.HandlerOptions{Level: level}
	switch a.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(a.errs, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.errs, opts)), nil
	}
	return nil, fmt.Errorf("--log-format %q: want text or json", a.logFormat)
}

// format checks --output against what a command can print.
func (a *app) format(known ...string) error {
	if slices.Contains(append([]string{"text", "json"}, known...), a.output) {
		return nil
	}
	return fmt.Errorf("--output %q: want %s", a.output, strings.Join(append([]string{"text", "json"}, known...), ", "))
}

// printed is how many bytes of a text are written at a time.
const printed = 64 << 10

// print writes a text as it comes. What cannot be written is an error.
func (a *app) print(text func(io.Writer)) error {
	w := bufio.NewWriterSize(a.out, printed)
	text(w)
	return w.Flush()
}

func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// terminal returns the width of w, 0 where it is no terminal.
func terminal(w any) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

// colored reports whether w is to be coloured.
func (a *app) colored(w io.Writer) bool {
	return !a.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && terminal(w) > 0
}
