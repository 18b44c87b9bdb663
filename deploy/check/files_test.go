// Package check holds what is in deploy against the programs and types of those
// who read it: Kubernetes, helm, Docker, goreleaser. It is a module of its own,
// so that none of them is a dependency of weir:
//
//	go -C deploy/check test ./...
package check

import (
	"os"
	"testing"
)

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
