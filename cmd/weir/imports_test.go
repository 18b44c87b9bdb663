package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rooms is who may know whom: for each package, the packages of ours that its
// code may import. Tests may import more. A new package needs a row; a row of
// a concrete source, cloud or store is the same as its siblings'.
var rooms = map[string][]string{
	"cmd/weir":       {"*"}, // the only place that knows concrete sources, clouds and stores
	"deploy":         {},
	"deploy/grafana": {},
	"examples":       {},

	"examples/cluster": {},
	"schema":           {},

	"sync/resource": {},
	"sync/secret":   {},
	"sync/call":     {"sync/trace"},

	"sync/trace":      {},
	"sync/trace/otlp": {"sync/trace", "sync/delivery", "sync/secret"},

	"sync/trace/otlp/otlptest": {},

	"sync/boottime":        {},
	"sync/quota":           {"sync/call", "sync/boottime"},
	"sync/quota/filequota": {"sync/quota", "sync/call", "sync/boottime"},
	"sync/quota/etcdquota": {"sync/quota", "sync/call", "sync/boottime", "sync/etcd"},

	"sync/etcd":                {"sync/boottime"},
	"sync/etcd/etcdtest":       {"sync/etcd"}, // tests only
	"sync/cluster":             {},
	"sync/cluster/etcdcluster": {"sync/cluster", "sync/etcd", "sync/boottime"},
	"sync/cluster/clustertest": {"sync/cluster"},

	"sync/commitstatus": {"sync/secret", "sync/delivery"},
	"sync/notify":       {"sync/delivery", "sync/notify/channel", "sync/notify/message"},
	"sync/delivery":     {"sync/secret"},

	"sync/notify/channel": {"sync/secret", "sync/delivery", "sync/notify/message"},
	"sync/notify/message": {"sync/delivery", "sync/plan", "sync/resource"},

	"sync/news": {"sync/reconcile", "sync/notify/message", "sync/apply", "sync/manifest", "sync/plan", "sync/resource", "sync/source", "sync/plan/guard"},

	"sync/source":           {},
	"sync/source/dirsource": {"sync/source"},
	"sync/source/gitsource": {"sync/source", "sync/secret"},

	"sync/manifest": {"schema", "sync/source", "sync/resource"},
	"sync/config":   {"schema", "sync/manifest", "sync/notify/message", "sync/plan", "sync/secret"},

	"sync/plan":       {"sync/resource"},
	"sync/plan/guard": {"sync/resource", "sync/plan"},

	"sync/provider":                {"sync/resource", "sync/plan", "sync/call"},
	"sync/provider/wire":           {"sync/call", "sync/secret"},
	"sync/provider/providertest":   concreteProvider,
	"sync/provider/aliyunlive":     concreteProvider,
	"sync/provider/volcenginelive": concreteProvider,

	"sync/emulator":           {"sync/emulator/signature"}, // knows only what the clouds' documents say
	"sync/emulator/signature": {},

	"sync/state":             {"sync/resource"},
	"sync/state/statetest":   {"sync/resource", "sync/state"},
	"sync/state/sqlitestate": {"sync/resource", "sync/state"},
	"sync/state/etcdstate":   {"sync/resource", "sync/state", "sync/etcd"},

	"sync/blame": {"sync/source", "sync/state", "sync/call", "sync/resource"},

	"sync/apply":     {"sync/plan", "sync/provider", "sync/call", "sync/state", "sync/resource"},
	"sync/reconcile": belowReconcile,

	"sync/simulation": {}, // tests only
	"sync/takeover":   {}, // tests only

	"sync/daemon":          {"sync/reconcile", "sync/state", "sync/plan", "sync/resource", "sync/call", "sync/cluster", "sync/daemon/access", "sync/daemon/view", "sync/daemon/web", "sync/daemon/webhook"},
	"sync/daemon/view":     {"sync/reconcile", "sync/cluster", "sync/state", "sync/plan", "sync/plan/guard", "sync/resource", "sync/call", "sync/apply", "sync/manifest", "sync/source"},
	"sync/daemon/web":      {"sync/cluster", "sync/reconcile", "sync/plan", "sync/resource", "sync/apply", "sync/daemon/view"},
	"sync/daemon/gate":     {},
	"sync/daemon/demotest": {}, // tests only
	"sync/daemon/webhook":  {"sync/daemon/gate", "sync/secret"},
	"sync/daemon/access":   {"sync/daemon/gate", "sync/secret"},

	"sync/daemon/access/accesstest": {},
}

var concreteProvider = []string{
	"sync/provider", "sync/provider/wire", "sync/resource", "sync/plan", "sync/call", "sync/secret",
}

var belowReconcile = []string{
	"schema", "sync/source", "sync/manifest", "sync/plan", "sync/plan/guard", "sync/call", "sync/provider",
	"sync/state", "sync/apply", "sync/resource", "sync/trace", "sync/cluster",
}

// homes is where a module of others may be imported: mostly one adapter each,
// so that it can be replaced in one place. A new module needs a row.
var homes = map[string][]string{
	"github.com/Masterminds/semver":          {"sync/source/gitsource"},
	"github.com/ProtonMail/go-crypto":        {"sync/source/gitsource"},
	"github.com/drone/go-scm":                {"sync/commitstatus"},
	"github.com/fsnotify/fsnotify":           {"sync/source/dirsource"},
	"github.com/go-git/":                     {"sync/source/gitsource"},
	"github.com/hiddeco/sshsig":              {"sync/source/gitsource"},
	"github.com/prometheus/client_golang":    {"cmd/weir", "sync/call", "sync/commitstatus", "sync/etcd", "sync/notify", "sync/reconcile", "sync/daemon", "sync/daemon/access", "sync/daemon/webhook", "sync/trace/otlp"},
	"github.com/prometheus/exporter-toolkit": {"sync/daemon/access"},
	"github.com/rivo/uniseg":                 {"cmd/weir"},
	"github.com/santhosh-tekuri/jsonschema":  {"schema"},
	"github.com/skeema/knownhosts":           {"sync/source/gitsource"},
	"github.com/spf13/cobra":                 {"cmd/weir"},
	"github.com/spf13/pflag":                 {"cmd/weir"},
	"github.com/wneessen/go-mail":            {"sync/notify/channel"},
	"github.com/vbauerster/mpb":              {"cmd/weir"},
	"go.etcd.io/":                            {"sync/etcd", "sync/state/etcdstate", "sync/quota/etcdquota", "sync/cluster/etcdcluster"},
	"go.uber.org/zap":                        {"sync/etcd"}, // the etcd client's logger, to be silent
	"google.golang.org/grpc":                 {"sync/etcd"},
	"go.yaml.in/yaml":                        {"sync/manifest", "sync/emulator", "sync/daemon/access"}, // of Prometheus' web config, v2 as its toolkit
	"golang.org/x/crypto":                    {"sync/source/gitsource", "sync/daemon/access"},
	"golang.org/x/net/netutil":               {"sync/daemon"},
	"golang.org/x/net/proxy":                 {"sync/source/gitsource"},
	"go.opentelemetry.io/proto/slim":         {"sync/trace/otlp/otlptest"},
	"google.golang.org/protobuf":             {"sync/trace/otlp", "sync/trace/otlp/otlptest"},
	"golang.org/x/sys":                       {"sync/boottime", "sync/quota/filequota"},
	"golang.org/x/term":                      {"cmd/weir"},
	"golang.org/x/time":                      {"sync/daemon/gate", "sync/daemon/access"},
	"modernc.org/sqlite":                     {"sync/state/sqlitestate"},
	"pgregory.net/rapid":                     {"sync/provider/providertest", "sync/state/statetest"},
}

// suites are packages of tests that other packages' tests run.
var suites = []string{"sync/provider/providertest", "sync/state/statetest", "sync/daemon/access/accesstest", "sync/trace/otlp/otlptest", "sync/daemon/demotest", "sync/etcd/etcdtest", "sync/cluster/clustertest"}

// pure packages decide; they neither wait, read, write nor look at a clock.
var pure = []string{"sync/resource", "sync/plan", "sync/plan/guard", "sync/blame"}

// unit is a package's code as the rules see it.
type unit struct {
	dir     string
	imports map[string]token.Position
	clocks  []token.Position // uses of the wall clock
}

func TestImports(t *testing.T) {
	units := parseAll(t, "../..")
	for dir := range units {
		if _, known := rooms[dir]; !known {
			t.Errorf("%s has no row in rooms", dir)
		}
	}
	for _, u := range units {
		for path, at := range u.imports {
			if fault := u.fault(path); fault != "" {
				t.Errorf("%s: %s imports %s: %s", at, u.dir, path, fault)
			}
		}
		if slices.Contains(pure, u.dir) {
			for _, at := range u.clocks {
				t.Errorf("%s: %s is pure, it is given the time", at, u.dir)
			}
		}
	}
}

// fault says what is wrong with importing path, "" for nothing.
func (u unit) fault(path string) string {
	own, ours := strings.CutPrefix(path, "weir/")
	first, _, _ := strings.Cut(path, "/")
	switch {
	case ours:
		return u.faultOfRoom(own)
	case strings.Contains(first, "."):
		return u.faultOfHome(path)
	case slices.Contains(pure, u.dir) && effect(path):
		return "it is pure"
	case path == "testing" && !slices.Contains(suites, u.dir):
		return "only a suite and test files"
	case path == "log" || path == "math/rand" || path == "unsafe":
		return "not in this house: log/slog, math/rand/v2, nothing"
	}
	return ""
}

func (u unit) faultOfRoom(own string) string {
	allowed := rooms[u.dir]
	switch {
	case slices.Contains(suites, own):
		return "a suite belongs to tests"
	case slices.Equal(allowed, []string{"*"}) || slices.Contains(allowed, own):
		return ""
	}
	return "allowed are " + strings.Join(append(slices.Clone(allowed), "no others"), ", ")
}

func (u unit) faultOfHome(path string) string {
	for prefix, dirs := range homes {
		if strings.HasPrefix(path, prefix) {
			if slices.Contains(dirs, u.dir) {
				return ""
			}
			return "only in " + strings.Join(dirs, ", ")
		}
	}
	return "it has no row in homes"
}

// effect reports whether a package of the standard library can do more than
// compute.
func effect(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return slices.Contains([]string{"context", "os", "net", "io", "log", "database", "syscall", "bufio"}, first)
}

// parseAll reads all code below root but tests, by folder.
func parseAll(t *testing.T, root string) map[string]unit {
	t.Helper()
	units := map[string]unit{}
	set := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || (strings.HasPrefix(d.Name(), ".") && name != root)) {
			return fs.SkipDir
		}
		if _, err := os.Stat(filepath.Join(name, "go.mod")); d.IsDir() && name != root && err == nil {
			return fs.SkipDir // another module
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		u, ok := units[filepath.ToSlash(dir)]
		if !ok {
			u = unit{dir: filepath.ToSlash(dir), imports: map[string]token.Position{}}
		}
		u.read(set, f)
		units[u.dir] = u
		return err
	})
	if err != nil || len(units) < 15 {
		t.Fatalf("%d packages, %v", len(units), err)
	}
	return units
}

func (u *unit) read(set *token.FileSet, f *ast.File) {
	for _, spec := range f.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			u.imports[path] = set.Position(spec.Pos())
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		name, ok := sel.X.(*ast.Ident)
		clock := []string{"Now", "Since", "Until", "Sleep", "After", "NewTimer", "NewTicker", "Tick", "AfterFunc"}
		if ok && name.Name == "time" && slices.Contains(clock, sel.Sel.Name) {
			u.clocks = append(u.clocks, set.Position(sel.Pos()))
		}
		return true
	})
}

// TestRoomsAreNoWish holds that the tables speak of what is there, or is
// planned by name, and that no row lets imports run in a circle.
func TestRoomsAreNoWish(t *testing.T) {
	var visit func(dir string, trail []string)
	visit = func(dir string, trail []string) {
		if slices.Contains(trail, dir) {
			t.Fatalf("a circle: %s", strings.Join(append(trail, dir), " → "))
		}
		for _, next := range rooms[dir] {
			if _, known := rooms[next]; !known && next != "*" {
				t.Errorf("%s may import %s, which has no row", dir, next)
			}
			visit(next, append(slices.Clone(trail), dir))
		}
	}
	for dir := range rooms {
		visit(dir, nil)
	}
	for _, dirs := range homes {
		for _, dir := range dirs {
			if _, known := rooms[dir]; !known {
				t.Errorf("homes names %s, which has no row in rooms", dir)
			}
		}
	}
	for _, dir := range append(slices.Clone(suites), pure...) {
		if _, known := rooms[dir]; !known {
			t.Errorf("%s has no row in rooms", dir)
		}
	}
}

// TestImportFaults holds that each rule can fail.
func TestImportFaults(t *testing.T) {
	for name, c := range map[string]struct {
		dir, path string
		fault     string // a part of it, "" for none
	}{
		"down the house":               {"sync/apply", "weir/sync/plan", ""},
		"up the house":                 {"sync/plan", "weir/sync/apply", "no others"},
		"a concrete cloud":             {"sync/reconcile", "weir/sync/provider/aliyunlive", "no others"},
		"a concrete cloud, cmd":        {"cmd/weir", "weir/sync/provider/aliyunlive", ""},
		"the emulator in code":         {"sync/provider/aliyunlive", "weir/sync/emulator", "no others"},
		"what the emulator must prove": {"sync/emulator", "weir/sync/provider/wire", "no others"},
		"a suite":                      {"cmd/weir", "weir/sync/state/statetest", "tests"},
		"a module at home":             {"schema", "github.com/santhosh-tekuri/jsonschema/v5", ""},
		"a module abroad":              {"sync/config", "go.yaml.in/yaml/v4", "only in"},
		"a new module":                 {"sync/config", "github.com/spf13/viper", "no row"},
		"io in pure code":              {"sync/plan", "net/http", "pure"},
		"io elsewhere":                 {"sync/daemon", "net/http", ""},
		"testing in code":              {"sync/daemon", "testing", "suite"},
		"the old log":                  {"sync/daemon", "log", "slog"},
	} {
		t.Run(name, func(t *testing.T) {
			got := unit{dir: c.dir}.fault(c.path)
			if (got == "") != (c.fault == "") || !strings.Contains(got, c.fault) {
				t.Errorf("%s importing %s: %q, want %q", c.dir, c.path, got, c.fault)
			}
		})
	}
}

// TestSyncIsAFolder holds that sync itself is no package: the listing of its
// folders is the flow of the data.
func TestSyncIsAFolder(t *testing.T) {
	files, err := filepath.Glob(path.Join("../../sync", "*.go"))
	if err != nil || len(files) != 0 {
		t.Errorf("%v, %v; want no Go file", files, err)
	}
	dirs := slices.Sorted(maps.Keys(parseAll(t, "../..")))
	for _, dir := range dirs {
		for _, word := range []string{"util", "utils", "common", "helper", "helpers", "manager", "pkg"} {
			if slices.Contains(strings.Split(dir, "/"), word) {
				t.Errorf("%s: %s says nothing about what is in it", dir, word)
			}
		}
	}
}
