package etcd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/etcd"
	"weir/sync/etcd/etcdtest"
)

// authority signs certificates, and keeps all as PEM files in a folder.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign("ca", &x509.Certificate{
		Subject: pkix.Name{CommonName: "etcd's authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// sign writes NAME.pem and NAME.key.
func (a *authority) sign(name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.check(err)
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	a.check(err)
	private, err := x509.MarshalECPrivateKey(key)
	a.check(err)
	for suffix, block := range map[string]*pem.Block{
		".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "EC PRIVATE KEY", Bytes: private},
	} {
		a.check(os.WriteFile(a.file(name+suffix), pem.EncodeToMemory(block), 0o600))
	}
	cert, err := x509.ParseCertificate(der)
	a.check(err)
	return cert, key
}

func (a *authority) check(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// TestOpen_ByCertificate: etcd has to prove who it is, and so has weir.
func TestOpen_ByCertificate(t *testing.T) {
	a := newAuthority(t)
	a.sign("server", &x509.Certificate{
		Subject: pkix.Name{CommonName: "etcd"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames: []string{"etcd.example.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	a.sign("weir", &x509.Certificate{
		Subject: pkix.Name{CommonName: "weir"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	cluster := etcdtest.Start(t, 1, "-cert", a.file("server.pem"), "-key", a.file("server.key"), "-ca", a.file("ca.pem"))
	secure := strings.Replace(cluster.Endpoints()[0], "http://", "https://", 1)
	localhost := strings.Replace(secure, "127.0.0.1", "localhost", 1)
	other := newAuthority(t)
	whole := etcd.TLS{CAFile: a.file("ca.pem"), CertFile: a.file("weir.pem"), KeyFile: a.file("weir.key")}
	tests := map[string]struct {
		endpoint string
		tls      etcd.TLS
		opens    bool
	}{
		"with both":           {secure, whole, true},
		"by no name of it":    {localhost, whole, false},
		"under another name":  {localhost, etcd.TLS{whole.CAFile, whole.CertFile, whole.KeyFile, "etcd.example.com"}, true},
		"under a wrong name":  {secure, etcd.TLS{whole.CAFile, whole.CertFile, whole.KeyFile, "etcd.example.org"}, false},
		"without its own":     {secure, etcd.TLS{CAFile: whole.CAFile}, false},
		"another's authority": {secure, etcd.TLS{other.file("ca.pem"), whole.CertFile, whole.KeyFile, ""}, false},
		"the system's":        {secure, etcd.TLS{"", whole.CertFile, whole.KeyFile, ""}, false},
		"in the open":         {cluster.Endpoints()[0], etcd.TLS{}, false},
		"a file is missing":   {secure, etcd.TLS{whole.CAFile, a.file("none.pem"), whole.KeyFile, ""}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			defer cancel()
			conn, err := etcd.Open(ctx, etcd.Options{Endpoints: []string{tc.endpoint}, TLS: tc.tls})
			if (err == nil) != tc.opens {
				t.Fatalf("opened: %v", err)
			}
			if err != nil {
				if etcd.TroubleOf(err) == "" {
					t.Errorf("%v is no trouble with etcd", err)
				}
				return
			}
			defer func() { _ = conn.Close() }()
			if _, err := conn.Do(ctx, nil, []clientv3.Op{clientv3.OpPut(conn.Key("x"), "1")}, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestOpen_ByPassword: a user may do what etcd's roles say, and no more.
func TestOpen_ByPassword(t *testing.T) {
	cluster := etcdtest.Start(t, 1)
	root := cluster.Conn(t, "")
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := root.UserAdd(ctx, "root", "secret")
	must(err)
	_, err = root.UserGrantRole(ctx, "root", "root")
	must(err)
	_, err = root.RoleAdd(ctx, "weir")
	must(err)
	all, mode := clientv3.GetPrefixRangeEnd("/weir/"), clientv3.PermissionType(clientv3.PermReadWrite)
	_, err = root.RoleGrantPermission(ctx, "weir", "/weir/", all, mode)
	must(err)
	_, err = root.UserAdd(ctx, "weir", "pass")
	must(err)
	_, err = root.UserGrantRole(ctx, "weir", "weir")
	must(err)
	_, err = root.AuthEnable(ctx)
	must(err)
	open := func(user, password, prefix string) (*etcd.Conn, error) {
		return etcd.Open(ctx, etcd.Options{
			Endpoints: cluster.Endpoints(), Prefix: prefix, User: user, Password: func() (string, error) { return password, nil },
		})
	}
	for name, err := range map[string]error{
		"no user":          func() error { _, err := open("", "", "/weir/"); return err }(),
		"a wrong password": func() error { _, err := open("weir", "wrong", "/weir/"); return err }(),
		"another's prefix": func() error { _, err := open("weir", "pass", "/other/"); return err }(),
	} {
		if etcd.TroubleOf(err) != etcd.Refused {
			t.Errorf("%s: %v", name, err)
		}
	}
	conn, err := open("weir", "pass", "/weir/")
	must(err)
	defer func() { _ = conn.Close() }()
	_, err = conn.Do(ctx, nil, []clientv3.Op{clientv3.OpPut(conn.Key("x"), "1")}, nil)
	must(err)
	lease, err := conn.Grant(ctx, 2*time.Second)
	must(err)
	must(lease.Release(ctx))
}
