package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"weir/sync/etcd"
	"weir/sync/etcd/etcdtest"
)

// keeper starts the etcd that stories share, when the first of them needs it.
type keeper struct {
	t    *testing.T
	once sync.Once
	etcd *etcdtest.Cluster
	err  error
}

// endpoint returns where etcd is.
func (k *keeper) endpoint() (string, error) {
	k.once.Do(func() {
		if k.etcd, k.err = etcdtest.Launch(k.t.TempDir(), 1); k.err == nil {
			k.t.Cleanup(k.etcd.Stop)
		}
	})
	if k.err != nil {
		return "", k.err
	}
	return k.etcd.Members[0].Client, nil
}

// useEtcd has a configuration keep its state in etcd: `etcd FILE NAME`. All of a story
// are one cluster, in which the daemon of the file has that name.
func useEtcd(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(inEtcd(ts.Value("etcd").(*keeper), ts.Getenv("WORK"), ts.MkAbs(args[0]), args[1]))
}

// restored has the story's state say that it was written in another etcd, as one that
// was restored from a backup does: `restored`.
func restored(ts *testscript.TestScript, _ bool, _ []string) {
	ctx := context.Background()
	conn, err := etcd.Open(ctx, etcd.Options{
		Endpoints: ts.Value("etcd").(*keeper).etcd.Endpoints(), Prefix: storyPrefix(ts.Getenv("WORK")),
	})
	ts.Check(err)
	defer func() { ts.Check(conn.Close()) }()
	resp, err := conn.Read(ctx, conn.Key("format"))
	ts.Check(err)
	gate := map[string]any{}
	ts.Check(json.Unmarshal(resp.Kvs[0].Value, &gate))
	gate["cluster"] = "c0ffee"
	text, err := json.Marshal(gate)
	ts.Check(err)
	_, err = conn.Put(ctx, conn.Key("format"), string(text))
	ts.Check(err)
}

// inEtcd adds a state in etcd to a configuration. The prefix is the story's.
func inEtcd(k *keeper, work, file, name string) error {
	endpoint, err := k.endpoint()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text = fmt.Appendf(text, "state: {etcd: {endpoints: [%q], prefix: %q}}\ncluster: {name: %s, lease: 5s, folder: %s.local}\n",
		endpoint, storyPrefix(work), name, name)
	return os.WriteFile(file, text, 0o600)
}

// storyPrefix is the prefix of the story that works in a folder.
func storyPrefix(work string) string {
	return "/" + strings.ReplaceAll(filepath.Base(filepath.Dir(work))+"-"+filepath.Base(work), " ", "_") + "/"
}

// TestScriptsInEtcd runs stories that know nothing of it with a state in etcd: what
// commands promise does not rest on where the state is.
func TestScriptsInEtcd(t *testing.T) {
	var files []string
	for _, name := range []string{"diff_apply", "consent", "settle", "rollback", "blame", "history", "import", "planfile"} {
		files = append(files, filepath.Join("testdata", "script", name+".txtar"))
	}
	runScripts(t, testscript.Params{Files: files, Setup: func(env *testscript.Env) error {
		return inEtcd(env.Values["etcd"].(*keeper), env.WorkDir, filepath.Join(env.WorkDir, "weir.yaml"), "story")
	}})
}
