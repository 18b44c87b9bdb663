package wire

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// NewTransport returns a transport for a cloud's API: TLS 1.2 or newer with
// the system's roots (nothing can turn verification off), 5 seconds to connect
// with IPv6 and IPv4 raced, the proxy of the environment, HTTP/1.1.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 5 * time.Second,
		// Gateways close idle connections after 60 seconds or more; being first
		// keeps a request from being written to a connection that is going away.
		IdleConnTimeout: 30 * time.Second,
		// As many as calls can be in flight: a connection that is not kept costs the
		// next call a handshake.
		MaxIdleConns:           512,
		MaxIdleConnsPerHost:    384,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
