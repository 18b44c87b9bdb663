package gitsource

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"weir/sync/source"
)

// certify writes a certificate that signs itself, and its key.
func certify(t *testing.T, certFile, keyFile string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	must(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	must(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert
}

func TestFailure_S06_ClientCertificateRotated(t *testing.T) {
	r := newRepo(t)
	head := r.save("a.yaml", "x: 1\n")
	dir := t.TempDir()
	opt := r.options()
	opt.Auth.CAFile = filepath.Join(dir, "ca.pem")
	opt.Auth.CertFile, opt.Auth.KeyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	known := x509.NewCertPool()
	known.AddCert(certify(t, opt.Auth.CertFile, opt.Auth.KeyFile))
	secure := httptest.NewUnstartedServer(r.server.Config.Handler)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: known}
	secure.StartTLS()
	t.Cleanup(secure.Close)
	block := &pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}
	must(t, os.WriteFile(opt.Auth.CAFile, pem.EncodeToMemory(block), 0o600))
	opt.URL = secure.URL + "/.git"
	good, err := os.ReadFile(opt.Auth.CertFile)
	must(t, err)
	goodKey, err := os.ReadFile(opt.Auth.KeyFile)
	must(t, err)
	f := open(t, opt)
	f.want(head, one("x: 1\n"))
	certify(t, opt.Auth.CertFile, opt.Auth.KeyFile) // one that the server does not know
	f.refuses(source.CodeRemote, "")
	must(t, os.WriteFile(opt.Auth.CertFile, good, 0o600))
	f.refuses(source.CodeAuth, "") // half of a rotation
	must(t, os.WriteFile(opt.Auth.KeyFile, goodKey, 0o600))
	f.reaches(head, one("x: 1\n"))
}
