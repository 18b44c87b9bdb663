package emulator_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"weir/sync/emulator"
)

// call makes a valid call of an operation.
func (c *client) call(operation string) got {
	const domain, live = "live.example.com", "live"
	switch operation {
	case "SetLiveDomainMultiStreamConfig":
		return c.aliyun(operation, "Domain", domain, "Switch", "on")
	case "DescribeLiveDomainMultiStreamConfig":
		return c.aliyun(operation, "Domain", domain)
	case "ForbidLiveStream", "ResumeLiveStream":
		return c.aliyun(operation, "DomainName", "push.example.com", "AppName", live, "StreamName", "s",
			"LiveStreamType", "publisher")
	case "DescribeLiveStreamsBlockList", "DescribeLiveStreamsOnlineList", "DescribeLiveDomainMapping":
		return c.aliyun(operation, "DomainName", domain)
	case "DescribeLiveStreamState":
		return c.aliyun(operation, "DomainName", domain, "AppName", live, "StreamName", "s")
	case "RealTimeRecordCommand":
		return c.aliyun(operation, "DomainName", domain, "AppName", live, "StreamName", "s", "Command", "restart")
	case "HotLiveRtcStream":
		return c.aliyun(operation, "DomainName", domain, "AppName", live, "StreamName", "s", "RegionCode", "BEJ",
			"AudioMsid", "a", "VideoMsid", "v")
	case "UpdateRelaySourceV3":
		return c.relay(operation, relay("v.example.com", live, group("a", server("1.example.net", "rtmp"))))
	case "DescribeLiveUserDomains":
		return c.aliyun(operation)
	case "ListDomainDetail":
		return c.relay(operation, `{"PageNum":1,"PageSize":1000}`)
	}
	return c.relay(operation, `{"Vhost":"v.example.com","App":"live"}`)
}

// documentedQuotas is what the vendors' pages say of each operation.
func documentedQuotas() map[string]emulator.Quota {
	second, minute := emulator.Duration(time.Second), emulator.Duration(time.Minute)
	quotas := map[string]emulator.Quota{
		"ForbidLiveStream": {Limit: 20, Per: second}, "ResumeLiveStream": {Limit: 30, Per: second},
		"DescribeLiveStreamsBlockList": {Limit: 50, Per: second}, "RealTimeRecordCommand": {Limit: 50, Per: second},
		"DescribeLiveStreamState": {Limit: 100, Per: second}, "DescribeLiveDomainMapping": {Limit: 500, Per: minute},
		"DescribeLiveStreamsOnlineList": {Limit: 10_000, Per: minute},
		"DescribeLiveUserDomains":       {Limit: 100, Per: second},
	}
	for _, ten := range []string{
		"SetLiveDomainMultiStreamConfig", "DescribeLiveDomainMultiStreamConfig", "HotLiveRtcStream",
		"UpdateRelaySourceV3", "DescribeRelaySourceV3", "DeleteRelaySourceV3", "ListDomainDetail",
	} {
		quotas[ten] = emulator.Quota{Limit: 10, Per: second}
	}
	return quotas
}

func isThrottle(code string) bool { return code == "Throttling.User" || code == "FlowLimitExceeded" }

// count calls an operation n times and counts those that were not throttled.
func (c *client) count(operation string, n int) int {
	passed := 0
	for range n {
		if !isThrottle(c.call(operation).code) {
			passed++
		}
	}
	return passed
}

func TestDocumentedQuotas(t *testing.T) {
	for operation, quota := range documentedQuotas() {
		t.Run(operation, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, c := start(nil)
				if got := c.count(operation, quota.Limit+3); got != quota.Limit {
					t.Errorf("%d calls at once pass, want %d", got, quota.Limit)
				}
				time.Sleep(time.Duration(quota.Per) - 1)
				if got := c.count(operation, 1); got != 0 {
					t.Error("a call passes before the window has")
				}
				time.Sleep(1)
				if got := c.count(operation, quota.Limit+3); got != quota.Limit {
					t.Errorf("%d calls pass in the next window, want %d", got, quota.Limit)
				}
			})
		})
	}
}

// TestQuotaAgainstCount holds the emulator against a count of every window of
// its own journal.
func TestQuotaAgainstCount(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		limit := rapid.IntRange(1, 6).Draw(r, "limit")
		gaps := rapid.SliceOfN(rapid.IntRange(0, 700), 1, 80).Draw(r, "milliseconds between calls")
		var problem string
		synctest.Test(t, func(*testing.T) {
			e, c := start(func(w *emulator.World) {
				w.Quotas = []emulator.Quota{{Operation: "DescribeLiveStreamState", Limit: limit}}
			})
			for _, gap := range gaps {
				time.Sleep(time.Duration(gap) * time.Millisecond)
				c.call("DescribeLiveStreamState")
			}
			problem = countWindows(e.Journal(), limit, time.Second)
		})
		if problem != "" {
			r.Fatal(problem)
		}
	})
}

// countWindows checks each call by counting: one that passed is the last of a
// window with at most limit calls, one that did not would have been one more.
func countWindows(calls []emulator.Call, limit int, per time.Duration) string {
	var passed []time.Time
	for i, one := range calls {
		inside := 0
		for _, at := range passed {
			if one.Time.Sub(at) < per {
				inside++
			}
		}
		if refused := isThrottle(one.Code); refused != (inside >= limit) {
			return fmt.Sprintf("call %d: %d accepted in its window of at most %d, refused: %t", i, inside, limit, refused)
		}
		if one.Code == "" {
			passed = append(passed, one.Time)
		}
	}
	return ""
}

func TestThrottledCallHasNoEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, c := start(nil)
		c.count("SetLiveDomainMultiStreamConfig", 10)
		g := c.aliyun("SetLiveDomainMultiStreamConfig", "Domain", "live.example.com", "Switch", "off")
		g.is(t, "Throttling.User", 400)
		want := "Limit:10,Remain:0,TimeLeft:1000,Reset:1000"
		if got := g.header.Get("x-ratelimit-user-api"); got != want {
			t.Errorf("hint %q, want %q", got, want)
		}
		if got := e.World().Domains[0].MultiStream; got != "on" {
			t.Errorf("the switch is %s after a throttled call", got)
		}
		c.count("UpdateRelaySourceV3", 10)
		g = c.call("UpdateRelaySourceV3").is(t, "FlowLimitExceeded", 429)
		if !strings.Contains(g.body, `"CodeN":100018`) {
			t.Errorf("no CodeN in %s", g.body)
		}
		journal := e.Journal()
		last := journal[len(journal)-1]
		if last.Code != "FlowLimitExceeded" || last.Status != 429 {
			t.Errorf("journal has code %q, status %d", last.Code, last.Status)
		}
	})
}

func TestQuotaBelongsToAccountAndOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := start(func(w *emulator.World) {
			for _, key := range []string{"a1", "a2", "b1"} {
				w.Credentials = append(w.Credentials, emulator.Credential{
					Cloud: emulator.Aliyun, AccessKeyID: key, AccessKeySecret: "s", Account: key[:1],
				})
			}
		})
		by := func(key string) *client {
			c := newClient(e)
			c.key, c.secret = key, "s"
			c.nonce.Store(int64(key[0])*1000 + int64(key[1])*100_000)
			return c
		}
		a1, a2, b1 := by("a1"), by("a2"), by("b1")
		passed := []int{
			a1.count("HotLiveRtcStream", 6), a2.count("HotLiveRtcStream", 6), a1.count("HotLiveRtcStream", 1),
			b1.count("HotLiveRtcStream", 12), a2.count("SetLiveDomainMultiStreamConfig", 12),
		}
		if want := []int{6, 4, 0, 10, 10}; !slices.Equal(passed, want) {
			t.Errorf("passed %v, want %v", passed, want)
		}
		accounts := map[string]int{}
		for _, one := range e.Journal() {
			accounts[one.Account]++
		}
		if accounts["a"] != 25 || accounts["b"] != 12 {
			t.Errorf("journal by account: %v", accounts)
		}
	})
}

func TestQuotaOverrides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, c := start(func(w *emulator.World) {
			w.Quotas = []emulator.Quota{
				{Operation: "HotLiveRtcStream", Limit: 3},
				{Operation: "HotLiveRtcStream", Limit: 5, Per: emulator.Duration(time.Minute)},
				{Operation: "DescribeRelaySourceV3", Limit: 0},
			}
		})
		got := []int{c.count("HotLiveRtcStream", 9)}
		time.Sleep(time.Second)
		got = append(got, c.count("HotLiveRtcStream", 9))
		time.Sleep(58 * time.Second)
		got = append(got, c.count("HotLiveRtcStream", 9))
		time.Sleep(time.Second)
		got = append(got, c.count("HotLiveRtcStream", 9), c.count("DescribeRelaySourceV3", 200))
		if want := []int{3, 2, 0, 3, 200}; !slices.Equal(got, want) {
			t.Errorf("passed %v, want %v", got, want)
		}
		if err := e.SetQuotas(emulator.Quota{Operation: "HotLiveRtcStream", Limit: -1}); err == nil {
			t.Error("a limit of -1 is taken")
		}
		if err := e.SetQuotas(); err != nil {
			t.Fatal(err)
		}
		if got := c.count("DescribeRelaySourceV3", 20); got != 10 {
			t.Errorf("%d calls pass with the documented quota back in force, want 10", got)
		}
	})
}
