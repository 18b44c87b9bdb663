// Package daemon is the process as a value: New does everything that may fail,
// Start runs it, Reload takes over a new configuration or keeps the old one,
// Stop ends it with nothing lost.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"

	"weir/sync/call"
	"weir/sync/cluster"
	"weir/sync/daemon/access"
	"weir/sync/daemon/view"
	"weir/sync/daemon/web"
	"weir/sync/daemon/webhook"
	"weir/sync/reconcile"
	"weir/sync/state"
)

// The limits of the HTTP server. What comes in is small, so it has little time;
// a page or a plan that goes out may be large and is given more.
const (
	headerTimeout = 2 * time.Second
	readTimeout   = 5 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 60 * time.Second
	maxHeader     = 16 << 10

	maxConnections = 2000 // at once; what is more waits, and costs no file
)

// Setup is one configuration, made ready: opening what it names has succeeded.
type Setup struct {
	Reconcile reconcile.Options
	Limiters  call.Limiters  // of the accounts, whose quota is shown; must not be changed
	Webhooks  []webhook.Hook // none: the route answers 404
	Access    access.Options // the zero Options: everybody is let in
	Insecure  bool           // allows an address that others can reach without TLS and authentication
	Identity  Identity
	Beside    func(ctx context.Context, status func() reconcile.Status) // runs beside the loop until ctx ends; may be nil
	Close     func() error                                              // closes sources and store; may be nil
	// Member is told which loop answers for this process in Reconcile.Cluster, which
	// stays when the configuration is read anew and is closed by Stop. May be nil.
	Member *Member
}

// Identity tells what a configuration works on from all else: observations that
// were made of one thing say nothing of another.
type Identity struct {
	State    string            `json:"state"`    // the store's
	Accounts map[string]string `json:"accounts"` // cloud, address and key of each account, as a hash
}

// Options says how to run. Listen and Load are required.
type Options struct {
	Listen string // host:port
	// Load reads the configuration anew and opens what it names.
	Load     func(context.Context) (Setup, error)
	Registry *prometheus.Registry // served on /metrics
	Version  string
	Logger   *slog.Logger
}

// Daemon is a running weir.
type Daemon struct {
	opts     Options
	listener net.Listener
	server   *http.Server
	door     access.Door
	guarded  *access.Metrics
	counted  *webhook.Metrics
	metrics  *metrics
	current  atomic.Pointer[loop] // who asks need not wait for a reload, or for the end
	hub      *hub
	starts   *starts
	page     *web.Handler

	mu      sync.Mutex // held by whoever puts another loop in its place, or ends it
	stopped bool
	serving sync.WaitGroup
}

// loop is a reconciler under one configuration.
type loop struct {
	*reconcile.Reconciler
	viewer   *view.Viewer
	webhooks *webhook.Handler
	access   *access.Rules
	insecure bool
	identity Identity
	starts   *starts
	store    state.Store
	dryRun   bool
	cluster  cluster.Cluster // nil: it works alone
	member   *Member         // may be nil
	tells    tells
	log      *slog.Logger
	beside   func(context.Context, func() reconcile.Status) // may be nil
	close    func() error
	stop     context.CancelFunc
	ended    chan struct{}
}

// New loads the configuration and binds the listener.
func New(ctx context.Context, opts Options) (*Daemon, error) {
	if opts.Load == nil {
		return nil, errors.New("daemon: Load is missing")
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Registry == nil {
		opts.Registry = prometheus.NewRegistry()
	}
	counted, err := webhook.NewMetrics(opts.Registry)
	if err != nil {
		return nil, err
	}
	guarded, err := access.NewMetrics(opts.Registry)
	if err != nil {
		return nil, err
	}
	d := &Daemon{opts: opts, counted: counted, guarded: guarded, hub: newHub(), starts: &starts{log: opts.Logger}}
	if d.metrics, err = newMetrics(opts.Registry, d.clusterView); err != nil {
		return nil, err
	}
	if d.page, err = web.New(func() web.Viewer { return d.viewer() }, opts.Logger); err != nil {
		return nil, err
	}
	next, err := d.load(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.listen(next); err != nil {
		return nil, errors.Join(err, d.discard(ctx, next))
	}
	d.take(next)
	if !next.dryRun {
		d.starts.begin(ctx, next.store, next.cluster)
	}
	d.server = &http.Server{
		Handler: d.routes(), ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(opts.Logger.Handler(), slog.LevelDebug),
	}
	return d, nil
}

// listen binds the address, and refuses one that others can reach without proving
// anything. Nobody was answered by then.
func (d *Daemon) listen(first *loop) error {
	bound, err := net.Listen("tcp", d.opts.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if err := first.access.CheckListener(bound.Addr(), d.opts.Listen, first.insecure); err != nil {
		return errors.Join(err, bound.Close())
	}
	d.listener = d.door.Listen(netutil.LimitListener(bound, maxConnections))
	return nil
}

// load makes a configuration ready, and tells the metrics how that went.
func (d *Daemon) load(ctx context.Context) (*loop, error) {
	l, err := d.make(ctx)
	d.metrics.loaded(err)
	return l, err
}

func (d *Daemon) make(ctx context.Context) (*loop, error) {
	setup, err := d.opts.Load(ctx)
	if err != nil {
		return nil, err
	}
	setup.Reconcile.ReadOnly = d.starts.readOnly
	l := &loop{
		identity: setup.Identity, store: setup.Reconcile.Store, dryRun: setup.Reconcile.DryRun, starts: d.starts,
		insecure: setup.Insecure, beside: setup.Beside, close: setup.Close, stop: func() {}, ended: make(chan struct{}),
		cluster: setup.Reconcile.Cluster, member: setup.Member, tells: newTells(), log: d.opts.Logger,
	}
	close(l.ended) // until it is started
	setup.Access.Logger, setup.Access.Metrics = d.opts.Logger, d.guarded
	if l.access, err = access.Load(setup.Access); err != nil {
		return nil, errors.Join(err, d.discard(ctx, l))
	}
	if l.Reconciler, err = reconcile.New(setup.Reconcile); err != nil {
		return nil, errors.Join(err, d.discard(ctx, l))
	}
	l.viewer = view.New(view.Options{
		Loop: l.Reconciler, Store: l.store, Limiters: setup.Limiters, Version: d.opts.Version,
		Cluster: setup.Reconcile.Cluster,
	})
	l.webhooks, err = webhook.New(webhook.Options{Hooks: l.passing(setup.Webhooks), Logger: d.opts.Logger, Metrics: d.counted})
	if err != nil {
		return nil, errors.Join(err, d.discard(ctx, l))
	}
	return l, nil
}

// passing returns hooks that let the other members hear as well.
func (l *loop) passing(hooks []webhook.Hook) []webhook.Hook {
	out := slices.Clone(hooks)
	for i, h := range hooks {
		if h.Poke != nil {
			out[i].Poke = func() {
				h.Poke()
				l.tell(h.Source)
			}
		}
	}
	return out
}

// discard closes what is not to be taken, and leaves a cluster that the loop under way
// is no member of.
func (d *Daemon) discard(ctx context.Context, l *loop) error {
	err := l.closeAll()
	if now := d.loop(); now == nil || now.cluster != l.cluster {
		err = errors.Join(l.leave(ctx), err)
	}
	return err
}

// take puts next in force. It has webhooks of its own, which know nothing of
// earlier deliveries: one that is replayed after a reload costs a fetch.
func (d *Daemon) take(next *loop) {
	d.current.Store(next)
	if next.member != nil {
		next.member.loop.Store(next)
	}
	d.door.Set(next.access)
	d.hub.wake()
}

func (l *loop) closeAll() error {
	if l.close == nil {
		return nil
	}
	return l.close()
}

func (l *loop) start() {
	ctx, cancel := context.WithCancel(context.Background())
	l.stop, l.ended = cancel, make(chan struct{})
	go func() {
		defer close(l.ended)
		var beside sync.WaitGroup
		beside.Go(func() {
			if l.starts.settle(ctx, l.store) {
				l.MarkFull()
			}
		})
		if l.beside != nil {
			beside.Go(func() { l.beside(ctx, l.Status) })
		}
		beside.Go(func() { l.passOn(ctx) })
		if l.starts.wait(ctx) {
			_ = l.Run(ctx) // ends only with ctx
		}
		beside.Wait()
	}()
}

// halt stops the loop and waits for what is in flight. A delivery that comes
// meanwhile pokes nothing: what follows begins with a look at its sources.
func (l *loop) halt() {
	l.webhooks.Close()
	l.stop()
	<-l.ended
}

// Start begins to serve and to reconcile.
func (d *Daemon) Start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.loop().start()
	d.serving.Go(func() { d.hub.run(d.viewer) })
	d.serving.Go(func() {
		if err := d.server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
			d.opts.Logger.Error("HTTP server ended", "error", err)
		}
	})
}

// Addr returns the address that is listened on.
func (d *Daemon) Addr() string { return d.listener.Addr().String() }

// Reload loads the configuration anew and goes on with it. Where that fails the
// old one stays in force and the error says why. The listener stays. Of several at
// once each waits for the one before, so that what was read last is in force.
func (d *Daemon) Reload(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return errors.New("reload: weir has stopped")
	}
	next, err := d.load(ctx)
	if err == nil {
		if err = next.access.CheckListener(d.listener.Addr(), d.opts.Listen, next.insecure); err != nil {
			err = errors.Join(err, d.discard(ctx, next))
		}
	}
	if err != nil {
		return fmt.Errorf("reload: the old configuration stays in force: %w", err)
	}
	last := d.loop()
	last.halt()
	if last.cluster != next.cluster {
		err = last.leave(ctx)
	}
	if err = errors.Join(err, last.closeAll()); err != nil {
		d.opts.Logger.Warn("closing the old configuration", "error", err)
	}
	d.take(next)
	next.start()
	return nil
}

// Stop ends the streams of those who look at once, the loop after what is in
// flight, then the server. What is led in a cluster is given up in between, so that
// others take it over while the rest ends.
func (d *Daemon) Stop(ctx context.Context) error {
	d.hub.close()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	last := d.loop()
	last.halt()
	err := last.leave(ctx)
	d.starts.forget(ctx, last.store)
	err = errors.Join(err, last.closeAll())
	if serr := d.server.Shutdown(ctx); serr != nil {
		err = errors.Join(err, d.server.Close())
	}
	d.serving.Wait()
	return err
}

func (d *Daemon) loop() *loop { return d.current.Load() }

func (d *Daemon) viewer() *view.Viewer { return d.loop().viewer }

func (d *Daemon) reconciler() *reconcile.Reconciler { return d.loop().Reconciler }

// clusterView returns the cluster as it is known now, the zero View where there is none.
func (d *Daemon) clusterView() cluster.View {
	l := d.loop()
	if l == nil || l.viewer.Options.Cluster == nil {
		return cluster.View{}
	}
	return l.viewer.Options.Cluster.View()
}
