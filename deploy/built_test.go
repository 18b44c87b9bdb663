package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// program builds weir as `go build` does, once for all tests of a process.
func program(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the program")
	}
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// bin is where the program is built.
var bin string

var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(bin, "weir")
	if out, err := exec.Command("go", "build", "-o", path, "weir/cmd/weir").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// TestMain removes what was built.
func TestMain(m *testing.M) {
	var err error
	if bin, err = os.MkdirTemp("", "weir-deploy-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(bin)
	os.Exit(code)
}
