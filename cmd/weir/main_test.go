package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"weir/sync/emulator"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"weir": main})
}

// testConfig is what the scripts run with; a script may write another.
const testConfig = `apiVersion: weir/v1
kind: Config
sources:
  - {name: live, directory: {path: %[3]s}}
accounts:
  - name: ali
    provider: aliyun
    endpoint: %[1]s
    credentials: {accessKeyIdEnv: TEST_KEY, accessKeySecretEnv: TEST_KEY}
  - name: volc
    provider: volcengine
    endpoint: %[1]s
    credentials: {accessKeyIdEnv: TEST_KEY, accessKeySecretEnv: TEST_KEY}
policy: {mode: sync, maxRemovalsPercent: 50}
interval: 2s
listen: %[2]s
`

// TestScripts runs the stories in testdata/script: each is weir as its users
// call it, against clouds of its own.
func TestScripts(t *testing.T) { runScripts(t, testscript.Params{Dir: "testdata/script"}) }

// TestFailure_P06_P09_P21_Scripts runs the stories of failures.
func TestFailure_P06_P09_P21_Scripts(t *testing.T) {
	runScripts(t, testscript.Params{Dir: "testdata/failure"})
}

// runScripts runs stories. A story that needs etcd says `etcd`; all share one.
func runScripts(t *testing.T, p testscript.Params) {
	before := p.Setup
	keeper := &keeper{t: t}
	p.Setup = func(env *testscript.Env) error {
		env.Values["etcd"] = keeper
		if err := setup(env); err != nil || before == nil {
			return err
		}
		return before(env)
	}
	p.Cmds = map[string]func(*testscript.TestScript, bool, []string){
		"writes": checkWrites, "calls": checkCalls, "until": until, "clouds": patchClouds, "replace": replace, "signal": signalAll, "faults": setFaults, "calm": checkCalm, "filled": checkFilled, "foretold": checkForetold,
		"fought": fought, "once": checkOnce, "githost": startGitHost, "host": useGitHost, "sshd": startSSH, "inbox": startInbox, "robot": startRobot, "remember": remember, "commit": commitAll,
		"certify": certify, "address": takeAddress, "serves": checkServed, "collector": startCollector, "span": checkSpan,
		"etcd": useEtcd, "restored": restored,
	}
	p.Condition = func(name string) (bool, error) {
		if name != "sshd" {
			return false, fmt.Errorf("condition %s?", name)
		}
		_, err := os.Stat("/usr/sbin/sshd")
		return err == nil, nil
	}
	p.UpdateScripts = os.Getenv("UPDATE_SCRIPTS") != ""
	testscript.Run(t, p)
}

func setup(env *testscript.Env) error {
	clouds := emulator.New(emulator.DefaultWorld())
	server := httptest.NewServer(clouds)
	env.Defer(server.Close)
	env.Values["clouds"] = clouds
	env.Values["authority"] = &authority{}
	env.Values["collector"] = &collector{}
	listen, err := freeAddress()
	if err != nil {
		return err
	}
	env.Setenv("CLOUDS", server.URL)
	env.Setenv("LISTEN", listen)
	env.Setenv("TEST_KEY", "weir-emulator")
	env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	env.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(env.WorkDir, "gitconfig"))
	env.Setenv("GIT_TERMINAL_PROMPT", "0")
	env.Vars = append(env.Vars, togetherVars()...)
	live := "live"
	if _, err := os.Stat(filepath.Join(env.WorkDir, "ops", "live")); err == nil {
		live = "ops/live"
	}
	path := filepath.Join(env.WorkDir, "weir.yaml")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return os.WriteFile(path, fmt.Appendf(nil, testConfig, server.URL, listen, live), 0o600)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// checkWrites checks the calls with an effect since the last look: `writes Op Op`.
func checkWrites(ts *testscript.TestScript, _ bool, want []string) {
	clouds := ts.Value("clouds").(*emulator.Emulator)
	var got []string
	for _, c := range clouds.Journal() {
		if !strings.HasPrefix(c.Operation, "Describe") && c.Operation != "ListDomainDetail" {
			got = append(got, c.Operation)
		}
	}
	clouds.ClearJournal()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		ts.Fatalf("writes %v, want %v", got, want)
	}
}

// checkCalls checks all the calls since the last look: `calls Op Op`.
func checkCalls(ts *testscript.TestScript, _ bool, want []string) {
	clouds := ts.Value("clouds").(*emulator.Emulator)
	got := []string{}
	for _, c := range clouds.Journal() {
		got = append(got, c.Operation)
	}
	clouds.ClearJournal()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		ts.Fatalf("calls %v, want %v", got, want)
	}
}

// checkCalm checks that the clouds throttled nothing.
func checkCalm(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.Value("clouds").(*emulator.Emulator).Journal() {
		if c.Status == http.StatusTooManyRequests || strings.HasPrefix(c.Code, "Throttling") {
			ts.Fatalf("%s was throttled: %s", c.Operation, c.Code)
		}
	}
}

// checkOnce checks that no call of an operation had its effect twice with one
// value of a parameter: `once OPERATION PARAMETER`.
func checkOnce(ts *testscript.TestScript, _ bool, args []string) {
	seen := map[string]bool{}
	for _, c := range ts.Value("clouds").(*emulator.Emulator).Journal() {
		value := fmt.Sprint(c.Params[args[1]])
		if c.Operation != args[0] || c.Code != "" {
			continue
		}
		if seen[value] {
			ts.Fatalf("%s had its effect twice with %s %s", args[0], args[1], value)
		}
		seen[value] = true
	}
}

// until asks a URL, or reads a file, until it holds a text: `until PLACE TEXT`.
func until(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(20 * time.Second)
	last := ""
	for time.Now().Before(deadline) {
		last = look(ts, args[0])
		if strings.Contains(last, args[1]) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s never says %q; last:\n%s", args[0], args[1], last[max(0, len(last)-2000):])
}

func look(ts *testscript.TestScript, place string) string {
	if !strings.HasPrefix(place, "http") {
		b, _ := os.ReadFile(ts.MkAbs(place))
		return string(b)
	}
	resp, err := storyClient(ts, strings.HasPrefix(place, "https")).Get(place)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

// commitAll commits what is in the worktree as somebody: `commit NAME MESSAGE`.
// Each commit has a second of its own.
func commitAll(ts *testscript.TestScript, _ bool, args []string) {
	second, _ := strconv.Atoi(ts.Getenv("SECOND"))
	second++
	ts.Setenv("SECOND", strconv.Itoa(second))
	at := time.Date(2026, 5, 1, 10, 0, second, 0, time.UTC).Format(time.RFC3339)
	ts.Setenv("GIT_AUTHOR_DATE", at)
	ts.Setenv("GIT_COMMITTER_DATE", at)
	author := args[0] + " <" + strings.ToLower(strings.ReplaceAll(args[0], " ", ".")) + "@example.com>"
	ts.Check(ts.Exec("git", "add", "-A"))
	ts.Check(ts.Exec("git", "commit", "-q", "--allow-empty", "--author", author, "-m", args[1]))
}

// remember puts the last command's output into a variable: `remember NAME`.
func remember(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// patchClouds is somebody in the console: `clouds JSON`, or `clouds FILE`.
func patchClouds(ts *testscript.TestScript, _ bool, args []string) {
	var w emulator.World
	text := args[0]
	if !strings.HasPrefix(text, "{") {
		text = ts.ReadFile(text)
	}
	ts.Check(json.Unmarshal([]byte(text), &w))
	ts.Check(ts.Value("clouds").(*emulator.Emulator).Patch(w))
}

// setFaults disturbs the clouds: `faults JSON`.
func setFaults(ts *testscript.TestScript, _ bool, args []string) {
	var list []emulator.Fault
	ts.Check(json.Unmarshal([]byte(args[0]), &list))
	ts.Check(ts.Value("clouds").(*emulator.Emulator).SetFaults(1, list...))
}

// signalAll sends a signal to what runs in the background: `signal HUP`.
func signalAll(ts *testscript.TestScript, _ bool, args []string) {
	sig := map[string]os.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM}[args[0]]
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(sig))
	}
}

// replace edits a file as an editor does, by renaming: `replace FILE OLD NEW`.
func replace(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	if !strings.Contains(string(b), args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(path+"~", []byte(strings.Replace(string(b), args[1], args[2], 1)), 0o600))
	ts.Check(os.Rename(path+"~", path))
}
