package reconcile

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/provider/aliyunlive"
	"weir/sync/provider/volcenginelive"
	"weir/sync/secret"
	"weir/sync/state/statetest"
)

// The size of a house of many accounts, half of them of each cloud.
const (
	estateAccounts = 10
	estateSwitches = 20 // dual-stream switches, ingests and live recordings of an ApsaraVideo account
	estateBlocks   = 10
	estateRecords  = 5
	estateRelays   = 40 // relay sources of a Volcengine account
	relaysAVhost   = 10
)

// estate is a house of many accounts, each with a key, a quota and a line of its own.
type estate struct {
	*house
	names []string
	lines map[string]*line
	lives map[string]string // account: text of its document, as committed last
}

// line is the way to the cloud of one account.
type line struct {
	next http.RoundTripper
	cut  atomic.Bool
}

var errCut = errors.New("the line is cut")

// RoundTrip takes 20 ms, or fails while the line is cut.
func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(20 * time.Millisecond)
	if l.cut.Load() {
		return nil, errCut
	}
	return l.next.RoundTrip(r)
}

func openEstate(t *testing.T) *estate {
	e := &estate{
		house: &house{t: t, source: newTree(), store: statetest.NewMemory(), limiters: call.Limiters{}, log: &strings.Builder{}},
		lines: map[string]*line{}, lives: map[string]string{},
	}
	world := emulator.World{Settings: emulator.Settings{AcceptExampleDomains: true}}
	for i := range estateAccounts {
		cloud := []string{emulator.Aliyun, emulator.Volcengine}[i%2]
		name := fmt.Sprintf("%s%d", cloud, i)
		e.names = append(e.names, name)
		world.Credentials = append(world.Credentials, emulator.Credential{Cloud: cloud, AccessKeyID: name, AccessKeySecret: "s", Account: name})
	}
	e.clouds = emulator.New(world)
	e.registry = prometheus.NewRegistry()
	opts := Options{
		Store: e.store, Interval: 5 * time.Minute, Metrics: NewMetrics(e.registry),
		Policy: plan.Policy{Mode: plan.Sync, HealDrift: true, MaxRemoved: 5, MaxRemovedPercent: 50, MaxUpdatedPercent: 100},
		Logger: slog.New(slog.NewTextHandler(e.log, nil)), Accounts: map[string]apply.Target{},
	}
	accounts := map[string][]string{}
	for _, name := range e.names {
		api := "volcengine/v1"
		if strings.HasPrefix(name, emulator.Aliyun) {
			api = "aliyun/v1"
		}
		accounts[api] = append(accounts[api], name)
		opts.Accounts[name] = e.target(name)
	}
	opts.Feeds = []Feed{{Name: "live", Source: e.source, Loader: manifest.New(manifest.Options{Accounts: accounts})}}
	opts.Outlook = e.limiters.Outlook
	var err error
	if e.rec, err = New(opts); err != nil {
		t.Fatal(err)
	}
	return e
}

// target is one account with its own limiter and line.
func (e *estate) target(name string) apply.Target {
	e.t.Helper()
	key := func() (secret.Key, error) { return secret.Key{ID: name, Secret: secret.New("s")}, nil }
	e.lines[name] = &line{next: e.clouds.Transport()}
	var p provider.Provider = volcenginelive.New()
	var client call.Caller
	var err error
	if strings.HasPrefix(name, emulator.Aliyun) {
		p = aliyunlive.New()
		client, err = aliyunlive.NewClient(aliyunlive.ClientOptions{
			Account: name, Endpoint: "http://emulator", Region: "cn-shanghai", Keys: key, Transport: e.lines[name],
		})
	} else {
		client, err = volcenginelive.NewClient(volcenginelive.ClientOptions{
			Account: name, Endpoint: "http://emulator", Keys: key, Transport: e.lines[name],
		})
	}
	if err != nil {
		e.t.Fatal(err)
	}
	// The clouds' whole limits: what weir may use is exactly what they let through.
	if e.limiters[name], err = call.NewLimiter(call.LimiterOptions{Limits: p.Limits()}); err != nil {
		e.t.Fatal(err)
	}
	return apply.Target{Provider: p, Caller: call.Stack(client, call.StackOptions{
		Limiters: e.limiters, Reads: p.Reads(), Recorder: apply.NewRecorder(e.store), Jitter: call.SeededJitter(1),
	})}
}

// declare writes the document of an account; turn is what an edit changes.
func (e *estate) declare(name string, turn int) {
	b := &strings.Builder{}
	doc := func(api, kind, spec string, args ...any) {
		fmt.Fprintf(b, "---\napiVersion: %s\nkind: %s\nmetadata: {account: %s}\nspec: {%s}\n", api, kind, name, fmt.Sprintf(spec, args...))
	}
	if !strings.HasPrefix(name, emulator.Aliyun) {
		for i := range estateRelays {
			address := fmt.Sprintf("origin-%d.example.org", i)
			if i == turn%estateRelays {
				address = fmt.Sprintf("edit-%d.example.org", turn)
			}
			doc("volcengine/v1", "RelaySource", "vhost: %s-%d.example.com, app: app%d, groups: [{name: main, servers: [{address: %s, protocol: rtmp}]}]",
				name, i/relaysAVhost, i, address)
		}
		e.lives[name] = b.String()
		return
	}
	for i := range estateSwitches {
		doc("aliyun/v1", "MultiStream", "domain: %s-%d.example.com, enabled: true", name, i)
	}
	for i := range estateBlocks {
		doc("aliyun/v1", "StreamIngest", "domain: push-%s.example.com, app: live, stream: bad%d, allowed: %t", name, i, i == turn%estateBlocks)
	}
	for i := range estateRecords {
		doc("aliyun/v1", "Recording", "domain: %s-0.example.com, app: live, stream: s%d, state: recording", name, i)
		doc("aliyun/v1", "RtcPrefetch", "domain: %s-0.example.com, app: live, stream: s%d, regions: [SG, ZHJ], audioMsid: rts audio, "+
			"videoMsid: rts video, connectionTimeout: 30m, renew: true", name, i)
	}
	e.lives[name] = b.String()
}

// push commits what is declared of all accounts.
func (e *estate) push() {
	var files []string
	for _, name := range slices.Sorted(maps.Keys(e.lives)) {
		files = append(files, name+".yaml", e.lives[name])
	}
	e.commit(files...)
}

// drift changes one thing of an account behind weir's back.
func (e *estate) drift(name string, turn int) {
	e.t.Helper()
	world := emulator.World{Domains: []emulator.Domain{{
		Name: fmt.Sprintf("%s-%d.example.com", name, turn%estateSwitches), MultiStream: "off",
	}}}
	if !strings.HasPrefix(name, emulator.Aliyun) {
		world = emulator.World{RelaySources: []emulator.RelaySource{{
			Vhost: fmt.Sprintf("%s-%d.example.com", name, turn%estateRelays/relaysAVhost), App: fmt.Sprint("app", turn%estateRelays), Deleted: true,
		}}}
	}
	if err := e.clouds.Patch(world); err != nil {
		e.t.Fatal(err)
	}
}

// TestThreeHoursOfTenAccounts is an afternoon: an edit each five minutes, drift
// each seven, leases that are renewed, a line that is cut for twenty minutes. Weir
// uses each quota up to the last call and is never throttled, an account in
// trouble holds up no other, and in the end all is as declared.
func TestThreeHoursOfTenAccounts(t *testing.T) {
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		e := openEstate(t)
		for _, name := range e.names {
			e.declare(name, 0)
			if !strings.HasPrefix(name, emulator.Aliyun) {
				continue
			}
			for i := range estateRecords {
				if err := e.clouds.SetStreams(emulator.Stream{
					Domain: name + "-0.example.com", App: "live", Stream: fmt.Sprint("s", i), Online: true,
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
		e.start()
		defer e.stop()
		e.push()
		e.afternoon()
	})
	t.Logf("three hours took %v", time.Since(began).Round(time.Millisecond))
}

func (e *estate) afternoon() {
	e.t.Helper()
	tally := map[string]int{}
	for minute := 1; minute <= afternoonMinutes; minute++ {
		if minute%5 == 0 {
			name := e.names[minute/5%estateAccounts]
			e.declare(name, minute)
			e.push()
		}
		if minute%7 == 0 && minute < afternoonMinutes-15 {
			e.drift(e.names[minute/7%estateAccounts], minute)
		}
		e.lines[e.names[3]].cut.Store(minute >= 60 && minute < 80)
		e.wait(time.Minute)
		e.count(tally)
		if minute == 75 {
			e.othersGoOn(e.names[3])
		}
	}
	e.settled()
	e.t.Logf("%v", tally)
}

// count adds up the calls since the last look; none may have been throttled.
func (e *estate) count(tally map[string]int) {
	e.t.Helper()
	for _, c := range e.clouds.Journal() {
		tally[c.Operation]++
		if strings.Contains(c.Code, "Throttling") || strings.Contains(c.Code, "FlowLimit") {
			e.t.Errorf("%s %s of %s: %s", c.Time, c.Operation, c.Account, c.Code)
		}
	}
	e.clouds.ClearJournal()
}

// othersGoOn checks, while the line of one account is cut, that an edit of another
// is in the cloud at once.
func (e *estate) othersGoOn(cut string) {
	e.t.Helper()
	name := e.names[1]
	if name == cut {
		e.t.Fatal("the same account")
	}
	e.declare(name, 1001)
	e.push()
	e.wait(2 * time.Second)
	for _, r := range e.clouds.World().RelaySources {
		if strings.HasPrefix(r.Vhost, name+"-") && strings.Contains(fmt.Sprint(r), "edit-1001") {
			return
		}
	}
	e.t.Errorf("an edit of %s waits while the line of %s is cut", name, cut)
}

// settled checks that everything that can be read is as declared, and how long ago
// that was seen.
func (e *estate) settled() {
	e.t.Helper()
	s := e.rec.Status()
	if !s.Ready || len(s.Failures) > 0 || len(s.Unread) > 0 || len(s.Plan.Held) > 0 {
		e.t.Errorf("status: ready %v, failures %v, unread %v, held %v", s.Ready, s.Failures, s.Unread, s.Plan.Held)
	}
	for _, c := range e.rec.Shown().Plan.Changes {
		want := plan.InSync
		if c.ID.Kind == "Recording" || c.ID.Kind == "RtcPrefetch" {
			want = plan.Unknown
		}
		if c.State != want || c.Due() {
			e.t.Errorf("%s: %s, want %s (%s)", c.ID, c.State, want, c.Note)
		}
	}
}
