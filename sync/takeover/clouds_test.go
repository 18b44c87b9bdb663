package takeover

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/sync/emulator"
)

// accounts are those that the weirs keep, with the access keys of the emulator that
// belong to them.
var accounts = map[string]string{
	"aliyun-main": "weir-main", "aliyun-backup": "weir-backup", "volc-a": "weir-a", "volc-b": "weir-b",
}

// arrival is a call as it reached the clouds.
type arrival struct {
	at        time.Time
	daemon    string // whose process holds the connection, "" for a command's
	account   string
	operation string
}

// clouds are the emulator on a socket, and who called it when.
type clouds struct {
	*emulator.Emulator
	server *httptest.Server
	who    func(peer net.Addr) string

	mu       sync.Mutex
	arrivals []arrival
}

type peerKey struct{}

// newClouds serves the emulator. who tells whose connection one is.
func newClouds(t *testing.T, who func(peer net.Addr) string) *clouds {
	t.Helper()
	world := emulator.DefaultWorld()
	world.Credentials, world.Streams, world.Recordings, world.RelaySources = nil, nil, nil, nil
	for account, key := range accounts {
		cloud := "volcengine"
		if strings.HasPrefix(account, "aliyun") {
			cloud = "aliyun"
		}
		world.Credentials = append(world.Credentials, emulator.Credential{
			Cloud: cloud, AccessKeyID: key, AccessKeySecret: key, Account: account,
		})
	}
	for i := range recordings {
		world.Streams = append(world.Streams, emulator.Stream{Domain: "live.example.com", App: "live", Stream: fmt.Sprint("s", i), Online: true})
	}
	if err := world.Check(); err != nil {
		t.Fatal(err)
	}
	c := &clouds{Emulator: emulator.New(world), who: who}
	c.server = httptest.NewUnstartedServer(http.HandlerFunc(c.serve))
	c.server.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, peerKey{}, c.who(conn.RemoteAddr()))
	}
	c.server.Start()
	t.Cleanup(c.server.Close)
	return c
}

var (
	credential = regexp.MustCompile(`Credential=([^/,]+)`)
	owners     = func() map[string]string {
		of := map[string]string{}
		for account, key := range accounts {
			of[key] = account
		}
		return of
	}()
)

func (c *clouds) serve(w http.ResponseWriter, r *http.Request) {
	key, operation := "", cmp.Or(r.Header.Get("X-Acs-Action"), r.URL.Query().Get("Action"))
	if m := credential.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		key = m[1]
	}
	if account, ours := owners[key]; ours {
		daemon, _ := r.Context().Value(peerKey{}).(string)
		c.mu.Lock()
		c.arrivals = append(c.arrivals, arrival{time.Now(), daemon, account, operation})
		c.mu.Unlock()
	}
	c.ServeHTTP(w, r)
}

// arrived returns what has arrived since a time.
func (c *clouds) arrived(since time.Time) []arrival {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, a := range c.arrivals {
		if a.at.After(since) {
			return append([]arrival(nil), c.arrivals[i:]...)
		}
	}
	return nil
}

// peerOf finds the process at the other end of a connection on loopback: the kernel
// says which socket it is, and each process which sockets it has open.
func peerOf(peer net.Addr, processes map[string]int) string {
	addr, ok := peer.(*net.TCPAddr)
	if !ok {
		return ""
	}
	inode := inodeOf(addr.Port)
	for name, pid := range processes {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, link := range links {
			if to, err := os.Readlink(link); err == nil && inode != "" && to == "socket:["+inode+"]" {
				return name
			}
		}
	}
	return ""
}

// inodeOf returns the inode of the socket with a local port that is not the server's
// end of it.
func inodeOf(port int) string {
	table, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		return ""
	}
	local := fmt.Sprintf("0100007F:%04X", port)
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) > 9 && fields[1] == local && fields[9] != "0" {
			return fields[9]
		}
	}
	return ""
}

// overQuota returns the most calls of an operation of an account within one second, and
// of which, where that is more than the limit.
func overQuota(calls []arrival, limits map[string]int) (over []string) {
	by := map[string][]time.Time{}
	for _, a := range calls {
		by[a.account+" "+a.operation] = append(by[a.account+" "+a.operation], a.at)
	}
	for key, times := range by {
		_, operation, _ := strings.Cut(key, " ")
		first, most := 0, 0
		for i, at := range times {
			for at.Sub(times[first]) > time.Second {
				first++
			}
			most = max(most, i-first+1)
		}
		if limit, known := limits[operation]; known && most > limit {
			over = append(over, key+": "+strconv.Itoa(most))
		}
	}
	return over
}
