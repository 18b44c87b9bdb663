package simulation

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/emulator"
	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
	"weir/sync/state"
	"weir/sync/state/statetest"
)

// run is one simulated history of weir and its surroundings.
type run struct {
	seed    draw
	dice    dice // of the people, for the goroutine of the story alone
	verbose bool
	tally   *tally

	kinds    []faultKind // that this run has
	steps    []step      // likewise
	things   []*thing
	policy   plan.Policy
	dryRun   bool
	interval time.Duration
	scrub    float64 // part of the read quota
	share    float64
	quotas   map[string]int // calls a second, in place of the documented ones
	settings emulator.Settings

	clouds    *emulator.Emulator
	store     state.Store
	onCut     func() // called when a process is cut dead; may be nil
	source    *repository
	files     map[string][]document // what people are working on
	daemon    *process              // nil while none runs
	processes int
	all       []*process
	restarts  int // tokens given out
	repairs   int
	lowered   bool
	faults    []namedFault
	stray     sync.WaitGroup // requests on their way without a sender
	oracle    oracle

	mu         sync.Mutex // guards what follows
	active     map[string]float64
	events     []event
	said       []event // of the logs; no part of the hash
	violations []string
	plans      [][]byte // that were saved
}

// event is something that happened.
type event struct {
	at   time.Time
	text string
}

// simulate runs a seed in a bubble of its own and returns it when it is over.
func simulate(t *testing.T, seed uint64, verbose bool, tally *tally, story func(r *run)) *run {
	r := &run{seed: draw(seed).of("run"), verbose: verbose, tally: tally}
	synctest.Test(t, func(*testing.T) {
		r.build()
		story(r)
		r.close()
	})
	return r
}

// build draws the world.
func (r *run) build() {
	r.dice = dice{seed: r.seed.of("story")}
	r.clouds = emulator.New(worldOf(&r.dice))
	r.store = statetest.NewMemory()
	r.source = newRepository()
	r.files = map[string][]document{}
	r.settings = r.clouds.World().Settings
	r.swarm()
	r.things = things()
	if r.dice.chance(0.1) {
		r.things = crowd()
	}
	r.interval = one(&r.dice, 20*time.Second, time.Minute, 5*time.Minute)
	r.share = one(&r.dice, 0.9, 1)
	r.quotas = map[string]int{}
	if r.dice.chance(0.4) {
		for _, name := range append(aliOperations(), volcOperations()...) {
			r.quotas[name] = one(&r.dice, 1, 2, 3)
		}
	}
	r.policy = policyOf(&r.dice)
	r.dryRun = r.dice.chance(0.04)
	r.scrub = one(&r.dice, 0.05, reconcile.DefaultScrub, 1)
	r.oracle.init(r)
	r.must(r.clouds.SetQuotas(r.cloudQuotas(false)...))
	r.note("run: %+v, dry run %t, interval %v, share %v, scrub %v, quotas %v", r.policy, r.dryRun, r.interval, r.share, r.scrub, r.quotas)
}

// swarm switches a random half of the kinds of faults and of steps off.
func (r *run) swarm() {
	for _, k := range faultKinds() {
		if r.dice.chance(0.5) {
			r.kinds = append(r.kinds, k)
		}
	}
	for _, s := range steps() {
		if s.always || r.dice.chance(0.5) {
			r.steps = append(r.steps, s)
		}
	}
}

func policyOf(d *dice) plan.Policy {
	return plan.Policy{
		Mode:      one(d, plan.Sync, plan.Sync, plan.Sync, plan.Sync, plan.Upsert, plan.CreateOnly, plan.Observe),
		HealDrift: d.chance(0.8), MaxRemoved: one(d, 1, 2, 5), MaxRemovedPercent: one(d, 10, 50, 100),
		MaxUpdatedPercent: one(d, 30, 100),
	}
}

// worldOf draws what the clouds hold before weir comes.
func worldOf(d *dice) emulator.World {
	w := emulator.DefaultWorld()
	w.Settings = emulator.Settings{
		RelayUpdate: one(d, "replace", "merge"), RelayEmpty: one(d, "list", "omitted", "notFound"),
		BlockListDomain: one(d, "streaming", "ingest"),
	}
	for _, n := range []string{"1", "2"} {
		w.Domains = append(w.Domains, emulator.Domain{Name: "live" + n + ".example.com", Type: "vhost"},
			emulator.Domain{Name: "push" + n + ".example.com", Type: "publish", Main: "live" + n + ".example.com"})
	}
	for _, n := range []string{"v1", "v2", "v3"} {
		w.Vhosts = append(w.Vhosts, emulator.Vhost{Name: n + ".example.com"})
	}
	for _, s := range streams() {
		s.Online = d.chance(0.5)
		w.Streams = append(w.Streams, s)
	}
	w.Domains = append(w.Domains, foreignDomain())
	w.Blocked = append(w.Blocked, emulator.Block{Domain: "push1.example.com", App: "live", Stream: "foreign"})
	w.RelaySources = append(w.RelaySources, emulator.RelaySource{
		Vhost: "v1.example.com", App: "foreign", Groups: relayGroups()[0],
	})
	if d.chance(0.3) { // made by hand before
		w.RelaySources = append(w.RelaySources, emulator.RelaySource{
			Vhost: "v2.example.com", App: "live", Groups: relayGroups()[one(d, 0, 1)],
		})
	}
	return w
}

func foreignDomain() emulator.Domain {
	return emulator.Domain{Name: "live9.example.com", Type: "vhost", MultiStream: "on"}
}

// streams are those that encoders push.
func streams() []emulator.Stream {
	return []emulator.Stream{
		{Domain: "live1.example.com", App: "live", Stream: "main"},
		{Domain: "live1.example.com", App: "live", Stream: "side"},
		{Domain: "live2.example.com", App: "live", Stream: "side"},
		{Vhost: "v1.example.com", Domain: "play.example.com", App: "live", Stream: "relayed"},
		{Vhost: "v2.example.com", Domain: "play.example.com", App: "live", Stream: "relayed"},
	}
}

// close ends every process and waits for what is on its way.
func (r *run) close() {
	for _, p := range r.all {
		p.cancel()
		<-p.ended
	}
	r.stray.Wait()
	synctest.Wait()
}

// wait lets time pass, at an instant that is nobody else's.
func (r *run) wait(d time.Duration) {
	time.Sleep(d + time.Duration(r.dice.below(1_000_000)) + 1)
	synctest.Wait()
}

// note adds an event to the history.
func (r *run) note(format string, args ...any) { r.noteAt(time.Now(), format, args...) }

func (r *run) noteAt(at time.Time, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event{at, fmt.Sprintf(format, args...)})
}

// say adds what is only for readers.
func (r *run) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, event{time.Now(), fmt.Sprintf(format, args...)})
}

// violate notes that an invariant does not hold.
func (r *run) violate(invariant, format string, args ...any) {
	text := invariant + ": " + fmt.Sprintf(format, args...)
	r.note("VIOLATED %s", text)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, text)
}

func (r *run) violated() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.violations) > 0
}

// must is for what can only fail if the simulation is wrong.
func (r *run) must(err error) {
	if err != nil {
		panic(err)
	}
}

func (r *run) struckNow(kind string) { r.tally.strike(kind) }

// sorted returns events in the order in which they happened.
func sorted(events []event) []event {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b event) int {
		return cmp.Or(a.at.Compare(b.at), strings.Compare(a.text, b.text))
	})
	return events
}

// hash is over all that happened, and when.
func (r *run) hash() uint64 {
	h := fnv.New64a()
	for _, e := range sorted(r.events) {
		fmt.Fprintln(h, e.at.UnixNano(), e.text)
	}
	return h.Sum64()
}

// history is the trace for people.
func (r *run) history() string {
	var b strings.Builder
	for _, e := range sorted(append(slices.Clone(r.events), r.said...)) {
		fmt.Fprintf(&b, "%s  %s\n", e.at.UTC().Format("15:04:05.000000000"), e.text)
	}
	return b.String()
}

// declared returns the newest revision.
func (r *run) newest() *edition { return r.source.current }

// idsOf lists what a revision declares, in order.
func idsOf(e *edition) []resource.ID {
	var out []resource.ID
	for id := range e.declared {
		out = append(out, id)
	}
	slices.SortFunc(out, resource.Compare)
	return out
}
