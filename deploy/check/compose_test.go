package check

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// composed reads the compose file as `docker compose config` does.
func composed(t *testing.T) *types.Project {
	t.Helper()
	opts, err := cli.NewProjectOptions([]string{"../compose/compose.yaml"}, cli.WithName("weir"))
	if err != nil {
		t.Fatal(err)
	}
	project, err := opts.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestCompose(t *testing.T) {
	project := composed(t)
	if got := project.ServiceNames(); !slices.Equal(got, []string{"emulator", "grafana", "prometheus", "weir"}) {
		t.Fatalf("services %q", got)
	}
	for name, s := range project.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || s.Privileged {
			t.Errorf("%s may do more than it needs", name)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s is published on %q", name, port.HostIP)
			}
		}
		for _, v := range s.Volumes {
			info, err := os.Stat(v.Source)
			if v.Type == types.VolumeTypeBind && (err != nil || !info.IsDir() || !v.ReadOnly) {
				t.Errorf("%s mounts %s: %v; want a folder, read-only", name, v.Source, err)
			}
		}
		if s.Build != nil {
			if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
				t.Error(err)
			}
		}
		if _, tag, ok := strings.Cut(s.Image, ":"); s.Build == nil && (!ok || tag == "latest") {
			t.Errorf("%s has no version: %s", name, s.Image)
		}
	}
	source := read(t, "../grafana/provisioning/datasources/weir.yaml")
	if !slices.Contains(project.Services["weir"].Networks["default"].Aliases, "prometheus") ||
		project.Services["prometheus"].NetworkMode != "service:weir" || !strings.Contains(source, "url: http://prometheus:9090") {
		t.Error("Grafana does not find Prometheus")
	}
}

// TestCompose_Runs starts what the file starts, with its very arguments, mounts
// and names, in a network of its own; in place of the images are the program and
// Debian's Prometheus. Docker itself does not run here.
func TestCompose_Runs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a network and mounts of its own")
	}
	for _, tool := range []string{"unshare", "ip", "prometheus"} {
		needs(t, tool)
	}
	weir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	project, folder := composed(t), t.TempDir()
	script := []string{
		"set -eu", "ip link set lo up", "mount --make-rprivate /", "mount -t tmpfs tmpfs " + folder, "cd " + folder,
		"mkdir root upper work state metrics",
		"mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root",
		"mount -t proc proc root/proc", "mount --rbind /dev root/dev", "mount -t tmpfs tmpfs root/tmp",
		"cp " + weir + " root/weir",
		"echo '127.0.0.1 localhost emulator prometheus weir' >root/etc/hosts",
	}
	for _, name := range []string{"weir", "prometheus"} {
		for _, v := range project.Services[name].Volumes {
			script = append(script, fmt.Sprintf("mkdir -p root%s && mount --bind %s root%[1]s", v.Target, v.Source))
		}
	}
	in := func(words ...string) string { return "chroot root " + quoted(words) }
	emulator := append([]string{"/weir"}, project.Services["emulator"].Command...)
	daemon, health := imageCommands(t)
	prometheus := append([]string{"prometheus"}, project.Services["prometheus"].Command...)
	script = append(script,
		in(emulator...)+" & "+in(daemon...)+" & "+in(prometheus...)+" >/dev/null 2>&1 &",
		// The health check of the image, as Docker repeats it, then a look through Prometheus.
		"until "+in(health...)+" 2>/dev/null; do sleep 0.2; done",
		"until "+in("curl", "-sf", "http://prometheus:9090/api/v1/query?query="+url.QueryEscape(`weir_ready{job="weir"}`))+
			" | grep '\"1\"'; do sleep 0.5; done",
	)
	needs(t, "curl")
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", strings.Join(script, "\n"))
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"is ready; mode sync", "weir_ready"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func quoted(words []string) string { return "'" + strings.Join(words, "' '") + "'" }
