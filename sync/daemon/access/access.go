// Package access decides who may ask the daemon: TLS and users by a web config
// file as Prometheus and its exporters have it, and bearer tokens beside them.
//
// The file is read by Prometheus' exporter-toolkit. Its own server is not used:
// it reads the file anew for each request, so that an edit would open the door
// before anybody checked it, and it has no path that is open to git hosts. Here
// a file counts once it was loaded and checked, at the start and at a reload;
// certificates and tokens are read again as they change.
package access

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"golang.org/x/time/rate"

	"weir/sync/secret"
)

// Token says where a bearer token is, and who has it.
type Token struct {
	Name   string
	Secret secret.Ref
}

// Options say what to load; the zero Options let everybody in.
type Options struct {
	ConfigFile string // in the form of Prometheus' web config, "" for none
	Tokens     []Token
	Names      []string // hosts under which a daemon is asked that only its machine can reach; see Door.Guard
	Logger     *slog.Logger
	Metrics    *Metrics
}

// Rules are who may ask, under one configuration.
type Rules struct {
	tls     *tls.Config   // nil for plain HTTP
	certs   bool          // each connection has a verified client certificate
	users   *users        // nil for none
	tokens  *tokens       // nil for none
	headers [][2]string   // that each answer carries
	limiter *rate.Limiter // of all requests, nil for none
	names   []string      // hosts that a request may be for, beside addresses and localhost
	log     *slog.Logger
	metrics *Metrics

	inForce context.Context // ends when others are
	end     context.CancelFunc
}

// Load reads what opts name, and refuses what cannot be meant.
func Load(opts Options) (*Rules, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Rules{names: opts.Names, log: opts.Logger, metrics: opts.Metrics}
	r.inForce, r.end = context.WithCancel(context.Background())
	if opts.ConfigFile != "" {
		if err := r.loadFile(opts.ConfigFile); err != nil {
			return nil, fmt.Errorf("web config %s: %w", opts.ConfigFile, err)
		}
	}
	if len(opts.Tokens) > 0 {
		r.tokens = newTokens(opts.Tokens, opts.Logger)
		if err := r.tokens.read(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// authenticates reports whether whoever asks must prove something.
func (r *Rules) authenticates() bool { return r.certs || r.users != nil || r.tokens != nil }

// CheckListener refuses a listener that others can reach unless its connections
// are encrypted and whoever asks must prove who it is. It is asked for the
// address that is bound, since a name may lead anywhere.
func (r *Rules) CheckListener(bound net.Addr, listen string, insecure bool) error {
	tcp, ok := bound.(*net.TCPAddr)
	if insecure || r.tls != nil && r.authenticates() || ok && tcp.IP.IsLoopback() {
		return nil
	}
	var missing []string
	if r.tls == nil {
		missing = append(missing, "no TLS (tls_server_config in the file that web.configFile names)")
	}
	if !r.authenticates() {
		missing = append(missing, "no authentication (basic_auth_users there, or web.tokens)")
	}
	return fmt.Errorf("listen %q can be reached from other machines, and there is %s: add what is missing, "+
		"listen on 127.0.0.1, or say `insecure: true` in the config", listen, strings.Join(missing, " and "))
}

// errBusy says that passwords are tried faster than they are checked.
var errBusy = errors.New("too many passwords are tried")

// caller is whoever sent a request.
type caller struct{ name string }

type callerKey struct{}

// IsStranger reports whether whoever sent the request of ctx had to prove
// something and did not: it has come by a route that is open to all.
func IsStranger(ctx context.Context) bool {
	c, guarded := ctx.Value(callerKey{}).(caller)
	return guarded && c.name == ""
}

// Caller names whoever sent the request of ctx, "" where nothing was proved.
func Caller(ctx context.Context) string {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c.name
}
