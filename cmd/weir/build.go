package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/commitstatus"
	"weir/sync/config"
	"weir/sync/daemon"
	"weir/sync/daemon/access"
	"weir/sync/etcd"
	"weir/sync/manifest"
	"weir/sync/notify"
	"weir/sync/provider"
	"weir/sync/provider/aliyunlive"
	"weir/sync/provider/volcenginelive"
	"weir/sync/quota/filequota"
	"weir/sync/reconcile"
	"weir/sync/secret"
	"weir/sync/source/dirsource"
	"weir/sync/trace/otlp"
)

// lingerWrite is how long a call under way may take after the process was told
// to stop. All of it has ten seconds, of which lastReports follow this.
const lingerWrite = 6 * time.Second

// builder turns configurations into running parts. What must outlive a reload
// (the limiters, which know of calls just made, and the metrics) is in it.
type builder struct {
	log       *slog.Logger
	dryRun    bool
	at        map[string]string // revisions of sources, by name, instead of what they are
	keeps     bool              // writes to the store where sources are in their history
	resident  bool              // is the daemon: takes webhooks, keeps mirrors of repositories on disk, and leads
	settled   *config.Config    // the first configuration that was built, nil before
	fleet     *fleet            // nil for a state that is not in etcd
	limiters  call.Limiters
	calls     *call.Metrics
	loop      *reconcile.Metrics
	statuses  *commitstatus.Metrics // nil: nothing is reported to git hosts
	events    *notify.Metrics       // nil: people are told of what is applied alone
	notifier  *notify.Notifier      // the newest, nil for none
	stores    *etcd.Metrics         // nil: nobody scrapes
	spans     *otlp.Metrics         // nil: nothing is traced
	transport http.RoundTripper     // nil for the network
	selector  map[string]string
	applied   func(apply.Result)
	begins    func(apply.Forecast)
	reading   func(reconcile.Reading)
}

// cloud is what the program knows of a provider.
type cloud struct {
	provider   provider.Provider
	apiVersion string
	client     func(b *builder, a config.Account) (call.Caller, error)
}

// clouds are the providers of the config, by name.
func clouds() map[string]cloud {
	return map[string]cloud{
		"aliyun": {aliyunlive.New(), "aliyun/v1", func(b *builder, a config.Account) (call.Caller, error) {
			return aliyunlive.NewClient(aliyunlive.ClientOptions{
				Account: a.Name, Endpoint: a.Endpoint, Region: a.Region, Keys: a.Keys.Read, Transport: b.transport,
			})
		}},
		"volcengine": {volcenginelive.New(), "volcengine/v1", func(b *builder, a config.Account) (call.Caller, error) {
			return volcenginelive.NewClient(volcenginelive.ClientOptions{
				Account: a.Name, Endpoint: a.Endpoint, Region: a.Region, Keys: a.Keys.Read, Transport: b.transport,
			})
		}},
	}
}

// opened is what was opened and is to be closed again, the last first.
type opened []func() error

func (o *opened) add(end func() error) { *o = append(*o, end) }

func (o *opened) close() error {
	var errs []error
	for _, end := range slices.Backward(*o) {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// build opens everything cfg names. What it opened is closed again when
// something fails.
func (b *builder) build(ctx context.Context, cfg *config.Config) (setup daemon.Setup, err error) {
	var open opened
	defer func() {
		if err != nil {
			err = errors.Join(err, open.close())
		}
	}()
	store, err := b.openMemory(ctx, cfg)
	if err != nil {
		return setup, err
	}
	open.add(store.Shut)
	if err := b.knownAccounts(ctx, cfg, store); err != nil {
		return setup, err
	}
	feeds, closeFeeds, err := b.feeds(ctx, cfg, store)
	open.add(closeFeeds)
	if err != nil {
		return setup, err
	}
	told, err := b.reporters(cfg)
	open.add(told.close)
	if err != nil {
		return setup, err
	}
	tell, closeTell, err := b.teller(cfg) //nolint:contextcheck // what sends is ended by close
	open.add(closeTell)
	if err != nil {
		return setup, err
	}
	tracer, closeTracer, err := b.tracer(cfg) //nolint:contextcheck // the same
	open.add(closeTracer)
	if err != nil {
		return setup, err
	}
	if b.resident {
		if setup.Webhooks, err = hooks(cfg, feeds); err != nil {
			return setup, err
		}
	}
	recorder := apply.NewRecorder(store)
	targets, err := b.targets(ctx, cfg, recorder)
	if err != nil {
		return setup, err
	}
	if setup.Identity, err = identityOfAll(ctx, cfg, store); err != nil {
		return setup, err
	}
	setup.Close, setup.Limiters = open.close, b.limitersOf(cfg)
	setup.Access, setup.Insecure = accessOf(cfg), cfg.Insecure
	setup.Reconcile = reconcile.Options{
		Feeds: feeds, Accounts: targets, Store: store, Outlook: b.limiters.Outlook, Expect: b.limiters.Expect, Policy: cfg.Policy,
		Interval: cfg.Interval, Scrub: scrubs(cfg), DryRun: b.dryRun, Selector: b.selector, Logger: b.log, Metrics: b.loop,
		Trouble: recorder.Trouble, Tracer: tracer,
		Applied: b.applied, Begins: b.begins, Reading: b.reading, Verdict: told.tell,
	}
	tell.into(&setup.Reconcile)
	setup.Beside = b.beside(store, tell.watch())
	setup.Reconcile.Cluster, setup.Member = b.fleet.cluster(), b.fleet.answering()
	return setup, nil
}

// limitersOf returns the limiters of the accounts of a configuration.
func (b *builder) limitersOf(cfg *config.Config) call.Limiters {
	out := call.Limiters{}
	for _, a := range cfg.Accounts {
		out[a.Name] = b.limiters[a.Name]
	}
	return out
}

// accessOf says who may ask the daemon.
func accessOf(cfg *config.Config) access.Options {
	out := access.Options{ConfigFile: cfg.Web.ConfigFile}
	for _, address := range []string{cfg.URL, cfg.Web.Client.URL, "//" + cfg.Listen} {
		if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
			out.Names = append(out.Names, u.Hostname())
		}
	}
	for _, t := range cfg.Web.Tokens {
		out.Tokens = append(out.Tokens, access.Token{Name: t.Name, Secret: t.Secret})
	}
	return out
}

// scrubs returns by account what part of the read quota looking for drift takes.
func scrubs(cfg *config.Config) map[string]float64 {
	out := map[string]float64{}
	for _, a := range cfg.Accounts {
		out[a.Name] = a.Scrub
	}
	return out
}

func limitsOf(cfg *config.Config) dirsource.Limits {
	return dirsource.Limits{FileBytes: cfg.Limits.FileBytes, Files: cfg.Limits.Files, TotalBytes: cfg.Limits.TotalBytes}
}

// manifestOptions says what a manifest of a source may name.
func manifestOptions(cfg *config.Config, s *config.Source) manifest.Options {
	accounts := map[string][]string{}
	for _, c := range clouds() {
		accounts[c.apiVersion] = []string{}
	}
	for _, a := range cfg.Accounts {
		v := clouds()[a.Provider].apiVersion
		accounts[v] = append(accounts[v], a.Name)
	}
	opt := manifest.Options{Accounts: accounts, Limits: manifest.Limits{FileBytes: int(cfg.Limits.FileBytes)}}
	if s != nil {
		opt.Owns = s.Owns
	}
	return opt
}

// targets puts the wrappers round each account's client.
func (b *builder) targets(
	ctx context.Context, cfg *config.Config, recorder *apply.Recorder,
) (map[string]apply.Target, error) {
	clients := call.ByAccount{}
	providers := map[string]provider.Provider{}
	keys, owners := map[string]func() (secret.Key, error){}, map[string]string{}
	var reads []string
	for _, a := range cfg.Accounts {
		c, ok := clouds()[a.Provider]
		if !ok {
			return nil, fmt.Errorf("account %s: provider %q is not known", a.Name, a.Provider)
		}
		client, err := c.client(b, a)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", a.Name, err)
		}
		if k, ok := client.(interface{ Skew() time.Duration }); ok {
			b.calls.WatchClock(a.Name, k.Skew)
		}
		clients[a.Name], providers[a.Name] = call.Linger(b.mandated(cfg, client), lingerWrite), c.provider
		reads = append(reads, c.provider.Reads()...)
		keys[a.Name] = a.Keys.Read
		if err := b.limit(ctx, booksOf(cfg), a, c.provider, recorder); err != nil {
			return nil, fmt.Errorf("account %s: %w", a.Name, err)
		}
		b.join(a, owners)
	}
	circuit := call.NewCircuit(b.limiters.Ramp)
	stack := call.Stack(clients, call.StackOptions{
		Limiters: b.limiters, Circuit: circuit, DryRun: b.dryRun || cfg.Policy.Mode == "observe", Reads: reads,
		Recorder: recorder, Metrics: b.calls, Logger: b.log,
	})
	renewed := newRenewal(stack, circuit, keys)
	targets := map[string]apply.Target{}
	for name, p := range providers {
		targets[name] = apply.Target{Provider: p, Caller: renewed}
	}
	return targets, nil
}

// pastCalls is how far back calls of other processes matter: the longest window
// of a quota and the longest call.
const pastCalls = 90 * time.Second

// limit gives the account its limiter, or the one it has new limits.
func (b *builder) limit(
	ctx context.Context, books string, a config.Account, p provider.Provider, recorder *apply.Recorder,
) error {
	opts := call.LimiterOptions{Limits: p.Limits(), Share: a.Share, Overrides: map[string]call.Window{}}
	for op, n := range a.Limits {
		if _, known := opts.Limits[op]; !known {
			return fmt.Errorf("quota.limits: %s is no operation weir uses", op)
		}
		opts.Overrides[op] = call.Window{Limit: n, Per: time.Second}
	}
	if old, ok := b.limiters[a.Name]; ok {
		return old.Set(opts)
	}
	l, err := call.NewLimiter(opts)
	if err != nil {
		return err
	}
	b.share(l, a.Name, books) // before the past is read: what begins later is in the books
	past, err := recorder.Past(ctx, a.Name, time.Now().Add(-pastCalls))
	if err != nil {
		return err
	}
	l.Recall(past...)
	b.limiters[a.Name] = l
	if b.calls != nil {
		b.calls.Preset(a.Name, slices.Sorted(maps.Keys(p.Limits())))
		b.calls.Watch(a.Name, l)
	}
	return nil
}

// share makes a limiter draw on what all processes with one state share: books
// of calls beside it. They go by the account's name, as the state does, so that
// a new key changes nothing.
func (b *builder) share(l *call.Limiter, account, books string) {
	var shared call.Shared
	switch {
	case b.fleet != nil:
		shared = b.fleet.share(account)
	case books != "":
		shared = filequota.New(filepath.Join(books, account), b.log).Share()
	default:
		return
	}
	l.Share(shared, func(err error) {
		if err != nil {
			b.log.Error("the quota cannot be shared with other processes: calls wait, then go on with a quarter of it",
				"account", account, "error", err)
			return
		}
		b.log.Info("the quota is shared with other processes again", "account", account)
	})
}

// join gives accounts of one key one limiter: it is one account of the cloud,
// and one quota. owners are the first accounts of the keys seen.
func (b *builder) join(a config.Account, owners map[string]string) {
	key, err := a.Keys.Read()
	if err != nil {
		return // told by every call
	}
	id := a.Provider + " " + key.ID
	first, seen := owners[id]
	if !seen {
		owners[id] = a.Name
		return
	}
	b.log.Warn("two accounts have one access key, and so one quota", "account", a.Name, "other", first)
	b.limiters[a.Name] = b.limiters[first]
}

// readConfig reads the config file and prints what is wrong with it.
func (a *app) readConfig() (*config.Config, error) {
	cfg, problems, err := config.Read(a.config)
	if err != nil {
		return nil, a.configError(err)
	}
	if err := a.tellConfig(problems); err != nil {
		return nil, err
	}
	if cfg == nil {
		return nil, fmt.Errorf("the configuration has %s; `weir explain CODE` says more", plural(len(problems), "problem"))
	}
	return cfg, nil
}

// openState opens the state that the configuration names, for a command that
// changes what is remembered.
func (a *app) openState(ctx context.Context) (*config.Config, memory, error) {
	cfg, err := a.readConfig()
	if err != nil {
		return nil, nil, err
	}
	store, err := openMemory(ctx, cfg, opening{bounds: cfg.Journal})
	return cfg, store, err
}

// configError says what to do where there is no configuration.
func (a *app) configError(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no %s; name the configuration with --config, or try `weir demo`", a.config)
	}
	return err
}

// tellConfig prints what is wrong with the configuration; for a collector that
// reads JSON each is a line of the log.
func (a *app) tellConfig(problems []manifest.Problem) error {
	log, err := a.logger()
	if err != nil {
		return err
	}
	for _, p := range problems {
		if a.output == "github" {
			fmt.Fprintln(a.out, problemAnnotation(p))
			continue
		}
		if a.logFormat == "json" {
			log.Error("problem of the configuration", "severity", string(p.Severity), "problem", p.String())
			continue
		}
		fmt.Fprintln(a.errs, p)
	}
	return nil
}
