package delivery

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"time"
)

// The bounds of a Transport.
const (
	handshakeTimeout = 15 * time.Second
	maxHead          = 64 << 10
)

// TLS returns how servers are to prove who they are: by the certificates in caFile,
// by the system's where it is "".
func TLS(caFile string) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return conf, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("the CA file holds no certificate")
	}
	return conf, nil
}

// Client returns what sends by a transport to where a request is addressed, and no
// further: another address has no part in what a request shows. A timeout of 0 is none.
func Client(transport http.RoundTripper, timeout time.Duration) *http.Client {
	return &http.Client{
		Transport: transport, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Transport returns what reaches one server by HTTP, through the proxy that the
// environment names. CAFile is as TLS takes it.
func Transport(caFile string) (*http.Transport, error) {
	conf, err := TLS(caFile)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: handshakeTimeout,
		IdleConnTimeout:     time.Minute, MaxResponseHeaderBytes: maxHead, MaxIdleConnsPerHost: 1,
	}, nil
}
