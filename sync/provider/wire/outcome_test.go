package wire

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

// hijack answers with raw bytes and closes the connection.
func hijack(t *testing.T, raw string) string {
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, raw)
		_ = conn.Close()
	})
}

func TestFailure_A11_A12_BrokenAnswerIsUnknown(t *testing.T) {
	cases := []struct{ name, raw, text string }{
		{"closed without an answer", "", "EOF"},
		{"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", "malformed HTTP"},
		{"cut body", "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{\"a\"", "unexpected EOF"},
		{"cut chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", "unexpected EOF"},
		{"broken gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "EOF"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			url := hijack(t, tc.raw)
			_, fail := client(t, url, nil).Do(context.Background(), "Op", get(url))
			if fail == nil || fail.Code != call.Unknown || !strings.Contains(fail.Message, tc.text) {
				t.Errorf("outcome %v, want unknown with %q", fail, tc.text)
			}
		})
	}
}

func TestFailure_C15_BodyLimit(t *testing.T) {
	bomb := func() []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(make([]byte, 8<<20))
		_ = z.Close()
		return b.Bytes()
	}()
	cases := []struct {
		name string
		h    http.HandlerFunc
		code call.Code
	}{
		{"at the limit", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1000)) }, call.OK},
		{"one above", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1001)) }, call.Unknown},
		{"gzip bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb)
		}, call.Unknown},
		{"endless chunks", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, call.Unknown},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			url := serve(t, tc.h)
			c := client(t, url, func(o *Options) { o.BodyLimit = 1000 })
			_, fail := c.Do(context.Background(), "Op", get(url))
			if code := codeOf(fail); code != tc.code {
				t.Errorf("code %s, want %s", code, tc.code)
			}
			if fail != nil && (fail.Status != 200 || !strings.Contains(fail.Message, "longer than 1000 bytes")) {
				t.Errorf("error %+v", fail)
			}
		})
	}
}

func codeOf(fail *call.Error) call.Code {
	if fail == nil {
		return call.OK
	}
	return fail.Code
}

// A server that drips is cut off at the total deadline: A13.
func TestFailure_A13_SlowLoris(t *testing.T) {
	drip := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, " ")
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	url := serve(t, drip)
	c := client(t, url, func(o *Options) { o.Deadline = 60 * time.Millisecond })
	_, fail := c.Do(context.Background(), "Op", get(url))
	if fail == nil || fail.Code != call.Unknown || !strings.Contains(fail.Message, "no whole answer within 60ms") {
		t.Errorf("outcome %v", fail)
	}
}

// A silent server ends the call after the default of 15 seconds, by the clock
// of a bubble.
func TestDefaultDeadlineOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, "https://a", func(o *Options) {
			o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			})
		})
		start := time.Now()
		_, fail := c.Do(t.Context(), "Op", get("https://a"))
		if took := time.Since(start); took != 15*time.Second || codeOf(fail) != call.Unknown || fail.Err != nil {
			t.Errorf("after %s: %v", took, fail)
		}
	})
}

func TestFailure_A34_NothingSentIsUnavailable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + l.Addr().String()
	_ = l.Close()
	dnsFail := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "live.example.com", IsNotFound: true}
	}}
	hang := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	inProcess := roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
	})
	cases := []struct {
		name, endpoint string
		transport      http.RoundTripper
	}{
		{"refused", refused, nil},
		{"dns", "http://live.example.com", dnsFail},
		{"connecting takes too long", "http://live.example.com", hang},
		{"in process", "http://live.example.com", inProcess},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := client(t, tc.endpoint, func(o *Options) {
				o.Transport, o.Deadline = tc.transport, 300*time.Millisecond
			})
			if _, fail := c.Do(context.Background(), "Op", get(tc.endpoint)); codeOf(fail) != call.Unavailable {
				t.Errorf("outcome %v, want unavailable", fail)
			}
		})
	}
}

func TestCallerGivesUp(t *testing.T) {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	_, fail := client(t, "https://a", nil).Do(gone, "Op", get("https://a"))
	if codeOf(fail) != call.Canceled || !errors.Is(fail, context.Canceled) {
		t.Errorf("before: %v", fail)
	}

	ctx, cancel := context.WithCancel(context.Background())
	hang := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	c := client(t, "http://a", func(o *Options) { o.Transport = hang })
	if _, fail = c.Do(ctx, "Op", get("http://a")); codeOf(fail) != call.Canceled {
		t.Errorf("while connecting: %v", fail)
	}

	ctx, cancel = context.WithCancel(context.Background())
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	_, fail = client(t, url, nil).Do(ctx, "Op", get(url))
	if codeOf(fail) != call.Unknown || !errors.Is(fail, context.Canceled) {
		t.Errorf("after it was sent: %v", fail)
	}
}

// The time of the round trip runs from the request written, not from the call.
func TestRTTLeavesOutConnecting(t *testing.T) {
	const connect, think = 80 * time.Millisecond, 20 * time.Millisecond
	url := serve(t, func(http.ResponseWriter, *http.Request) { <-time.After(think) })
	slow := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		<-time.After(connect)
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}}
	a, fail := client(t, url, func(o *Options) { o.Transport = slow }).Do(context.Background(), "Op", get(url))
	if fail != nil {
		t.Fatal(fail)
	}
	if a.RTT < think || a.RTT >= connect+think {
		t.Errorf("RTT %s, want about %s", a.RTT, think)
	}
}

func TestRTTInProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, "https://a", func(o *Options) {
			o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				<-time.After(50 * time.Millisecond)
				return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
			})
		})
		a, fail := c.Do(t.Context(), "Op", get("https://a"))
		if fail != nil || a.RTT != 50*time.Millisecond {
			t.Errorf("RTT %v, error %v", a.RTT, fail)
		}
	})
}

func TestFailure_C7_TransportErrorsHideSecrets(t *testing.T) {
	for _, err := range []error{
		fmt.Errorf("proxy said %q", canary),
		&net.OpError{Op: "dial", Err: errors.New("via " + canary + " token-Zx82")},
	} {
		c := client(t, "https://a", func(o *Options) {
			o.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, err })
		})
		_, fail := c.Do(context.Background(), "Op", get("https://a"))
		text := fmt.Sprintf("%v %+v", fail, *fail)
		if strings.Contains(text, canary) || strings.Contains(text, "Zx82") || !strings.Contains(text, "[redacted]") {
			t.Errorf("error %s", text)
		}
	}
}
