// Package etcd is weir's way to an etcd cluster: one connection under one prefix,
// transactions that hold only while what they rest on does, and leases whose time is
// proven. What is kept there is known to the packages that keep it: state, the quota's
// parts, who leads.
//
// No two machines have one clock, so nothing in etcd is compared with a time of
// another machine. What a process may rely on is counted by its own clock from before
// it asked.
package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/grpclog"
)

// DefaultPrefix is where weir's keys are when nobody says otherwise.
const DefaultPrefix = "/weir/"

// The times of a connection.
const (
	dialTimeout   = 3 * time.Second
	keepaliveTime = 10 * time.Second // a member that does not answer for so long is left for another; gRPC has no less
	keepaliveWait = 2 * time.Second
	backoffMost   = 500 * time.Millisecond
	answerTimeout = 5 * time.Second // the longest that one request takes, unless its context ends before
)

// The largest messages: etcd refuses a request of more than 1.5 MiB, an answer is
// bounded by what is asked for.
const maxAnswer = 64 << 20

// Options say which cluster. Endpoints is required.
type Options struct {
	Endpoints []string // http(s)://host:port of each member
	Prefix    string   // of all keys, ending in "/"; DefaultPrefix for ""
	TLS       TLS
	User      string
	Password  func() (string, error) // of User; read again when a connection is made
	Logger    *slog.Logger
	Metrics   *Metrics // may be nil
	// Dial replaces the network; for tests. May be nil.
	Dial []grpc.DialOption
}

// TLS names PEM files, all read when a connection is made. The zero TLS is that of the
// system, and used where an endpoint is https.
type TLS struct {
	CAFile     string
	CertFile   string // and KeyFile: the client's own
	KeyFile    string
	ServerName string // "" for the endpoint's
}

// Conn is a connection to a cluster. It must be closed.
type Conn struct {
	*clientv3.Client
	prefix  string
	log     *slog.Logger
	metrics *Metrics
	seen    atomic.Int64 // greatest revision that any answer had
	// first is the identity of the cluster that answered first.
	first atomic.Uint64
}

// Open connects to a cluster, and fails where no member answers or it may not be
// used. Its error is a *Error.
func Open(ctx context.Context, o Options) (*Conn, error) {
	if len(o.Endpoints) == 0 {
		return nil, errors.New("etcd: no endpoint")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if !strings.HasSuffix(o.Prefix, "/") {
		return nil, fmt.Errorf("etcd: prefix %q does not end in a slash", o.Prefix)
	}
	silence()
	cfg, err := o.client()
	if err != nil {
		return nil, &Error{Fault: Refused, Err: err}
	}
	cfg.Context = context.WithoutCancel(ctx)
	client, err := clientv3.New(cfg)
	if err != nil {
		return nil, fault(err)
	}
	c := &Conn{Client: client, prefix: o.Prefix, log: o.Logger, metrics: o.Metrics}
	ctx, cancel := context.WithTimeout(ctx, 2*answerTimeout)
	defer cancel()
	if _, err := c.Get(ctx, c.Key("format")); err != nil {
		return nil, errors.Join(fault(err), client.Close())
	}
	if o.Metrics != nil {
		o.Metrics.sizes.open(c)
	}
	return c, nil
}

// silence keeps gRPC from writing to the standard error by itself: what goes wrong is in
// the errors of requests.
var silence = sync.OnceFunc(func() { grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)) })

func (o Options) client() (clientv3.Config, error) {
	cfg := clientv3.Config{
		Endpoints: o.Endpoints, DialTimeout: dialTimeout, DialKeepAliveTime: keepaliveTime,
		DialKeepAliveTimeout: keepaliveWait, MaxCallRecvMsgSize: maxAnswer,
		Logger: zap.NewNop(), RejectOldCluster: false,
		DialOptions: append([]grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: backoffMost / 10, Multiplier: 1.6, Jitter: 0.2, MaxDelay: backoffMost},
			MinConnectTimeout: dialTimeout,
		}), grpc.WithChainUnaryInterceptor(o.Metrics.intercept)}, o.Dial...),
	}
	if o.User != "" {
		cfg.Username = o.User
		var err error
		if cfg.Password, err = o.Password(); err != nil {
			return cfg, fmt.Errorf("password of etcd's user %s: %w", o.User, err)
		}
	}
	if !strings.HasPrefix(o.Endpoints[0], "https://") {
		return cfg, nil
	}
	var err error
	if cfg.TLS, err = o.TLS.config(); err == nil && o.TLS.ServerName != "" {
		creds := named{credentials.NewTLS(cfg.TLS), o.TLS.ServerName}
		cfg.DialOptions = append([]grpc.DialOption{grpc.WithTransportCredentials(creds)}, cfg.DialOptions...)
	}
	return cfg, err
}

// named are credentials that look for one name in every member's certificate. etcd's
// client has the name of each endpoint looked for, whatever a tls.Config says.
type named struct {
	credentials.TransportCredentials
	name string
}

// ClientHandshake speaks to a member, whichever it is.
func (n named) ClientHandshake(ctx context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return n.TransportCredentials.ClientHandshake(ctx, n.name, conn)
}

// Clone returns a copy.
func (n named) Clone() credentials.TransportCredentials {
	return named{n.TransportCredentials.Clone(), n.name}
}

func (t TLS) config() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("etcd's authority: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("etcd's authority: %s holds no certificate", t.CAFile)
		}
	}
	if t.CertFile == "" {
		return cfg, nil
	}
	if _, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err != nil {
		return nil, fmt.Errorf("certificate for etcd: %w", err)
	}
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile) // it may have been renewed
		return &pair, err
	}
	return cfg, nil
}

// Close ends the connection.
func (c *Conn) Close() error {
	if c.metrics != nil {
		c.metrics.sizes.closed(c)
	}
	return c.Client.Close()
}

// Key returns the key of these parts under the prefix. A part may hold any byte but
// "/", see Escape.
func (c *Conn) Key(parts ...string) string { return c.prefix + strings.Join(parts, "/") }

// Prefix returns what all keys begin with.
func (c *Conn) Prefix() string { return c.prefix }

// Log is where the connection's user may say what happens to it.
func (c *Conn) Log() *slog.Logger { return c.log }

// Escape returns a text as a part of a key: "%" and "/" become "%25" and "%2F", and what
// sorts before another text still does among those without them.
func Escape(s string) string { return strings.NewReplacer("%", "%25", "/", "%2F").Replace(s) }

// Unescape is the way back.
func Unescape(s string) string { return strings.NewReplacer("%2F", "/", "%25", "%").Replace(s) }
