package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/provider"
	"weir/sync/provider/aliyunlive"
	"weir/sync/provider/volcenginelive"
	"weir/sync/reconcile"
	"weir/sync/resource"
	"weir/sync/secret"
	"weir/sync/state"
)

// process is one process of weir: a daemon, or a command beside it.
type process struct {
	run     *run
	name    string
	policy  plan.Policy
	dryRun  bool
	command bool   // runs once, beside the daemon
	saved   string // the saved plan that it carries out, "" for none
	rec     *reconcile.Reconciler
	store   state.Store
	began   time.Time
	ctx     context.Context
	cancel  context.CancelFunc
	ended   chan struct{}
	died    chan struct{}
	dying   sync.Once
	dead    atomic.Bool
	cutAt   atomic.Pointer[cutPoint]
	moments counter

	fulls  []time.Time // ends of full passes, as they were looked at
	untold map[resource.ID]untold

	mu    sync.Mutex
	reads map[string]time.Time // last read that succeeded, by scope
}

// pastCalls is how far back calls of other processes matter.
const pastCalls = 90 * time.Second

// newProcess builds weir as cmd/weir does, on a disk and a network of its own.
func (r *run) newProcess(name string, policy plan.Policy, dryRun bool) (*process, error) {
	r.processes++
	p := &process{
		run: r, name: fmt.Sprintf("%s-%d", name, r.processes), policy: policy, dryRun: dryRun, began: time.Now(),
		ended: make(chan struct{}), died: make(chan struct{}), reads: map[string]time.Time{}, untold: map[resource.ID]untold{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.store = &disk{Store: r.store, p: p}
	targets, outlook, err := p.targets()
	if err != nil {
		return nil, err
	}
	p.rec, err = reconcile.New(reconcile.Options{
		Feeds: []reconcile.Feed{{
			Name: "live", Source: &clone{repository: r.source}, Follows: "live: main of the simulation",
			Loader: manifest.New(manifest.Options{Accounts: map[string][]string{"aliyun/v1": {ali}, "volcengine/v1": {volc}}}),
		}},
		Accounts: targets, Store: p.store, Policy: policy, Outlook: outlook, Interval: r.interval, DryRun: dryRun,
		Scrub:  map[string]float64{ali: r.scrub, volc: r.scrub},
		Logger: r.logger(p.name), Decided: p.decided,
	})
	return p, err
}

// decided holds what was decided about what had changed against what is decided
// about everything: I13.
func (p *process) decided(in plan.Input, made *plan.Plan) {
	p.run.tally.check("I13")
	whole := plan.Diff(in)
	same := made.Hash == whole.Hash && made.Next.Equal(whole.Next) && made.Summary() == whole.Summary() &&
		reflect.DeepEqual(slices.Collect(made.All()), slices.Collect(whole.All()))
	if !same {
		p.run.violate("I13", "a plan of what has changed differs from a plan of everything: %+v", made.Summary())
	}
}

func (p *process) targets() (map[string]apply.Target, func(string, string, call.Priority) call.Outlook, error) {
	recorder := apply.NewRecorder(p.store)
	limiters, clients := call.Limiters{}, call.ByAccount{}
	providers := map[string]provider.Provider{ali: aliyunlive.New(), volc: volcenginelive.New()}
	var reads []string
	for _, name := range []string{ali, volc} {
		client, err := p.client(name)
		if err != nil {
			return nil, nil, err
		}
		clients[name] = call.Linger(p.watched(client), 6*time.Second)
		reads = append(reads, providers[name].Reads()...)
		if limiters[name], err = p.limiter(name, providers[name], recorder); err != nil {
			return nil, nil, err
		}
	}
	stack := call.Stack(clients, call.StackOptions{
		Limiters: limiters, Circuit: call.NewCircuit(limiters.Ramp), DryRun: p.dryRun || p.policy.Mode == plan.Observe,
		Reads: reads, Recorder: recorder, Jitter: call.SeededJitter(uint64(p.run.seed)), Logger: p.run.logger(p.name),
	})
	targets := map[string]apply.Target{}
	for name, of := range providers {
		targets[name] = apply.Target{Provider: of, Caller: p.staggered(stack)}
	}
	return targets, limiters.Outlook, nil
}

func (p *process) client(account string) (call.Caller, error) {
	keys := func() (secret.Key, error) {
		return secret.Key{ID: "weir-emulator", Secret: secret.New("weir-emulator")}, nil
	}
	transport := &wire{p: p, next: p.run.clouds.Transport()}
	if account == volc {
		return volcenginelive.NewClient(volcenginelive.ClientOptions{
			Account: volc, Endpoint: "http://emulator", Keys: keys, Transport: transport,
		})
	}
	return aliyunlive.NewClient(aliyunlive.ClientOptions{
		Account: ali, Endpoint: "http://emulator", Region: "cn-shanghai", Keys: keys, Transport: transport,
	})
}

func (p *process) limiter(account string, of provider.Provider, recorder *apply.Recorder) (*call.Limiter, error) {
	opts := call.LimiterOptions{Limits: of.Limits(), Share: p.run.share, Overrides: map[string]call.Window{}}
	for operation, limit := range p.run.quotas {
		if _, ours := opts.Limits[operation]; ours {
			opts.Overrides[operation] = call.Window{Limit: limit, Per: time.Second}
		}
	}
	l, err := call.NewLimiter(opts)
	if err != nil {
		return nil, err
	}
	past, err := recorder.Past(context.Background(), account, time.Now().Add(-pastCalls))
	if err != nil {
		return nil, err
	}
	l.Recall(past...)
	return l, nil
}

// start runs the daemon's loop.
func (p *process) start() {
	go func() {
		defer close(p.ended)
		_ = p.rec.Run(p.ctx)
	}()
}

// stop is SIGTERM: the process ends in its own time.
func (p *process) stop() {
	p.cancel()
	<-p.ended
}

// kill is kill -9: nothing of the process reaches the disk or the clouds any
// more but what is on its way.
func (p *process) kill() {
	p.dying.Do(func() {
		p.dead.Store(true)
		close(p.died)
		p.cancel()
	})
}

// consentTime is how long a consent holds.
const consentTime = 15 * time.Minute

// once is `weir apply --yes`, or --consent with the hash of the plan that was
// looked at before.
func (p *process) once(consent string) {
	if consent != "" {
		now := time.Now()
		err := p.store.Consent(p.ctx, state.Consent{Plan: consent, Given: now, Expires: now.Add(consentTime), By: "a person"})
		if err != nil {
			return
		}
	}
	problems, err := p.rec.Fetch(p.ctx)
	if err != nil || manifest.Failed(problems) {
		return
	}
	made, err := p.rec.Plan(p.ctx)
	if err != nil || consent != "" && consent != made.Hash {
		return
	}
	if len(made.Held) > 0 && (consent == "" || p.rec.Release(p.ctx, made) != nil) {
		return
	}
	rep, err := p.rec.Apply(p.ctx, made)
	if rep != nil {
		p.run.note("process: %s: %v: %v", p.name, rep.Summary, err)
	}
}

// look is `weir diff`.
func (p *process) look() (doc reconcile.PlanDocument, ok bool) {
	if problems, err := p.rec.Fetch(p.ctx); err != nil || manifest.Failed(problems) {
		return doc, false
	}
	made, err := p.rec.Plan(p.ctx)
	if err != nil {
		return doc, false
	}
	doc, err = p.rec.Document(made, false)
	return doc, err == nil
}

// logger is for the trace of a run that is looked at.
func (r *run) logger(name string) *slog.Logger {
	if !r.verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(traceWriter{r, name}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type traceWriter struct {
	run  *run
	name string
}

func (w traceWriter) Write(b []byte) (int, error) {
	w.run.say("log: %s: %s", w.name, b[:max(len(b)-1, 0)])
	return len(b), nil
}

// settle is `weir settle`, said by a person who has looked what happened.
func (r *run) settle(store state.Store) int {
	settled := 0
	acts, err := store.Acts(context.Background())
	if err != nil {
		r.violate("I8", "acts cannot be read: %v", err)
		return 0
	}
	for _, a := range acts {
		if !a.InDoubt() || a.Repeatable || time.Since(a.Begun) < time.Minute { // it may be under way
			continue
		}
		how := "again"
		if r.effectsOf(a) > 0 {
			a.Done, how = time.Now(), "done"
		}
		if err := store.Settle(context.Background(), a); err == nil {
			settled++
			r.note("people: settle %s %s %s", a.ID, a.Name, how)
		}
	}
	return settled
}
