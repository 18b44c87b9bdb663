package access

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"weir/sync/secret"
)

func TestProtocols(t *testing.T) {
	p := newPlace(t)
	for name, tc := range map[string]struct {
		web  string
		want string
	}{
		"HTTP/2":           {withTLS, "HTTP/2.0"},
		"HTTP/2 said":      {withTLS + "http_server_config: {http2: true}\n", "HTTP/2.0"},
		"HTTP/1.1":         {withTLS + "http_server_config: {http2: false}\n", "HTTP/1.1"},
		"HTTP/2, TLS 1.2":  {strings.Replace(withTLS, "}", ", max_version: TLS12}", 1), "HTTP/2.0"},
		"HTTP/1.1, no TLS": {"http_server_config: {http2: true}\n", "HTTP/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, addr := p.serve(p.load(tc.web, false))
			url := "http://" + addr
			if strings.Contains(tc.web, "tls_server_config") {
				url = "https://" + addr
			}
			got, err := ask(t, p.client(""), url, nil)
			if err != nil || got.Proto != tc.want {
				t.Fatalf("%v, %v", got, err)
			}
		})
	}
}

func TestTLSVersions(t *testing.T) {
	p := newPlace(t)
	_, addr := p.serve(p.load(withTLS, false))
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", addr, &tls.Config{
			InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: version,
		})
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

// TestPlainToTLS: whoever forgets the s is told so.
func TestPlainToTLS(t *testing.T) {
	p := newPlace(t)
	_, addr := p.serve(p.load(withTLS+withUsers, false))
	got, err := ask(t, p.client(""), "http://"+addr, nil)
	if err != nil || got.StatusCode != http.StatusBadRequest || !strings.Contains(got.body, "HTTP request to an HTTPS server") {
		t.Errorf("%v, %v", got, err)
	}
}

// TestSlowHandshake: a connection on which nothing comes is closed.
func TestSlowHandshake(t *testing.T) {
	p := newPlace(t)
	_, addr := p.serve(p.load(withTLS, false))
	for name, first := range map[string]string{"nothing": "", "a part of a hello": "\x16\x03\x01\x02"} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, first)
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		_ = conn.Close()
	}
}

func TestClientCertificates(t *testing.T) {
	p := newPlace(t)
	p.issue("alice")
	_, addr := p.serve(p.load(withCerts, false))
	got, err := ask(t, p.client("alice"), "https://"+addr, nil)
	if err != nil || got.body != "certificate CN=alice" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := ask(t, p.client(""), "https://"+addr, nil); err == nil {
		t.Errorf("without a certificate: %v", got)
	}
	other := newPlace(t)
	other.issue("eve")
	eve := other.client("eve")
	eve.Transport.(*http.Transport).TLSClientConfig.RootCAs = p.client("").Transport.(*http.Transport).TLSClientConfig.RootCAs
	if got, err := ask(t, eve, "https://"+addr, nil); err == nil {
		t.Errorf("a certificate of others: %v", got)
	}

	_, addr = p.serve(p.load(withCerts+withUsers, false))
	got, err = ask(t, p.client("alice"), "https://"+addr, nil)
	if err != nil || got.StatusCode != http.StatusUnauthorized {
		t.Errorf("a certificate where a password is wanted too: %v, %v", got, err)
	}
	got, err = ask(t, p.client("alice"), "https://"+addr, user("alice", thePassword))
	if err != nil || got.body != "user alice" {
		t.Errorf("both: %v, %v", got, err)
	}
}

func TestHeaders(t *testing.T) {
	p := newPlace(t)
	_, addr := p.serve(p.load(withTLS+withUsers+"http_server_config: {headers: {Strict-Transport-Security: max-age=600, X-Frame-Options: deny}}\n", false))
	for _, prove := range []func(*http.Request){nil, user("alice", thePassword)} {
		got, err := ask(t, p.client(""), "https://"+addr, prove)
		if err != nil || got.Header.Get("Strict-Transport-Security") != "max-age=600" || got.Header.Get("X-Frame-Options") != "deny" {
			t.Errorf("%v, %v", got.Header, err)
		}
	}
}

func TestRateLimit(t *testing.T) {
	p := newPlace(t)
	_, addr := p.serve(p.load("rate_limit: {interval: 1h, burst: 2}\n", false))
	var codes []int
	for _, path := range []string{"/", "/", "/", "/readyz", "/webhook/x"} {
		got, err := ask(t, p.client(""), "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, got.StatusCode)
	}
	if fmt.Sprint(codes) != "[200 200 429 200 200]" {
		t.Errorf("%v", codes)
	}
}

// TestStricterRulesCountAtOnce: connections of before do not escape them.
func TestStricterRulesCountAtOnce(t *testing.T) {
	p := newPlace(t)
	p.issue("alice")
	d, addr := p.serve(p.load("", false))
	plain := p.client("")
	if got, err := ask(t, plain, "http://"+addr, nil); err != nil || got.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", got, err)
	}
	d.Set(p.load(withTLS, false))
	if got, err := ask(t, plain, "http://"+addr, nil); err != nil || got.StatusCode != http.StatusMisdirectedRequest || !got.Close {
		t.Errorf("without TLS on an old connection: %v, %v", got, err)
	}
	secure := p.client("alice")
	if got, err := ask(t, secure, "https://"+addr, nil); err != nil || got.StatusCode != http.StatusOK {
		t.Errorf("%v, %v", got, err)
	}
	d.Set(p.load(withCerts, false))
	if got, err := ask(t, secure, "https://"+addr, nil); err == nil && got.body != "certificate CN=alice" && got.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("without a certificate on an old connection: %v", got)
	}
	if got, err := ask(t, p.client("alice"), "https://"+addr, nil); err != nil || got.body != "certificate CN=alice" {
		t.Errorf("%v, %v", got, err)
	}
	d.Set(p.load(withTLS+withUsers, false))
	if got, err := ask(t, p.client(""), "https://"+addr, nil); err != nil || got.StatusCode != http.StatusUnauthorized {
		t.Errorf("%v, %v", got, err)
	}
}

func TestCertificateIsRenewed(t *testing.T) {
	p := newPlace(t)
	var log bytes.Buffer
	opts := p.options(withTLS, false)
	opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
	synctest.Test(t, func(t *testing.T) {
		r, err := Load(opts)
		if err != nil {
			t.Fatal(err)
		}
		serial := func() string {
			c, err := r.tls.GetCertificate(nil)
			if err != nil {
				t.Fatal(err)
			}
			return c.Leaf.SerialNumber.String()
		}
		first := serial()
		p.issue("server")
		if serial() != first {
			t.Error("the files are looked at again at once")
		}
		time.Sleep(certificateAge)
		second := serial()
		if second == first {
			t.Error("the renewed certificate is not served")
		}
		p.write("server-key.pem", "half of")
		for range 3 {
			time.Sleep(certificateAge)
			if serial() != second {
				t.Error("another certificate than the last that was good")
			}
		}
		p.issue("server")
		time.Sleep(certificateAge)
		if third := serial(); third == second || third == first {
			t.Error("the certificate is not renewed after a broken one")
		}
	})
	if n := strings.Count(log.String(), "cannot be renewed"); n != 1 || !strings.Contains(log.String(), "the certificate is renewed") {
		t.Errorf("log:\n%s", log.String())
	}
}

func TestTokensRotate(t *testing.T) {
	p := newPlace(t)
	opts := p.options("", true)
	p.write("second", strings.Repeat("s", leastToken))
	opts.Tokens = append(opts.Tokens, Token{Name: "cd", Secret: secret.Ref{File: p.path("second")}})
	synctest.Test(t, func(t *testing.T) {
		r, err := Load(opts)
		if err != nil {
			t.Fatal(err)
		}
		const fresh = "a token that is new now"
		next := strings.ReplaceAll(fresh, " ", "-")
		p.write("token", next)
		if r.tokens.check(theToken) != "ci" || r.tokens.check(next) != "" {
			t.Error("the files are looked at again at once")
		}
		time.Sleep(tokenAge)
		if r.tokens.check(theToken) != "" || r.tokens.check(next) != "ci" {
			t.Error("the old token counts, or the new one does not")
		}
		if err := os.Remove(p.path("token")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(tokenAge)
		if r.tokens.check(next) != "" || r.tokens.check("") != "" || r.tokens.check(strings.Repeat("s", leastToken)) != "cd" {
			t.Error("a token whose file is gone counts, or another does not")
		}
	})
}

// TestPasswordsCannotBeTriedFast: who tries is slowed down, and neither keeps
// others out nor whoever proved the same before.
func TestPasswordsCannotBeTriedFast(t *testing.T) {
	p := newPlace(t)
	synctest.Test(t, func(t *testing.T) {
		r := p.load(withUsers, false)
		if ok, err := r.users.check("alice", thePassword, "192.0.2.1:1"); !ok || err != nil {
			t.Fatal(ok, err)
		}
		tried, busy := 0, 0
		for i := range 1000 {
			ok, err := r.users.check("alice", fmt.Sprint(i), "198.51.100.1:1")
			switch {
			case ok:
				t.Fatal("a wrong password is right")
			case errors.Is(err, errBusy):
				busy++
			default:
				tried++
			}
		}
		if tried != passwordRates.AddressBurst || busy != 1000-tried {
			t.Errorf("%d tried, %d refused", tried, busy)
		}
		if ok, err := r.users.check("alice", thePassword, "198.51.100.1:1"); !ok || err != nil {
			t.Errorf("the right password, which was right before: %v, %v", ok, err)
		}
		if ok, err := r.users.check("alice", "typo", "192.0.2.1:1"); ok || err != nil {
			t.Errorf("somebody else: %v, %v", ok, err)
		}
		time.Sleep(time.Second)
		if ok, err := r.users.check("alice", "again", "198.51.100.1:1"); ok || err != nil {
			t.Errorf("a second later: %v, %v", ok, err)
		}
	})
}

// TestPasswordsAreCheckedOneAtATime: a flood from everywhere takes one core at
// most, and its rest is refused.
func TestPasswordsAreCheckedOneAtATime(t *testing.T) {
	u, err := newUsers(map[string]string{"alice": newPlace(t).hash})
	if err != nil {
		t.Fatal(err)
	}
	u.checking.Lock() // as if a check took long
	var waiting sync.WaitGroup
	refused := make(chan error, 100)
	for i := range 100 {
		waiting.Go(func() {
			if _, err := u.check("alice", "x", fmt.Sprintf("192.0.2.%d:1", i)); err != nil {
				refused <- err
			}
		})
	}
	for range 100 - passwordRates.InFlight {
		if err := <-refused; !errors.Is(err, errBusy) {
			t.Error(err)
		}
	}
	u.checking.Unlock()
	waiting.Wait()
	if len(refused) != 0 {
		t.Errorf("%d more are refused", len(refused))
	}
}

func TestRefusalsAreCountedAndLogged(t *testing.T) {
	p := newPlace(t)
	reg := prometheus.NewRegistry()
	metrics, err := NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	opts := p.options(withUsers, true)
	opts.Metrics, opts.Logger = metrics, slog.New(slog.NewTextHandler(&log, nil))
	r, err := Load(opts)
	if err != nil {
		t.Fatal(err)
	}
	_, addr := p.serve(r)
	c := p.client("")
	for _, prove := range []func(*http.Request){nil, nil, header("Bearer " + theToken + "x"), header("Bearer " + theToken)} {
		if _, err := ask(t, c, "http://"+addr+"/page?token=hidden", prove); err != nil {
			t.Fatal(err)
		}
	}
	for range passwordRates.AddressBurst + 3 {
		if _, err := ask(t, c, "http://"+addr, user("alice", "wrong password")); err != nil {
			t.Fatal(err)
		}
	}
	count := func(r refused) int { return int(testutil.ToFloat64(metrics.refused.WithLabelValues(string(r)))) }
	if count(refusedMissing) != 2 || count(refusedWrong) < 1+passwordRates.AddressBurst || count(refusedBusy) < 1 {
		t.Errorf("missing %d, wrong %d, busy %d", count(refusedMissing), count(refusedWrong), count(refusedBusy))
	}
	if n := strings.Count(log.String(), "request refused"); n != 1 {
		t.Errorf("%d lines of the log:\n%s", n, log.String())
	}
	for _, secret := range []string{theToken, "hidden", "wrong password"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log shows %q:\n%s", secret, log.String())
		}
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// TestEachRequestIsJudged: what follows on the connection of one that was let in
// is not let in with it.
func TestEachRequestIsJudged(t *testing.T) {
	p := newPlace(t)
	_, addr := p.serve(p.load("", true))
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", theToken)
	in := bufio.NewReader(conn)
	for _, want := range []int{http.StatusOK, http.StatusUnauthorized} {
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.StatusCode != want {
			t.Fatalf("%v, %v; want %d", resp, err, want)
		}
		_, _ = in.Discard(int(resp.ContentLength))
	}
}

// BenchmarkGuard is what the door adds to a request of somebody who proved the
// same before.
func BenchmarkGuard(b *testing.B) {
	p := newPlace(b)
	for name, prove := range map[string]func(*http.Request){
		"user": user("alice", thePassword), "token": header("Bearer " + theToken),
	} {
		b.Run(name, func(b *testing.B) {
			d := &Door{}
			d.Set(p.load(withUsers, true))
			h := d.Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), Routes{}, plainly)
			req := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			prove(req)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(httptest.NewRecorder(), req)
			}
		})
	}
}
