package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"weir/schema"
)

// usualCalls are what people do with each command, by its name.
func usualCalls() map[string][]string {
	return map[string][]string{
		"demo": {"weir demo   # both clouds emulated, nothing else needed", "weir demo --git", "weir demo --once"},
		"validate": {
			"weir validate", "weir validate live/relay.yaml",
			"weir validate --output github   # in CI: annotations; sarif for code scanning",
		},
		"diff": {
			"weir diff", "weir diff --selector team=sports", "weir diff --out plan.json   # then: weir apply plan.json",
			"weir diff --cached 10m   # beside a daemon: with what it has read",
			"weir diff --base origin/main   # in a pull request, without a key",
			"weir diff --exit-code   # 2 where there are changes",
		},
		"apply": {
			"weir apply", "weir apply --yes", "weir apply plan.json",
			"weir apply --consent 0123456789abcdef0123456789abcdef",
		},
		"run": {"weir run", "weir run --dry-run", "weir run --config /etc/weir/weir.yaml --log-format json"},
		"status": {
			"weir status", "weir status volc-main/RelaySource/push.example.com/live", "weir status --watch",
			`weir status --wait-for applied --revision "$(git rev-parse HEAD)" --timeout 5m   # in CI, after a push`,
		},
		"history": {
			"weir history --since 2h", "weir history --resource volc-main/RelaySource/push.example.com/live --fields",
			"weir history --outcome throttled", "weir history --request 4A5C77F1-0A1B", "weir history --export >calls.jsonl",
			"weir history --verify calls.jsonl",
		},
		"blame": {
			"weir blame volc-main/RelaySource/push.example.com/live",
			"weir blame ali-main/MultiStream/live.example.com --observe",
		},
		"bisect": {
			"weir bisect ali-main/MultiStream/live.example.com enabled=false",
			"weir bisect volc-main/RelaySource/push.example.com/live 'groups[0].servers[0].protocol=rtmp'",
		},
		"settle": {
			"weir settle ali-main/RtcPrefetch/live.example.com/live/main done",
			"weir settle volc-main/RelaySource/push.example.com/live again",
		},
		"rollback": {
			"weir rollback --dry-run", "weir rollback", "weir rollback --list", "weir rollback 3f9a2c",
			"weir rollback --unpin",
		},
		"accept-rewrite": {"weir accept-rewrite 1f0c6b2a9e41   # the hash that `weir status` names"},
		"accept-account": {"weir accept-account ali-main"},
		"state": {
			"weir state migrate --from sqlite.yaml --config etcd.yaml", "weir state migrate --back --config sqlite.yaml",
			"weir state adopt --config etcd.yaml   # after etcd was restored from a backup",
		},
		"notify":   {"weir notify test", "weir notify test oncall"},
		"import":   {"weir import --out live", "weir import --account volc-main --kind RelaySource --out -"},
		"emulator": {"weir emulator", "weir emulator --listen 127.0.0.1:8181 --world world.yaml"},
		"schema":   {"weir schema RelaySource", "weir schema Config >weir.schema.json"},
		"explain":  {"weir explain unknown-region", "weir explain removals-percent", "weir explain RelaySource"},
		"version":  {"weir version", "weir version --output json"},
		"man":      {"weir man /usr/local/share/man/man1"},
	}
}

// teach gives the commands below root their examples, and has what is wrong with
// how one is called told with how it is called.
func teach(root *cobra.Command) {
	root.SetFlagErrorFunc(flagError)
	usual := usualCalls()
	for _, cmd := range root.Commands() {
		if lines := usual[cmd.Name()]; lines != nil {
			cmd.Example = "  " + strings.Join(lines, "\n  ")
		}
		check := cmd.Args
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if check == nil || check(cmd, args) == nil {
				return nil
			}
			return argumentError(cmd, args)
		}
	}
}

// argumentError says which arguments a command wants, and what one may have meant.
func argumentError(cmd *cobra.Command, args []string) error {
	wants := strings.TrimSuffix(cmd.UseLine(), " [flags]")
	text := fmt.Sprintf("it is called as `%s`", wants)
	if len(args) > 0 {
		text += fmt.Sprintf(", not with %s", visible(fmt.Sprintf("%q", args), 200, ""))
	}
	if lines := usualCalls()[cmd.Name()]; lines != nil {
		text += ", for example: " + lines[0]
	}
	return fmt.Errorf("%s; `%s --help` says more", text, cmd.CommandPath())
}

// flagError adds to what is wrong with a flag what may have been meant.
func flagError(cmd *cobra.Command, err error) error {
	var known []string
	for _, set := range []*pflag.FlagSet{cmd.LocalFlags(), cmd.InheritedFlags()} {
		set.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	}
	name, unknown := strings.CutPrefix(err.Error(), "unknown flag: --")
	if near := schema.Nearest(name, slices.Compact(known)); unknown && near != "" {
		return fmt.Errorf("%w; did you mean --%s? `%s --help` lists all", err, near, cmd.CommandPath())
	}
	return fmt.Errorf("%w; `%s --help` lists all flags", err, cmd.CommandPath())
}
