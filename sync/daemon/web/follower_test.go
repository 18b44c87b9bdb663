package web

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	"weir/sync/daemon/demotest"
	"weir/sync/daemon/view"
	"weir/sync/etcd/etcdtest"
)

// twin is one of two daemons that share the accounts.
type twin struct {
	*demotest.Program
	name, page string
}

// startTwins starts two daemons on one etcd, one emulator and one folder of manifests,
// and returns that folder and the one that leads the account volc first.
func startTwins(t *testing.T) (live string, twins [2]*twin) {
	t.Helper()
	dir, etcd := t.TempDir(), etcdtest.Start(t, 1)
	weir, live := filepath.Join(dir, "weir"), filepath.Join(dir, "live")
	run(t, ".", "go", "build", "-o", weir, "weir/cmd/weir")
	if err := os.Mkdir(live, 0o700); err != nil {
		t.Fatal(err)
	}
	relayOf(t, live, "one")
	clouds := address(t)
	demotest.Run(t, dir, weir, "emulator", "--listen", clouds).Says("serves both clouds")
	for i, name := range []string{"left", "right"} {
		listen := address(t)
		config := fmt.Sprintf(`apiVersion: weir/v1
kind: Config
sources: [{name: live, directory: {path: live}}]
accounts:
  - {name: ali, provider: aliyun, endpoint: "http://%[1]s", credentials: {accessKeyIdEnv: WEIR_TEST_KEY, accessKeySecretEnv: WEIR_TEST_KEY}}
  - {name: volc, provider: volcengine, endpoint: "http://%[1]s", credentials: {accessKeyIdEnv: WEIR_TEST_KEY, accessKeySecretEnv: WEIR_TEST_KEY}}
policy: {mode: sync}
state: {etcd: {endpoints: [%[2]q]}}
cluster: {name: %[3]s, lease: 5s, address: "http://%[4]s/", folder: %[3]s.local}
listen: %[4]s
`, clouds, etcd.Members[0].Client, name, listen)
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("WEIR_TEST_KEY", "weir-emulator")
		twins[i] = &twin{demotest.Run(t, dir, weir, "run", "--config", name+".yaml"), name, "http://" + listen}
	}
	demotest.Eventually(t, "each leads something, and both know it", func() bool {
		leaders := map[string]bool{}
		for _, account := range []string{"*", "ali", "volc"} {
			leader := twins[0].leader(t, account)
			leaders[leader] = true
			if leader != twins[1].leader(t, account) {
				return false
			}
		}
		return len(leaders) == 2 && !leaders[""]
	})
	if twins[0].leader(t, "volc") != "left" {
		twins[0], twins[1] = twins[1], twins[0]
	}
	return live, twins
}

func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// relayOf declares a relay source.
func relayOf(t *testing.T, live, app string) {
	t.Helper()
	text := "apiVersion: volcengine/v1\nkind: RelaySource\nspec:\n  vhost: push.example.com\n  app: " + app +
		"\n  groups: [{name: main, servers: [{address: origin.example.org, protocol: rtmp}]}]\n"
	if err := os.WriteFile(filepath.Join(live, app+".yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// leader returns who leads an account as this one knows it, "" for nobody, or where it
// does not answer.
func (w *twin) leader(t *testing.T, account string) string {
	t.Helper()
	var c view.Cluster
	code, body := demotest.Ask(t, http.MethodGet, w.page+"/api/v1/cluster", "")
	if code != http.StatusOK || json.Unmarshal([]byte(body), &c) != nil {
		return ""
	}
	l, _ := c.Lead(account)
	return l.Name
}

// TestBrowser_Follower: the page of a daemon that follows shows what the leader does, and
// says so in every look; when the leader is killed it takes over before the reader's
// eyes.
func TestBrowser_Follower(t *testing.T) {
	b, axe := openBrowser(t), axe(t)
	live, twins := startTwins(t)
	leader, follower := twins[0], twins[1]
	const sentence = "volc; shown is what it has seen"
	b.open(follower.page, "/?lang=en")
	b.until(`document.getElementById("live").dataset.state === "live"`)
	b.says(sentence)
	b.says("The one resource is as declared.")
	if at := ask[string](b, `document.querySelector(".hero a[rel=noreferrer]").href`); at != leader.page+"/" {
		t.Errorf("the way to the leader is %s, want %s/", at, leader.page)
	}
	relayOf(t, live, "two")
	b.says("All 2 resources are as declared.")
	for _, lang := range []string{"en", "zh"} {
		b.open(follower.page, "/?lang="+lang)
		for _, scheme := range []string{"light", "dark"} {
			b.scheme(scheme)
			for _, width := range []int64{1280, 390} {
				b.window(width, 844)
				b.inspect(fmt.Sprintf("a follower, %s, %s, %d px", lang, scheme, width))
			}
			b.accessible(axe, "a follower, "+lang+", "+scheme)
		}
	}
	b.scheme("light")
	b.window(1280, 900)
	b.open(follower.page, "/?lang=en")
	b.says(sentence)
	b.do(chromedp.Evaluate[chromedp.Void](`window.kept = true; window.shifted = 0`))
	leader.Signal(syscall.SIGKILL)
	b.until(`!document.body.innerText.includes(` + "`" + sentence + "`" + `)`)
	b.says("leads the sources, ali, volc")
	if moved := ask[float64](b, "window.shifted"); moved >= 0.1 || !ask[bool](b, "Boolean(window.kept)") {
		t.Errorf("the page was loaded anew, or what is shown moved by %.3f: %s", moved, ask[[]string](b, "window.shifters"))
	}
	relayOf(t, live, "three")
	b.says("All 3 resources are as declared.")
	b.clean("the page after the takeover")
}
