package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"weir/schema"
)

// versionInfo says which weir this is.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
	Schemas  string `json:"schemas"` // hash over all schemas: two weirs with one hash validate alike
}

// version reads what the build recorded.
func version() versionInfo {
	v := versionInfo{Version: "(devel)", Go: runtime.Version(), Schemas: schema.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	return v
}

func buildInfo() prometheus.Collector {
	v := version()
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "weir_build_info", Help: "Which weir runs, always 1.",
		ConstLabels: prometheus.Labels{"version": v.Version, "revision": v.Revision, "goversion": v.Go},
	})
	g.Set(1)
	return g
}

func (a *app) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which weir this is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := version()
			if a.output == "json" {
				return a.printJSON(v)
			}
			words := []string{strings.TrimSpace(v.Version + " " + v.Revision), v.Go, "schemas " + v.Schemas}
			_, err := fmt.Fprintln(a.out, "weir", strings.Join(words, ", "))
			return err
		},
	}
}
