package deploy

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"weir/sync/config"
)

// TestSamples holds that every weir.yaml of this folder is one that weir takes.
func TestSamples(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "weir.yaml" || !strings.Contains(read(t, name), "apiVersion: weir/v1") {
			return err
		}
		seen++
		cfg, problems, err := config.Read(name)
		if err != nil || cfg == nil || len(problems) > 0 {
			t.Errorf("%s: %v, %v", name, problems, err)
			return nil
		}
		// Its memory is on what survives it, and a sample opens no door.
		if e := cfg.Etcd; e != nil {
			if len(e.Endpoints) != 3 || e.CAFile == "" || e.CertFile == "" || cfg.Cluster.Folder != "/var/lib/weir" {
				t.Errorf("%s: %+v, %+v", name, e, cfg.Cluster)
			}
		} else if !strings.HasPrefix(cfg.StatePath, "/var/lib/weir/") {
			t.Errorf("%s keeps its state in %s", name, cfg.StatePath)
		}
		if cfg.Insecure && filepath.Dir(name) != "compose/weir" { // published on loopback alone
			t.Errorf("%s is open to everybody", name)
		}
		return nil
	})
	if err != nil || seen < 3 {
		t.Errorf("%d samples, %v", seen, err)
	}
}
