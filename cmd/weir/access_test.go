package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"weir/sync/daemon/access/accesstest"
)

// authority is a story's own, made when it first issues something.
type authority struct{ *accesstest.Authority }

// certify writes a certificate for this machine: `certify NAME`, as NAME.pem and
// NAME-key.pem; the authority's is ca.pem.
func certify(ts *testscript.TestScript, _ bool, args []string) {
	a, _ := ts.Value("authority").(*authority)
	if a.Authority == nil {
		made, err := accesstest.New(ts.MkAbs("."))
		ts.Check(err)
		a.Authority = made
	}
	ts.Check(a.Issue(args[0], "localhost", "127.0.0.1"))
}

// takeAddress puts an address of this machine that is free into a variable:
// `address NAME`.
func takeAddress(ts *testscript.TestScript, _ bool, args []string) {
	address, err := freeAddress()
	ts.Check(err)
	ts.Setenv(args[0], address)
}

// checkServed waits until the daemon serves a certificate: `serves FILE`.
func checkServed(ts *testscript.TestScript, _ bool, args []string) {
	block, _ := pem.Decode([]byte(ts.ReadFile(args[0])))
	want, err := x509.ParseCertificate(block.Bytes)
	ts.Check(err)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		conn, err := tls.Dial("tcp", ts.Getenv("LISTEN"), &tls.Config{RootCAs: storyRoots(ts), ServerName: "localhost", MinVersion: tls.VersionTLS12})
		ts.Check(err)
		got := conn.ConnectionState().PeerCertificates[0]
		ts.Check(conn.Close())
		if got.Equal(want) {
			return
		}
	}
	ts.Fatalf("the certificate in %s is never served", args[0])
}

// storyRoots are what a story trusts: its own authority.
func storyRoots(ts *testscript.TestScript) *x509.CertPool {
	text, err := os.ReadFile(ts.MkAbs("ca.pem"))
	ts.Check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

// storyClient is what a story looks at addresses with.
func storyClient(ts *testscript.TestScript, secure bool) *http.Client {
	if !secure {
		return http.DefaultClient
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: storyRoots(ts), MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
	}}
}
