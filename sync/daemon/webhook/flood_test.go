package webhook

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/daemon/gate"
)

// open is a gate that refuses nobody.
var open = gate.Rates{
	All: 1e9, Address: 1e9, AllBurst: 1e9, AddressBurst: 1e9,
	InFlight: 1e9, OfAddress: 1e9, Addresses: 1024,
}

// FuzzDelivery sends what proves the secret and is anything else.
func FuzzDelivery(f *testing.F) {
	for _, body := range []string{push, "", "{}", "null", `{"ref":1}`, `{"repository":{"url":"a@b:c"}}`, "payload=%7B%7D"} {
		f.Add(body, "push", "application/json")
		f.Add(body, "Push Hook", "application/x-www-form-urlencoded")
	}
	w := newWorld(f)
	w.handler.gate = gate.New(open)
	f.Fuzz(func(t *testing.T, body, event, media string) {
		for kind := range events {
			h := proof(kind, body, "one")
			h.Set("Content-Type", media)
			if names := headers[kind].event; names != nil && event != "" {
				h.Set(names[0], event)
			}
			code := w.send("/webhook/"+string(kind), h, body).StatusCode
			if code != http.StatusAccepted && code != http.StatusBadRequest {
				t.Errorf("%s: %d", kind, code)
			}
		}
	})
}

// FuzzForged sends what proves nothing.
func FuzzForged(f *testing.F) {
	f.Add("sha256=00", "1", "v1,AA==", []byte("{}"))
	f.Add("", "-9223372036854775808", "v1, v1 v1,%", []byte(nil))
	f.Fuzz(func(t *testing.T, token, stamp, signature string, body []byte) {
		h := headersOf("X-Hub-Signature-256", token, "X-Gitea-Signature", token, "X-Gitlab-Token", token, "X-Gitee-Token", token,
			"X-Signature-256", token, "X-Gitee-Timestamp", stamp, "Webhook-Timestamp", stamp, "Webhook-Id", stamp, "Webhook-Signature", signature)
		for kind := range events {
			for _, key := range []string{"", "the fuzzer cannot know 4f1c", "whsec_dGhlIGZ1enplciBjYW5ub3Qga25vdw==", "whsec_!"} {
				if token != key && verify(kind, h, body, key, time.Now()) {
					t.Errorf("%s with %q", kind, key)
				}
			}
		}
	})
}

// TestFailure_W07_Flood: refused deliveries bring about nothing, however many,
// and leave nothing behind.
func TestFailure_W07_Flood(t *testing.T) {
	w := newWorld(t)
	w.handler.gate = gate.New(open)
	body := strings.Repeat("x", 10<<10)
	flood := func(n int) {
		for i := range n {
			h := proof(GitHub, push, strconv.Itoa(i))
			h.Set("X-GitHub-Delivery", strconv.Itoa(i))
			r := httptest.NewRequest(http.MethodPost, "/webhook/github", strings.NewReader(body))
			r.Header, r.RemoteAddr = h, fmt.Sprintf("10.%d.%d.%d:1", i>>16&255, i>>8&255, i&255)
			w.mux.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	flood(3000)
	before := heap()
	flood(10_000)
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("10,000 deliveries leave %d bytes", grown)
	}
	if w.pokes.Load() != 0 || w.counted("github", resultUnauthorized) != 13_000 {
		t.Errorf("%d pokes, %v refused", w.pokes.Load(), w.counted("github", resultUnauthorized))
	}
}

// TestFailure_W07_FullMemory: 10,000 remembered deliveries and those after
// them take a few MB.
func TestFailure_W07_FullMemory(t *testing.T) {
	before := heap()
	m := newMemory()
	for i := range 5 * remembered {
		m.again("live", strconv.Itoa(i), []byte(push))
	}
	grown := int64(heap()) - int64(before)
	t.Logf("%d KiB for %d deliveries", grown>>10, len(m.seen))
	if grown > 4<<20 {
		t.Errorf("%d bytes", grown)
	}
}

func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// TestFailure_C5_W07_Rates: an address that floods is told to wait, others are
// still heard, and all together have a limit too.
func TestFailure_C5_W07_Rates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		send := func(remote string) int {
			r := httptest.NewRequest(http.MethodPost, "/webhook/github", strings.NewReader(push))
			r.Header, r.RemoteAddr = headersOf("X-GitHub-Event", "push"), remote
			rec := httptest.NewRecorder()
			w.mux.ServeHTTP(rec, r)
			if rec.Code == http.StatusTooManyRequests && rec.Header().Get("Retry-After") != "1" {
				t.Error("no Retry-After")
			}
			return rec.Code
		}
		codes := map[int]int{}
		for range 10_000 {
			codes[send("192.0.2.1:1")]++
		}
		if codes[401] != defaultRates.AddressBurst || codes[429] != 10_000-codes[401] {
			t.Errorf("one address: %v", codes)
		}
		if code := send("192.0.2.2:1"); code != 401 {
			t.Errorf("another address: %d", code)
		}
		for i := range 10_000 {
			codes[send(fmt.Sprintf("10.0.%d.%d:1", i>>8, i&255))]++
		}
		if codes[401] != defaultRates.AllBurst-1 {
			t.Errorf("all: %v", codes)
		}
		time.Sleep(time.Second)
		if code := send("192.0.2.1:1"); code != 401 {
			t.Errorf("a second later: %d", code)
		}
		if w.pokes.Load() != 0 {
			t.Error("poked")
		}
	})
}

// TestFailure_C5_W01_SlowSenders hold the places of their own address, and
// only as long as the server lets them.
func TestFailure_C5_W01_SlowSenders(t *testing.T) {
	w := newWorld(t)
	s := httptest.NewUnstartedServer(w.mux)
	s.Config.ReadTimeout = 700 * time.Millisecond
	s.Start()
	defer s.Close()
	var slow []net.Conn
	for range defaultRates.OfAddress {
		c := dial(t, s)
		fmt.Fprintf(c, "POST /webhook/github HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
		slow = append(slow, c)
	}
	until(t, func() bool { return w.handler.gate.Inside() == len(slow) })
	if code := post(t, s, "/webhook/github", "0", push); code != http.StatusServiceUnavailable {
		t.Errorf("one more of the address: %d", code)
	}
	for _, c := range slow {
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusBadRequest {
			t.Errorf("a slow sender: %v, %v", resp, err)
		}
		c.Close()
	}
	until(t, func() bool { return w.handler.gate.Inside() == 0 })
	if code := post(t, s, "/webhook/github", "0", push); code != http.StatusUnauthorized {
		t.Errorf("afterwards: %d", code)
	}
}

// TestFailure_W02_HugeBody: what is too large is refused without being read to
// its end, in constant memory.
func TestFailure_W02_HugeBody(t *testing.T) {
	w := newWorld(t)
	s := httptest.NewServer(w.mux)
	defer s.Close()
	endless := &endless{}
	before := heap()
	r, err := http.NewRequest(http.MethodPost, s.URL+"/webhook/github", endless) // of unknown length: in chunks
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("chunks: %s", resp.Status)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if sent := endless.sent.Load(); sent > 32<<20 {
		t.Errorf("%d bytes were taken", sent)
	}
	if grown := int64(heap()) - int64(before); grown > 4<<20 {
		t.Errorf("%d bytes are left", grown)
	}
	if code := post(t, s, "/webhook/github", strconv.Itoa(1<<30), "{"); code != http.StatusRequestEntityTooLarge {
		t.Errorf("declared: %d", code)
	}
	most := strings.Repeat(" ", MaxBody)
	if code := post(t, s, "/webhook/github", "0", most); code != http.StatusUnauthorized {
		t.Errorf("the largest: %d", code)
	}
	if code := post(t, s, "/webhook/none", "0", most+" "); code != http.StatusRequestEntityTooLarge {
		t.Errorf("too large for nobody: %d", code)
	}
	until(t, func() bool { return w.counted("github", resultTooLarge) == 2 })
}

// endless is a body of 1 GiB.
type endless struct{ sent atomic.Int64 }

func (e *endless) Read(b []byte) (int, error) {
	if e.sent.Add(int64(len(b))) > 1<<30 {
		return 0, io.EOF
	}
	return len(b), nil
}

func dial(t *testing.T, s *httptest.Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// post sends body over a connection of its own; length "0" is the body's.
func post(t *testing.T, s *httptest.Server, path, length, body string) int {
	t.Helper()
	if length == "0" {
		length = strconv.Itoa(len(body))
	}
	c := dial(t, s)
	defer c.Close()
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n%s", path, length, body)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never happens")
		}
	}
}

// BenchmarkRefused10KiB is W07: deliveries of 10 KiB that prove nothing, over
// loopback with client and server on the same cores.
func BenchmarkRefused10KiB(b *testing.B) { flooded(b, open, http.StatusUnauthorized) }

// BenchmarkLimited10KiB is the same flood before the rates of a daemon.
func BenchmarkLimited10KiB(b *testing.B) { flooded(b, defaultRates, 0) }

func flooded(b *testing.B, r gate.Rates, want int) {
	w := newWorld(b)
	w.handler.gate = gate.New(r)
	s := httptest.NewServer(w.mux)
	defer s.Close()
	body := strings.Repeat("x", 10<<10)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, err := http.NewRequest(http.MethodPost, s.URL+"/webhook/github", strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("X-Hub-Signature-256", "sha256="+helloHex)
			resp, err := client.Do(r)
			if err != nil {
				continue // refused before it was written to its end
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if want != 0 && resp.StatusCode != want {
				b.Error(resp.Status)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64(rss())/(1<<20), "MiB-RSS")
	if w.pokes.Load() != 0 {
		b.Error("poked")
	}
}

// rss is the resident memory of client and server, 0 where the system does not
// say.
func rss() int {
	b, err := os.ReadFile("/proc/self/statm")
	if fields := strings.Fields(string(b)); err == nil && len(fields) > 1 {
		n, _ := strconv.Atoi(fields[1])
		return n * os.Getpagesize()
	}
	return 0
}
