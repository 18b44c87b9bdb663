package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"weir/sync/call"
	"weir/sync/secret"
)

const canary = "canary+secret/Zx81=="

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testKey() (secret.Key, error) {
	return secret.Key{ID: "AKcanary", Secret: secret.New(canary), Token: secret.New("token-Zx82")}, nil
}

func parse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func client(t *testing.T, endpoint string, edit func(*Options)) *Client {
	t.Helper()
	opt := Options{Endpoint: parse(t, endpoint), Keys: testKey}
	if edit != nil {
		edit(&opt)
	}
	c, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func get(endpoint string) Build {
	return func(Stamp) (*http.Request, error) { return http.NewRequest(http.MethodGet, endpoint, nil) }
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNewRefuses(t *testing.T) {
	cases := []struct {
		name string
		opt  Options
		want string
	}{
		{"no endpoint", Options{Keys: testKey}, "endpoint: there is none"},
		{"ftp", Options{Endpoint: parse(t, "ftp://a"), Keys: testKey}, "endpoint: scheme must be https"},
		{"no host", Options{Endpoint: parse(t, "https://"), Keys: testKey}, "endpoint: want https://host"},
		{"userinfo", Options{Endpoint: parse(t, "https://u:p@a"), Keys: testKey}, "without user and password"},
		{"path", Options{Endpoint: parse(t, "https://a/v1"), Keys: testKey}, "without path"},
		{"query", Options{Endpoint: parse(t, "https://a/?x=1"), Keys: testKey}, "without path"},
		{"no keys", Options{Endpoint: parse(t, "https://a")}, "keys: there is no source"},
		{"deadline", Options{Endpoint: parse(t, "https://a"), Keys: testKey, Deadline: -1}, "must not be negative"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := New(tc.opt); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestDoReturnsAnswerWhateverItsStatus(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("User-Agent") != "weir" || r.ContentLength != 0 || r.TransferEncoding != nil {
			t.Errorf("request %v %v %v", r.Header, r.ContentLength, r.TransferEncoding)
		}
		w.Header().Set("X-Seen", r.Method)
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, `{"a":1}`)
	})
	a, fail := client(t, url, nil).Do(context.Background(), "Op", get(url))
	if fail != nil {
		t.Fatal(fail)
	}
	if a.Status != http.StatusTeapot || a.Header.Get("X-Seen") != "GET" || string(a.Body) != `{"a":1}` || a.RTT <= 0 {
		t.Errorf("answer %+v", a)
	}
}

// Each attempt is signed anew: A25.
func TestFailure_A25_FreshNonce(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	c := client(t, url, nil)
	seen := map[string]bool{}
	for range 3 {
		_, fail := c.Do(context.Background(), "Op", func(s Stamp) (*http.Request, error) {
			if len(s.Nonce) != 32 || s.Now.Location() != time.UTC {
				t.Errorf("stamp %q %v", s.Nonce, s.Now)
			}
			seen[s.Nonce] = true
			return get(url)(s)
		})
		if fail != nil {
			t.Fatal(fail)
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d nonces for 3 attempts", len(seen))
	}
}

// A kept connection that breaks must not make net/http send a request again by
// itself: A25. The server answers one request and closes on the next.
func TestFailure_A25_NoHiddenRepeat(t *testing.T) {
	for _, tc := range []struct{ name, method, body string }{
		{"GET", http.MethodGet, ""},
		{"GET with a body", http.MethodGet, "{}"},
		{"POST", http.MethodPost, "{}"},
		{"POST without a body", http.MethodPost, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			requests := make(chan int, 1)
			go func() { requests <- serveThenBreak(l) }()
			url := "http://" + l.Addr().String()
			build := func(Stamp) (*http.Request, error) {
				return http.NewRequest(tc.method, url, strings.NewReader(tc.body))
			}
			c := client(t, url, nil)
			if _, fail := c.Do(context.Background(), "First", build); fail != nil {
				t.Error(fail)
			}
			if _, fail := c.Do(context.Background(), "Second", build); codeOf(fail) != call.Unknown {
				t.Errorf("outcome %v, want unknown", fail)
			}
			_ = l.Close()
			if n := <-requests; n != 2 {
				t.Errorf("server saw %d requests, want 2", n)
			}
		})
	}
}

// serveThenBreak answers the first request of each connection, reads the
// second and closes; it returns how many requests came when l is closed.
func serveThenBreak(l net.Listener) int {
	n := 0
	for {
		conn, err := l.Accept()
		if err != nil {
			return n
		}
		buf := make([]byte, 4096)
		if _, err := conn.Read(buf); err == nil {
			n++
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
		if _, err := conn.Read(buf); err == nil {
			n++
		}
		conn.Close()
	}
}

func TestFailure_C7_RedirectNotFollowed(t *testing.T) {
	other := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("other host was called: %v", r.Header) })
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, http.StatusFound) })
	a, fail := client(t, url, nil).Do(context.Background(), "Op", get(url))
	if fail != nil {
		t.Fatal(fail)
	}
	if err := a.Foreign("Op", errors.New("redirect")); a.Status != http.StatusFound || err.Code != call.Unknown {
		t.Errorf("status %d, code %s", a.Status, err.Code)
	}
}

func TestFailure_C7_NothingLeavesForAnotherHost(t *testing.T) {
	c := client(t, "https://live.example.com", func(o *Options) {
		o.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			t.Error("the request was sent")
			return nil, errors.New("no")
		})
	})
	for _, wrong := range []string{"https://evil.example.com/", "http://live.example.com/"} {
		if _, fail := c.Do(context.Background(), "Op", get(wrong)); fail == nil || fail.Code != call.Internal {
			t.Errorf("%s: outcome %v, want internal", wrong, fail)
		}
	}
}

func TestDoWithoutKeyOrRequest(t *testing.T) {
	c := client(t, "https://a", func(o *Options) {
		o.Keys = func() (secret.Key, error) { return secret.Key{}, errors.New("environment variable AK is not set") }
	})
	_, fail := c.Do(context.Background(), "Op", get("https://a"))
	if fail == nil || fail.Code != call.Unauthentic || fail.Message != "environment variable AK is not set" {
		t.Errorf("outcome %v", fail)
	}
	c = client(t, "https://a", nil)
	broken := func(Stamp) (*http.Request, error) { return nil, errors.New("param is no JSON") }
	if _, fail = c.Do(context.Background(), "Op", broken); fail == nil || fail.Code != call.Internal {
		t.Errorf("outcome %v", fail)
	}
}

// The key is asked for before each call, so a rotated one is used at once: A22.
func TestFailure_A22_KeyReadEachCall(t *testing.T) {
	n := 0
	c := client(t, "https://a", func(o *Options) {
		o.Keys = func() (secret.Key, error) { n++; return secret.Key{ID: fmt.Sprint("key", n)}, nil }
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
		})
	})
	var ids []string
	for range 2 {
		if _, fail := c.Do(context.Background(), "Op", func(s Stamp) (*http.Request, error) {
			ids = append(ids, s.Key.ID)
			return get("https://a")(s)
		}); fail != nil {
			t.Fatal(fail)
		}
	}
	if strings.Join(ids, " ") != "key1 key2" {
		t.Errorf("keys %v", ids)
	}
}

// The cloud's Date corrects the time of later signatures, once it refused
// ours: A24.
func TestFailure_A24_ClockCorrectedByDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead := 20 * time.Minute
		c := client(t, "https://a", func(o *Options) {
			o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				h := http.Header{"Date": {time.Now().Add(ahead).UTC().Format(http.TimeFormat)}}
				return &http.Response{StatusCode: 400, Body: http.NoBody, Header: h, Request: r}, nil
			})
		})
		signedAt := func() time.Duration {
			var at time.Time
			_, fail := c.Do(t.Context(), "Op", func(s Stamp) (*http.Request, error) {
				at = s.Now
				return get("https://a")(s)
			})
			if fail != nil {
				t.Fatal(fail)
			}
			return time.Until(at).Round(time.Second)
		}
		if got := signedAt(); got != 0 || c.Skew().Round(time.Second) < NotableSkew {
			t.Errorf("first signature off by %s, skew %s", got, c.Skew())
		}
		if !c.CorrectClock() || c.CorrectClock() {
			t.Error("want a correction the first time and none the second")
		}
		if got := signedAt(); (got - ahead).Abs() > time.Second {
			t.Errorf("corrected signature off by %s, want %s", got, ahead)
		}
		ahead = 0 // somebody set our clock
		if got := signedAt(); got < 19*time.Minute || !c.CorrectClock() || signedAt() != 0 {
			t.Error("the correction did not follow our clock")
		}
	})
}

// The proxy of the environment and old TLS are the transport's to decide: C16.
func TestFailure_C16_TransportNeverWeak(t *testing.T) {
	tr := NewTransport()
	if tr.TLSClientConfig.MinVersion != 0x0303 || tr.TLSClientConfig.InsecureSkipVerify || tr.Proxy == nil {
		t.Errorf("transport %+v", tr)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("reached") }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	_, fail := client(t, s.URL, nil).Do(context.Background(), "Op", get(s.URL))
	if fail == nil || fail.Code != call.Unavailable || !strings.Contains(fail.Message, "certificate") {
		t.Errorf("outcome %v, want an unavailable that names the certificate", fail)
	}
}
