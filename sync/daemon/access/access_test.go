package access

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"weir/sync/daemon/access/accesstest"
	"weir/sync/secret"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

const (
	theToken    = "5a1c0b7e94d24fbb8f1d"
	thePassword = "correct horse"
)

// place is a folder with what a daemon is given: certificates, a web config
// file and tokens.
type place struct {
	t         testing.TB
	dir       string
	authority *accesstest.Authority
	hash      string // of thePassword
}

func newPlace(t testing.TB) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir()}
	var err error
	if p.authority, err = accesstest.New(p.dir); err != nil {
		t.Fatal(err)
	}
	p.issue("server")
	hash, err := bcrypt.GenerateFromPassword([]byte(thePassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	p.hash = string(hash)
	return p
}

func (p *place) issue(name string) {
	p.t.Helper()
	if err := p.authority.Issue(name, "localhost", "127.0.0.1"); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

func (p *place) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(p.path(name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// The parts of web config files.
const (
	withTLS   = "tls_server_config: {cert_file: server.pem, key_file: server-key.pem}\n"
	withCerts = "tls_server_config: {cert_file: server.pem, key_file: server-key.pem, client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert}\n"
	withUsers = "basic_auth_users: {alice: HASH}\n"
)

// options writes web as the web config file and theToken as a token, each unless
// it is missing.
func (p *place) options(web string, token bool) (opts Options) {
	p.t.Helper()
	if web != "" {
		p.write("web.yml", strings.ReplaceAll(web, "HASH", p.hash))
		opts.ConfigFile = p.path("web.yml")
	}
	if token {
		p.write("token", theToken+"\n")
		opts.Tokens = []Token{{Name: "ci", Secret: secret.Ref{File: p.path("token")}}}
	}
	return opts
}

func (p *place) load(web string, token bool) *Rules {
	p.t.Helper()
	r, err := Load(p.options(web, token))
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// serve serves behind a door until the test ends: each answer is whoever asked,
// "stranger" for one who is let in all the same.
func (p *place) serve(r *Rules) (*Door, string) {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	d := &Door{}
	d.Set(r)
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := Caller(r.Context())
		if IsStranger(r.Context()) {
			who = "stranger"
		}
		_, _ = io.WriteString(w, who)
	})
	s := &http.Server{
		Handler:           d.Guard(echo, Routes{Open: []string{"/readyz"}, Signed: []string{"/webhook/"}}, plainly),
		ReadHeaderTimeout: time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(d.Listen(l)) }()
	p.t.Cleanup(func() { _ = s.Close(); <-ended })
	return d, l.Addr().String()
}

// refusedText is what who is not let in hears.
const refusedText = "a user and password, or a token, is wanted that is known here"

func plainly(w http.ResponseWriter, _ *http.Request, code int, why string) { http.Error(w, why, code) }

// client trusts the place's authority, and shows the certificate of that name.
func (p *place) client(cert string) *http.Client {
	p.t.Helper()
	pem, err := os.ReadFile(p.path("ca.pem"))
	if err != nil {
		p.t.Fatal(err)
	}
	conf := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	conf.RootCAs.AppendCertsFromPEM(pem)
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(p.path(cert+".pem"), p.path(cert+"-key.pem"))
		if err != nil {
			p.t.Fatal(err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// answer is what came back, the body with it.
type answer struct {
	*http.Response
	body string
}

func ask(t testing.TB, c *http.Client, url string, prove func(*http.Request)) (answer, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if prove != nil {
		prove(req)
	}
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp, strings.TrimSpace(string(body))}, err
}

func user(name, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(name, password) }
}

func header(value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", value) }
}

func TestWhoIsLetIn(t *testing.T) {
	tests := map[string]struct {
		web   string
		token bool
		path  string
		prove func(*http.Request)
		code  int
		body  string
	}{
		"no rules":                      {"", false, "/", nil, 200, ""},
		"no rules, a password":          {"", false, "/", user("eve", "x"), 200, ""},
		"TLS alone":                     {withTLS, false, "/", nil, 200, ""},
		"nothing proved":                {withUsers, true, "/", nil, 401, refusedText},
		"a user":                        {withUsers, true, "/", user("alice", thePassword), 200, "user alice"},
		"a user over TLS":               {withTLS + withUsers, false, "/", user("alice", thePassword), 200, "user alice"},
		"a wrong password":              {withUsers, true, "/", user("alice", "wrong"), 401, refusedText},
		"no password":                   {withUsers, true, "/", user("alice", ""), 401, refusedText},
		"nobody's password":             {withUsers, true, "/", user("bob", thePassword), 401, refusedText},
		"a token":                       {withUsers, true, "/", header("Bearer " + theToken), 200, "token ci"},
		"a token without users":         {"", true, "/", header("bearer " + theToken), 200, "token ci"},
		"nobody's token":                {withUsers, true, "/", header("Bearer " + theToken + "x"), 401, refusedText},
		"a part of a token":             {withUsers, true, "/", header("Bearer " + theToken[:19]), 401, refusedText},
		"no token":                      {withUsers, true, "/", header("Bearer "), 401, refusedText},
		"a token as password":           {withUsers, true, "/", user("ci", theToken), 401, refusedText},
		"a hash as password":            {withUsers, true, "/", user("alice", "HASH"), 401, refusedText},
		"a token where only users are":  {withUsers, false, "/", header("Bearer " + theToken), 401, refusedText},
		"a user where only tokens are":  {"", true, "/", user("alice", thePassword), 401, refusedText},
		"another scheme":                {withUsers, true, "/", header("Digest x"), 401, refusedText},
		"a probe":                       {withUsers, true, "/readyz", nil, 200, "stranger"},
		"a probe that proves":           {withUsers, true, "/readyz", user("alice", thePassword), 200, "user alice"},
		"a probe that does not prove":   {withUsers, true, "/readyz", user("alice", "x"), 200, "stranger"},
		"a probe without rules":         {"", false, "/readyz", nil, 200, ""},
		"below a probe":                 {withUsers, true, "/readyz/x", nil, 401, refusedText},
		"a webhook":                     {withUsers, true, "/webhook/live", nil, 200, ""},
		"a webhook with something else": {withUsers, true, "/webhook/live", header("Bearer x"), 200, ""},
		"beside the webhooks":           {withUsers, true, "/webhook", nil, 401, refusedText},
	}
	p := newPlace(t)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, addr := p.serve(p.load(tc.web, tc.token))
			scheme := "http://"
			if strings.Contains(tc.web, "tls_server_config") {
				scheme = "https://"
			}
			prove := tc.prove
			if name == "a hash as password" {
				prove = user("alice", p.hash)
			}
			got, err := ask(t, p.client(""), scheme+addr+tc.path, prove)
			if err != nil || got.StatusCode != tc.code || got.body != tc.body {
				t.Fatalf("%v %q, %v; want %d %q", got.Response, got.body, err, tc.code, tc.body)
			}
			if said := len(got.Header.Values("WWW-Authenticate")) > 0; said != (tc.code == 401) {
				t.Errorf("challenges %q", got.Header.Values("WWW-Authenticate"))
			}
		})
	}
}

func TestChallengesSayWhatServes(t *testing.T) {
	p := newPlace(t)
	for _, tc := range []struct {
		web   string
		token bool
		want  string
	}{
		{withUsers, false, `Basic realm="weir", charset="UTF-8"`},
		{"", true, `Bearer realm="weir"`},
		{withUsers, true, `Basic realm="weir", charset="UTF-8"|Bearer realm="weir"`},
	} {
		_, addr := p.serve(p.load(tc.web, tc.token))
		got, err := ask(t, p.client(""), "http://"+addr, nil)
		if err != nil || strings.Join(got.Header.Values("WWW-Authenticate"), "|") != tc.want {
			t.Errorf("%v, %v; want %s", got.Header, err, tc.want)
		}
	}
}

func TestCheckListener(t *testing.T) {
	p := newPlace(t)
	tests := map[string]struct {
		listen   string
		web      string
		token    bool
		insecure bool
		want     string // a part of the refusal, "" for none
	}{
		"loopback":                    {"127.0.0.1:0", "", false, false, ""},
		"another loopback":            {"127.8.9.1:0", "", false, false, ""},
		"a name of loopback":          {"localhost:0", "", false, false, ""},
		"everywhere":                  {"0.0.0.0:0", "", false, false, "no TLS (tls_server_config in the file that web.configFile names) and no authentication"},
		"everywhere 6":                {"[::]:0", "", false, false, "no TLS"},
		"no host":                     {":0", "", false, false, "no TLS"},
		"said insecure":               {"0.0.0.0:0", "", false, true, ""},
		"TLS alone":                   {"0.0.0.0:0", withTLS, false, false, "there is no authentication"},
		"users alone":                 {"0.0.0.0:0", withUsers, false, false, "there is no TLS"},
		"a token alone":               {"0.0.0.0:0", "", true, false, "there is no TLS"},
		"TLS and users":               {"0.0.0.0:0", withTLS + withUsers, false, false, ""},
		"TLS and a token":             {":0", withTLS, true, false, ""},
		"client certificates":         {":0", withCerts, false, false, ""},
		"certificates that may miss":  {":0", strings.Replace(withCerts, "RequireAndVerifyClientCert", "VerifyClientCertIfGiven", 1), false, false, "no authentication"},
		"certificates of any kind":    {":0", strings.Replace(withCerts, "RequireAndVerifyClientCert", "RequireAnyClientCert", 1), false, false, "no authentication"},
		"certificates that are asked": {":0", strings.Replace(withCerts, "RequireAndVerifyClientCert", "RequestClientCert", 1), false, false, "no authentication"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", tc.listen)
			if err != nil {
				t.Skip("this machine has no such address: ", err)
			}
			defer l.Close()
			err = p.load(tc.web, tc.token).CheckListener(l.Addr(), tc.listen, tc.insecure)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

func TestWhatIsRefused(t *testing.T) {
	p := newPlace(t)
	p.write("short", "0123456789")
	p.write("spaced", "0123456789 0123456789")
	p.write("empty.pem", "")
	costly := "$2y$15$" + p.hash[7:]
	tests := map[string]struct{ web, want string }{
		"no YAML":              {"{", "web.yml: yaml"},
		"an unknown field":     {"tls_server: {}\n", "field tls_server not found"},
		"a key twice":          {withUsers + withUsers, "already set"},
		"a certificate alone":  {"tls_server_config: {cert_file: server.pem}\n", "missing one of key or key_file"},
		"no such certificate":  {"tls_server_config: {cert_file: x.pem, key_file: server-key.pem}\n", "x.pem"},
		"another key":          {"tls_server_config: {cert_file: server.pem, key_file: ca.pem}\n", "X509KeyPair"},
		"TLS 1.1":              {"tls_server_config: {cert_file: server.pem, key_file: server-key.pem, min_version: TLS11}\n", "TLS before 1.2"},
		"certificates of whom": {strings.Replace(withCerts, "client_ca_file: ca.pem, ", "", 1), "needs client_ca_file"},
		"authorities unasked":  {"tls_server_config: {cert_file: server.pem, key_file: server-key.pem, client_ca_file: ca.pem}\n", "without a Client Auth Policy"},
		"no hash":              {"basic_auth_users: {alice: secret}\n", "basic_auth_users: alice: want a bcrypt hash"},
		"a costly hash":        {"basic_auth_users: {alice: " + costly + "}\n", "alice: the hash has cost 15, at most 14"},
		"another header":       {"http_server_config: {headers: {X-Robots: none}}\n", `HTTP header "X-Robots" can not be configured`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(p.options(tc.web, false))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%v shows what may be a password", err)
			}
		})
	}
	for file, want := range map[string]string{
		"short": "at least 20 printed characters", "spaced": "without spaces", "missing": "no such file",
	} {
		_, err := Load(Options{Tokens: []Token{{Name: "ci", Secret: secret.Ref{File: p.path(file)}}}})
		if err == nil || !strings.Contains(err.Error(), "web.tokens: ci: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
	if _, err := Load(Options{ConfigFile: p.path("missing.yml")}); err == nil {
		t.Error("a file that is not there")
	}
}

func TestServesTLS(t *testing.T) {
	p := newPlace(t)
	p.write("tls.yml", strings.ReplaceAll(withTLS, "server.pem", "nowhere.pem"))
	p.write("plain.yml", strings.ReplaceAll(withUsers, "HASH", p.hash))
	for name, want := range map[string]bool{"tls.yml": true, "plain.yml": false} {
		if got, err := ServesTLS(p.path(name)); got != want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if got, err := ServesTLS(""); got || err != nil {
		t.Errorf("no file: %v, %v", got, err)
	}
	if _, err := ServesTLS(p.path("missing.yml")); err == nil {
		t.Error("a file that is not there")
	}
}
