package gitsource

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"weir/sync/secret"
)

// Auth says how weir proves who it is. Everything is read anew at each try, so
// that a rotated token or certificate is seen. With neither Token nor Password
// nothing is sent.
type Auth struct {
	User     string     // default "oauth2", which hosts take with a token
	Token    secret.Ref // sent as the password of User, or alone where Bearer is set
	Bearer   bool
	Password secret.Ref // instead of Token

	CAFile   string // certificates that are trusted instead of the system's
	CertFile string // client certificate and its key
	KeyFile  string

	SSHKeyFile     string     // private key, as ssh-keygen writes it
	SSHPassphrase  secret.Ref // of that key, where it has one
	KnownHostsFile string     // the hosts' keys; required for ssh
}

// header returns the Authorization header, empty for none.
func (a Auth) header() (secret.Secret, error) {
	ref := a.Token
	if ref == (secret.Ref{}) {
		ref = a.Password
	}
	value, err := ref.Read()
	if err != nil || value.Empty() {
		return secret.Secret{}, err
	}
	if a.Bearer {
		return secret.New("Bearer " + value.Reveal()), nil
	}
	user := a.User
	if user == "" {
		user = "oauth2"
	}
	pair := user + ":" + value.Reveal()
	return secret.New("Basic " + base64.StdEncoding.EncodeToString([]byte(pair))), nil
}

// identity is the content of the files that make a TLS configuration.
type identity struct{ ca, cert, key []byte }

func (i identity) equal(o identity) bool {
	return bytes.Equal(i.ca, o.ca) && bytes.Equal(i.cert, o.cert) && bytes.Equal(i.key, o.key)
}

func (a Auth) identity() (identity, error) {
	var id identity
	for _, f := range []struct {
		name string
		to   *[]byte
	}{{a.CAFile, &id.ca}, {a.CertFile, &id.cert}, {a.KeyFile, &id.key}} {
		if f.name == "" {
			continue
		}
		data, err := os.ReadFile(f.name)
		if err != nil {
			return id, err
		}
		*f.to = data
	}
	return id, nil
}

// transport returns a transport that shows this identity. It does not inflate
// on its own: what is counted is what arrives.
func (i identity) transport() (*http.Transport, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if i.ca != nil {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(i.ca) {
			return nil, errors.New("the CA file holds no certificate")
		}
	}
	if i.cert != nil || i.key != nil {
		pair, err := tls.X509KeyPair(i.cert, i.key)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, DisableCompression: true, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 15 * time.Second, IdleConnTimeout: 2 * time.Minute, MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost: 1,
	}, nil
}
