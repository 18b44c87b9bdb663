package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/provider/aliyunlive"
	"weir/sync/provider/volcenginelive"
	"weir/sync/secret"
	"weir/sync/source"
	"weir/sync/state"
	"weir/sync/state/statetest"
)

// tree is a source held in memory: what a directory is, without the disk.
type tree struct {
	mu      sync.Mutex
	current *source.Snapshot
	failure error
	changed chan struct{}
}

func newTree() *tree { return &tree{changed: make(chan struct{})} }

// Next waits for another snapshot, or for a failure.
func (s *tree) Next(ctx context.Context, prev *source.Snapshot) (*source.Snapshot, error) {
	for {
		s.mu.Lock()
		current, failure, changed := s.current, s.failure, s.changed
		s.failure = nil
		s.mu.Unlock()
		if failure != nil {
			return nil, failure
		}
		if current != nil && current != prev {
			return current, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *tree) set(current *source.Snapshot, failure error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if current != nil {
		s.current = current
	}
	s.failure = failure
	close(s.changed)
	s.changed = make(chan struct{})
}

// house is all of weir but the process: loop, providers, store and clouds.
type house struct {
	t        *testing.T
	source   *tree
	clouds   *emulator.Emulator
	store    state.Store
	trouble  func() error // of writing calls down
	rec      *Reconciler
	registry *prometheus.Registry
	limiters call.Limiters
	log      *strings.Builder
	cancel   context.CancelFunc
	ended    chan struct{}
	share    float64
	office   *office                                   // whom the quota is shared with, nil for nobody
	away     *far                                      // how far the clouds are, nil for here
	through  func(http.RoundTripper) http.RoundTripper // what stands in between, may be nil
	mandate  call.Mandate                              // to call the accounts, nil for ever
}

type change func(*house, *Options)

// open builds a house on the emulator's default world, in virtual time.
func open(t *testing.T, changes ...change) *house {
	h := &house{
		t: t, source: newTree(), clouds: emulator.New(emulator.DefaultWorld()), store: statetest.NewMemory(),
		registry: prometheus.NewRegistry(), limiters: call.Limiters{}, log: &strings.Builder{}, share: 0.9,
	}
	h.build(changes...)
	return h
}

// build makes the loop anew, as a process that starts does.
func (h *house) build(changes ...change) {
	h.t.Helper()
	h.registry = prometheus.NewRegistry()
	opts := Options{
		Feeds: []Feed{{Name: "live", Source: h.source, Loader: manifest.New(manifest.Options{
			Accounts: map[string][]string{"aliyun/v1": {"ali"}, "volcengine/v1": {"volc"}},
		})}},
		Store: h.store, Interval: 5 * time.Minute, Metrics: NewMetrics(h.registry),
		Policy: plan.Policy{
			Mode: plan.Sync, HealDrift: true, MaxRemoved: 5, MaxRemovedPercent: 50, MaxUpdatedPercent: 100,
		},
		Logger: slog.New(slog.NewTextHandler(h.log, nil)),
	}
	if h.t.Name() != "" { // no benchmark
		opts.Decided = h.decided
	}
	for _, c := range changes {
		c(h, &opts)
	}
	opts.Accounts, opts.Outlook = h.targets(opts), h.limiters.Outlook
	opts.Expect = h.limiters.Expect
	opts.Trouble = h.trouble
	var err error
	if h.rec, err = New(opts); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) targets(opts Options) map[string]apply.Target {
	h.t.Helper()
	key := func() (secret.Key, error) {
		return secret.Key{ID: "weir-emulator", Secret: secret.New("weir-emulator")}, nil
	}
	transport := h.clouds.Transport()
	if h.through != nil {
		transport = h.through(transport)
	}
	if h.away != nil {
		h.away.next = transport
		transport = h.away
		h.limiters = call.Limiters{}
	}
	ali, err := aliyunlive.NewClient(aliyunlive.ClientOptions{
		Account: "ali", Endpoint: "http://emulator", Region: "cn-shanghai", Keys: key, Transport: transport,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	volc, err := volcenginelive.NewClient(volcenginelive.ClientOptions{
		Account: "volc", Endpoint: "http://emulator", Keys: key, Transport: transport,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	reads := append(aliyunlive.New().Reads(), volcenginelive.New().Reads()...)
	for name, limits := range map[string]map[string][]call.Window{
		"ali": aliyunlive.New().Limits(), "volc": volcenginelive.New().Limits(),
	} {
		if h.limiters[name] == nil {
			h.limiters[name], err = call.NewLimiter(call.LimiterOptions{Limits: limits, Share: h.share})
			if h.office != nil {
				h.office.join(h.limiters[name], name)
			}
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
	recorder := apply.NewRecorder(h.store)
	h.trouble = recorder.Trouble
	sure := func(client call.Caller) call.Caller {
		return call.Linger(call.WhileMandated(client, h.mandate, call.Least(10*time.Second)), 8*time.Second)
	}
	stack := call.Stack(call.ByAccount{"ali": sure(ali), "volc": sure(volc)}, call.StackOptions{
		Limiters: h.limiters, Reads: reads, DryRun: opts.DryRun, Recorder: recorder,
		Jitter: call.SeededJitter(1),
	})
	return map[string]apply.Target{
		"ali":  {Provider: aliyunlive.New(), Caller: stack},
		"volc": {Provider: volcenginelive.New(), Caller: stack},
	}
}

// decided fails unless what was decided about what had changed is what is decided
// about everything.
func (h *house) decided(in plan.Input, p *plan.Plan) {
	want := plan.Diff(in)
	a, b := slices.Collect(p.All()), slices.Collect(want.All())
	if !reflect.DeepEqual(a, b) || p.Hash != want.Hash || !p.Next.Equal(want.Next) || p.Summary() != want.Summary() {
		h.t.Errorf("decided\n%+v\nwant\n%+v", a, b)
	}
}

// commit makes files (name and text in turn) the source's newest revision.
func (h *house) commit(files ...string) {
	h.t.Helper()
	snap := &source.Snapshot{Source: "live"}
	for i := 0; i < len(files); i += 2 {
		sum := sha256.Sum256([]byte(files[i+1]))
		snap.Files = append(snap.Files, source.File{Path: files[i], Data: []byte(files[i+1]), Hash: hex.EncodeToString(sum[:])})
	}
	slices.SortFunc(snap.Files, func(a, b source.File) int { return strings.Compare(a.Path, b.Path) })
	all := sha256.Sum256(fmt.Append(nil, files))
	snap.Revision = "dir:" + hex.EncodeToString(all[:4])
	h.source.set(snap, nil)
}

// start runs the loop until the test ends or stop is called.
func (h *house) start() {
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel, h.ended = cancel, make(chan struct{})
	go func(rec *Reconciler, ended chan struct{}) {
		defer close(ended)
		_ = rec.Run(ctx)
	}(h.rec, h.ended)
}

func (h *house) stop() {
	h.cancel()
	<-h.ended
}

// wait lets virtual time pass.
func (h *house) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// writes returns the calls that had or might have had an effect, as
// "Operation detail" or "Operation detail: code", and clears the journal.
func (h *house) writes() []string {
	var out []string
	for _, c := range h.clouds.Journal() {
		if strings.HasPrefix(c.Operation, "Describe") {
			continue
		}
		line := c.Operation
		for _, name := range []string{"Command", "RegionCode", "Switch", "StreamName", "Group"} {
			if v, ok := c.Params[name]; ok {
				line += fmt.Sprint(" ", v)
				break
			}
		}
		if c.Code != "" {
			line += ": " + c.Code
		}
		out = append(out, line)
	}
	h.clouds.ClearJournal()
	slices.Sort(out)
	return out
}

// expectWrites fails unless exactly these writes were made since the last look.
func (h *house) expectWrites(want ...string) {
	h.t.Helper()
	slices.Sort(want)
	if got := h.writes(); !slices.Equal(got, want) {
		h.t.Errorf("writes\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// states returns "Kind key: state" of every resource.
func (h *house) states() map[string]string {
	out := map[string]string{}
	if p := h.rec.Shown().Plan; p != nil {
		for c := range p.All() {
			out[c.ID.Kind+" "+c.ID.Key] = string(c.State)
		}
	}
	return out
}

func (h *house) expectStates(want map[string]string) {
	h.t.Helper()
	if got := h.states(); !maps.Equal(got, want) {
		h.t.Errorf("states %v, want %v", got, want)
	}
}

// onAir puts streams of live.example.com/live on or off air.
func (h *house) onAir(online bool, streams ...string) {
	h.t.Helper()
	for _, s := range streams {
		err := h.clouds.SetStreams(emulator.Stream{Domain: "live.example.com", App: "live", Stream: s, Online: online})
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *house) faults(list ...emulator.Fault) {
	h.t.Helper()
	if err := h.clouds.SetFaults(1, list...); err != nil {
		h.t.Fatal(err)
	}
}

// inTime runs a test in a bubble of virtual time with a house that is running.
func inTime(t *testing.T, changes []change, story func(h *house)) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, changes...)
		h.start()
		defer func() { h.stop() }()
		story(h)
	})
}

// The documents of the stories.
const (
	multiOn  = "apiVersion: aliyun/v1\nkind: MultiStream\nspec: {domain: live.example.com, enabled: true}\n"
	multiOff = "apiVersion: aliyun/v1\nkind: MultiStream\nspec: {domain: live.example.com, enabled: false}\n"
	forbid   = "apiVersion: aliyun/v1\nkind: StreamIngest\nspec: {domain: push.example.com, app: live, stream: bad, allowed: false}\n"
	record   = "apiVersion: aliyun/v1\nkind: Recording\nspec: {domain: live.example.com, app: live, stream: main, state: recording}\n"
	stopped  = "apiVersion: aliyun/v1\nkind: Recording\nspec: {domain: live.example.com, app: live, stream: main, state: stopped}\n"
	restart  = "apiVersion: aliyun/v1\nkind: Recording\nspec: {domain: live.example.com, app: live, stream: main, state: recording, restart: again}\n"
	finish   = "apiVersion: aliyun/v1\nkind: Recording\nspec: {domain: live.example.com, app: live, stream: main, state: stopped, finish: immediate}\n"
	prefetch = "apiVersion: aliyun/v1\nkind: RtcPrefetch\nspec: {domain: live.example.com, app: live, stream: main, " +
		"regions: [SG, NO], audioMsid: rts audio, videoMsid: rts video, connectionTimeout: 10m, renew: true}\n"
	prefetchOnce = "apiVersion: aliyun/v1\nkind: RtcPrefetch\nspec: {domain: live.example.com, app: live, stream: main, " +
		"regions: [SG, NO], audioMsid: rts audio, videoMsid: rts video, connectionTimeout: 10m}\n"
	relay = "apiVersion: volcengine/v1\nkind: RelaySource\nspec:\n  vhost: push.example.com\n  app: live\n" +
		"  groups:\n    - {name: a, servers: [{address: a.example.org, protocol: rtmp}]}\n" +
		"    - {name: b, servers: [{address: b.example.org, protocol: flv}]}\n"
	relayShort = "apiVersion: volcengine/v1\nkind: RelaySource\nspec:\n  vhost: push.example.com\n  app: live\n" +
		"  groups:\n    - {name: a, servers: [{address: a2.example.org, protocol: rtmp}]}\n"
)
