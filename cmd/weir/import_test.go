package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/sync/call"
	"weir/sync/config"
	"weir/sync/emulator"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/resource"
	"weir/sync/secret"
	"weir/sync/source"
)

// drawWorld makes two accounts that were kept by hand, with every reading of
// the clouds' documents that the emulator can play.
func drawWorld(t *rapid.T) emulator.World {
	w := emulator.DefaultWorld()
	w.Settings.BlockListDomain = rapid.SampledFrom([]string{"", "ingest"}).Draw(t, "list")
	w.Settings.RelayEmpty = rapid.SampledFrom([]string{"list", "omitted", "notFound"}).Draw(t, "empty")
	for _, op := range []string{
		"DescribeLiveDomainMapping", "DescribeLiveDomainMultiStreamConfig", "DescribeLiveStreamsBlockList",
		"DescribeRelaySourceV3", "ListDomainDetail", "DescribeLiveUserDomains", "DescribeLiveStreamsOnlineList",
	} {
		w.Quotas = append(w.Quotas, emulator.Quota{Operation: op})
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "mains") {
		drawMain(t, &w, fmt.Sprintf("live%d.test", i))
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "vhosts") {
		drawVhost(t, &w, fmt.Sprintf("v%d.test", i))
	}
	return w
}

func drawName(t *rapid.T, label string) string {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"NO", "on", "010", "1e3", "null", "live", "~", "0x1F", "-", "_", "a.b", "a b", "é", strings.Repeat("x", 40)}),
		rapid.StringMatching(`[A-Za-z0-9_-]{1,9}`),
	).Draw(t, label)
}

func drawMain(t *rapid.T, w *emulator.World, main string) {
	w.Domains = append(w.Domains, emulator.Domain{
		Name: main, Type: "vhost", MultiStream: rapid.SampledFrom([]string{"", "on", "off"}).Draw(t, "switch"),
	})
	var ingests []string
	for i := range rapid.IntRange(0, 2).Draw(t, "ingests") {
		ingests = append(ingests, fmt.Sprintf("push%d.%s", i, main))
		w.Domains = append(w.Domains, emulator.Domain{Name: ingests[i], Type: "publish", Main: main})
	}
	if rapid.Bool().Draw(t, "play") {
		w.Domains = append(w.Domains, emulator.Domain{Name: "play." + main, Type: "play", Main: main})
	}
	for range rapid.IntRange(0, 3).Draw(t, "blocks") {
		at := rapid.SampledFrom(append(ingests, main)).Draw(t, "at")
		w.Blocked = append(w.Blocked, emulator.Block{Domain: at, App: drawName(t, "app"), Stream: drawName(t, "stream")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "streams") {
		w.Streams = append(w.Streams, emulator.Stream{Domain: main, App: drawName(t, "app"), Stream: drawName(t, "stream"), Online: true})
	}
}

func drawVhost(t *rapid.T, w *emulator.World, vhost string) {
	w.Vhosts = append(w.Vhosts, emulator.Vhost{Name: vhost, Domains: []string{vhost, "pull." + vhost}})
	for range rapid.IntRange(0, 4).Draw(t, "apps") {
		r := emulator.RelaySource{Vhost: vhost, App: rapid.OneOf(rapid.Just(""), rapid.Just("*"), rapid.Custom(func(t *rapid.T) string {
			return drawName(t, "app")
		})).Draw(t, "entry")}
		for range rapid.IntRange(0, 3).Draw(t, "groups") {
			g := emulator.RelayGroup{Name: drawName(t, "group")}
			for range rapid.IntRange(0, 5).Draw(t, "servers") {
				g.Servers = append(g.Servers, drawServer(t))
			}
			r.Groups = append(r.Groups, g)
		}
		w.RelaySources = append(w.RelaySources, r)
	}
}

func drawServer(t *rapid.T) emulator.RelayServer {
	s := emulator.RelayServer{
		Address:  rapid.SampledFrom([]string{"o.example.net", "O.Example.net:1935", "192.0.2.1", "not a host"}).Draw(t, "address"),
		Protocol: rapid.SampledFrom([]string{"rtmp", "flv", "RTMP", "hls"}).Draw(t, "protocol"),
	}
	if rapid.Bool().Draw(t, "params") {
		s.Params = map[string]string{drawName(t, "key"): rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"'", "NO", "a: b", "a\nb", "\u202e", "\u2028", "", "0123456789abcdefABCDEF0123456789xyz",
		})).Draw(t, "value")}
	}
	return s
}

// importConfig has one account of each cloud.
func importConfig() *config.Config {
	return &config.Config{Accounts: []config.Account{{Name: "ali", Provider: "aliyun"}, {Name: "volc", Provider: "volcengine"}}}
}

// callers are raw clients of the two accounts.
func callers(t interface{ Fatal(...any) }, w emulator.World) map[string]call.Caller {
	b := &builder{transport: emulator.New(w).Transport()}
	out := map[string]call.Caller{}
	for _, acc := range importConfig().Accounts {
		acc.Keys = secret.KeyRef{ID: secret.Ref{Env: "TEST_IMPORT_KEY"}, Secret: secret.Ref{Env: "TEST_IMPORT_KEY"}}
		c, err := clouds()[acc.Provider].client(b, acc)
		if err != nil {
			t.Fatal(err)
		}
		out[acc.Name] = c
	}
	return out
}

// surveyAll lists both accounts.
func surveyAll(t *rapid.T, with map[string]call.Caller, f importFlags) []surveyed {
	var out []surveyed
	for _, acc := range importConfig().Accounts {
		p := clouds()[acc.Provider].provider
		lister, ok := p.(provider.Lister)
		if !ok {
			t.Fatalf("%s: no Lister", acc.Provider)
		}
		l, err := lister.List(t.Context(), with[acc.Name], provider.Search{Account: acc.Name, Defaults: f.all})
		if err != nil || len(l.Unread) > 0 {
			t.Fatalf("%s: %v, unread %+v", acc.Name, err, l.Unread)
		}
		out = append(out, surveyed{acc, p.Kinds(), l})
	}
	return out
}

// TestImportedIsInSync holds, for random accounts, that what is imported has no
// error, declares only what stands in the cloud as it stands there, and leaves
// nothing out without a word.
func TestImportedIsInSync(t *testing.T) {
	t.Setenv("TEST_IMPORT_KEY", "weir-emulator")
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		with := callers(t, w)
		found := surveyAll(t, with, importFlags{all: rapid.Bool().Draw(t, "all")})
		files := filesOf(importConfig(), found, nil, "imported")
		snap := &source.Snapshot{}
		words := map[string]int{}
		for _, f := range files {
			snap.Files = append(snap.Files, source.File{Path: f.Path, Data: f.text, Hash: f.Path})
			for _, one := range f.found {
				words[one.Outcome]++
			}
		}
		res := manifest.New(manifestOptions(importConfig(), nil)).Load(snap)
		if res.Errors > 0 || res.Set.Len() != words["document"] || res.Documents != words["document"] {
			t.Fatalf("%d documents, %d resources, want %d: %v\n%s", res.Documents, res.Set.Len(), words["document"], res.Problems, texts(files))
		}
		if all := len(found[0].Found) + len(found[1].Found); all != words["document"]+words["comment"] {
			t.Fatalf("found %d, written %v", all, words)
		}
		for r := range res.Set.All() {
			inSync(t, with[r.ID.Account], r)
		}
	})
}

func texts(files []*importFile) string {
	var b strings.Builder
	for _, f := range files {
		b.Write(f.text)
	}
	return b.String()
}

// inSync judges a declared resource as the first pass of a new state does.
func inSync(t *rapid.T, c call.Caller, r resource.Resource) {
	for _, cloud := range clouds() {
		kind, ok := cloud.provider.Kinds()[r.ID.Kind]
		if !ok {
			continue
		}
		spec, err := kind.Normal(r.Spec)
		if err != nil {
			t.Fatalf("%s: %v", r.ID, err)
		}
		r.Spec = spec
		seen, err := cloud.provider.Observe(t.Context(), c, []resource.Resource{r})
		if err != nil {
			t.Fatal(err)
		}
		v := kind.Judge(plan.Case{ID: r.ID, Want: &r, Seen: &seen[0], Now: time.Now()})
		if v.Action != plan.None || v.State != plan.InSync {
			t.Fatalf("%s: %+v", r.ID, v)
		}
	}
}

// manyFound is an account with n applications.
func manyFound(n int) surveyed {
	s := surveyed{account: importConfig().Accounts[1], kinds: clouds()["volcengine"].provider.Kinds()}
	for i := range n {
		app := fmt.Sprintf("app%05d", i)
		s.Found = append(s.Found, provider.Found{
			ID: resource.ID{Account: "volc", Kind: "RelaySource", Key: "v.test/" + app},
			Spec: resource.Spec(fmt.Sprintf(
				`{"vhost":"v.test","app":%q,"groups":[{"name":"g","servers":[{"address":"o.test","protocol":"rtmp"}]}]}`, app)),
		})
	}
	return s
}

// TestImportGoesOnInTheNextFile holds that a large account becomes files that a
// source takes.
func TestImportGoesOnInTheNextFile(t *testing.T) {
	files := filesOf(importConfig(), []surveyed{manyFound(2000)}, nil, "out")
	documents := 0
	for i, f := range files {
		documents += f.Documents
		want := filepath.Join("out", "volc", map[bool]string{true: "RelaySource.yaml", false: fmt.Sprintf("RelaySource-%d.yaml", i+1)}[i == 0])
		if f.Path != want || len(f.text) > partBytes || !strings.HasPrefix(string(f.text), "# RelaySource of account volc") {
			t.Errorf("%s has %d bytes, want at most %d in %s", f.Path, len(f.text), partBytes, want)
		}
	}
	if documents != 2000 || len(files) < 2 {
		t.Errorf("%d documents in %d files", documents, len(files))
	}
}

func TestImportOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	a := &app{}
	files := filesOf(importConfig(), []surveyed{manyFound(2000)}, nil, dir)
	last := files[len(files)-1].Path
	if err := os.MkdirAll(filepath.Dir(last), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nowhere", last); err != nil { // would be followed by a careless open
		t.Fatal(err)
	}
	if err := a.deliver(files, dir); err == nil || !strings.Contains(err.Error(), last+" is there already") {
		t.Errorf("error %v, want it to name %s", err, last)
	}
	if there, _ := filepath.Glob(filepath.Join(filepath.Dir(last), "*")); len(there) != 1 {
		t.Errorf("of files that are refused some were written: %v", there)
	}
	if err := os.Remove(last); err != nil {
		t.Fatal(err)
	}
	if err := a.deliver(files, dir); err != nil {
		t.Fatal(err)
	}
	if err := files[0].write(); err == nil {
		t.Error("a file that came into being meanwhile is overwritten")
	}
}

// TestImportLeavesOutWhatIsDeclared holds it for another spelling of the host,
// and for an identity that only may be the same.
func TestImportLeavesOutWhatIsDeclared(t *testing.T) {
	id := func(key string) resource.ID { return resource.ID{Account: "ali", Kind: "StreamIngest", Key: key} }
	s := surveyed{account: importConfig().Accounts[0], kinds: clouds()["aliyun"].provider.Kinds()}
	spec := resource.Spec(`{"domain":"in1.test","app":"live","stream":"s","allowed":false}`)
	s.Found = []provider.Found{{ID: id("in1.test/live/s"), Spec: spec, Twins: []resource.ID{id("in2.test/live/s")}}}
	for declared, want := range map[string]string{
		"in1.test/live/s": "declared", "IN1.test/live/s": "declared", "in2.test/live/s": "declared", "in1.test/live/t": "document",
	} {
		files := filesOf(importConfig(), []surveyed{s}, map[resource.ID]resource.Origin{
			manifest.Fold(id(declared)): {File: "a.yaml", Line: 3},
		}, "out")
		if got := files[0].found[0]; got.Outcome != want || (want == "declared") != (got.At == "a.yaml:3") {
			t.Errorf("with %s declared: %+v, want %s", declared, got, want)
		}
	}
}
