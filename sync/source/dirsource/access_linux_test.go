package dirsource

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"weir/sync/source"
)

// asNobody runs body with the rights of an ordinary user: root may read
// everything, so the thread under the test gives up root's view of files.
func asNobody(t *testing.T, dir string, body func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		body()
		return
	}
	must(t, os.Chmod(filepath.Dir(dir), 0o755)) // t.TempDir's is for its owner alone
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	must(t, syscall.Setfsuid(65534))
	defer func() { must(t, syscall.Setfsuid(0)) }()
	body()
}

func TestFailure_S24_PermissionDenied(t *testing.T) {
	files := map[string]string{"a.yaml": "x: 1\n", "sub/b.yaml": "x: 2\n", "sub/c.yaml": "x: 3\n"}
	for name, tt := range map[string]struct {
		path string
		mode os.FileMode
	}{
		"file":                {"sub/b.yaml", 0o644},
		"folder":              {"sub", 0o755},
		"root":                {"", 0o755},
		"folder without x":    {"sub", 0o755},
		"file among the last": {"sub/c.yaml", 0o644},
	} {
		t.Run(name, func(t *testing.T) {
			f := filled(t, files)
			asNobody(t, f.dir, func() {
				closed := os.FileMode(0)
				fault := tt.path
				if name == "folder without x" { // it can be listed, nothing in it looked at
					closed = 0o444
				}
				must(t, chmod(f.path(tt.path), closed))
				f.refuses(source.CodeUnreadable, fault)
				must(t, chmod(f.path(tt.path), tt.mode))
				f.reaches(files)
			})
		})
	}
}

// chmod changes a mode as root also where the thread has given root up.
func chmod(path string, mode os.FileMode) error {
	if os.Geteuid() == 0 {
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // ended with the goroutine: no other sees its rights
			_ = syscall.Setfsuid(0)
			done <- os.Chmod(path, mode)
		}()
		return <-done
	}
	return os.Chmod(path, mode)
}

// A file system is mounted on the root and goes away again: what is left is
// the empty folder it was mounted on.
func TestFailure_S25_Unmounted(t *testing.T) {
	dir := t.TempDir()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		runtime.LockOSThread() // never unlocked: the thread ends, and its mounts with it
		if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
			t.Logf("skipped: mounts of our own: %v", err)
			return
		}
		must(t, syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
		mount := func() { must(t, syscall.Mount("weir", dir, "tmpfs", 0, "size=1m")) }
		mount()
		files := map[string]string{"a.yaml": "x: 1\n"}
		fill(t, dir, files)
		opt := brisk(dir)
		opt.Rescan = brisk(dir).Quiet // an unmount is not announced
		f := open(t, opt)
		f.want(files)
		must(t, syscall.Unmount(dir, syscall.MNT_DETACH))
		f.refuses(source.CodeMissing, "")
		mount()
		fill(t, dir, map[string]string{"a.yaml": "x: 2\n"})
		f.reaches(map[string]string{"a.yaml": "x: 2\n"})
	}()
	<-finished
}

// The limits on watches are set in a user namespace of the test's own, where
// the test runs again.
const (
	inNamespace = "WEIR_TEST_WATCHES"
	maxWatches  = "/proc/sys/user/max_inotify_watches"
	maxWatchers = "/proc/sys/user/max_inotify_instances"
)

func TestFailure_S27_WatchesExhausted(t *testing.T) {
	for name, limit := range map[string]string{"no watcher": maxWatchers, "few watches": maxWatches} {
		t.Run(name, func(t *testing.T) {
			if os.Getenv(inNamespace) == "" {
				inOwnNamespace(t)
				return
			}
			exhausted(t, limit)
		})
	}
}

func inOwnNamespace(t *testing.T) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if _, ran := err.(*exec.ExitError); err != nil && !ran {
		t.Skipf("no user namespace to exhaust: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
}

func exhausted(t *testing.T, limit string) {
	var log syncBuffer
	must(t, os.WriteFile(limit, []byte("0"), 0))
	opt := brisk(t.TempDir())
	opt.Logger = textLogger(&log)
	files := map[string]string{}
	for i := range 5 {
		files[fmt.Sprintf("sub%d/a.yaml", i)] = "x: 1\n"
	}
	fill(t, opt.Path, files)
	f := open(t, opt)
	f.want(files)
	f.src.rescan = f.src.rescan.Add(-degradedRescan) // as if the two seconds were over
	if got := f.src.Degraded(); !strings.HasPrefix(got, "cannot watch all folders: ") {
		t.Errorf("degraded by %q, want that folders cannot be watched", got)
	}
	f.write("sub3/a.yaml", "x: 2\n")
	files["sub3/a.yaml"] = "x: 2\n"
	f.want(files)
	must(t, os.WriteFile(limit, []byte("100"), 0))
	f.write("sub4/a.yaml", "x: 3\n") // found by looking, within two seconds
	files["sub4/a.yaml"] = "x: 3\n"
	f.want(files)
	if got := f.src.Degraded(); got != "" {
		t.Errorf("degraded by %q after watches could be had, want nothing", got)
	}
	f.write("sub4/a.yaml", "x: 4\n") // by an event: the next look is an hour away
	files["sub4/a.yaml"] = "x: 4\n"
	f.want(files)
	if got := strings.Count(log.String(), "cannot be relied on"); got != 1 {
		t.Errorf("logged %d times, want once: %s", got, log.String())
	}
}
