package emulator_test

import (
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/emulator"
)

// TestLag looks at every read that the lag concerns, before and after it.
func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, c := start(func(w *emulator.World) {
			w.Settings.Lag = emulator.Duration(10 * time.Second)
			w.Streams = []emulator.Stream{onAir("push.example.com", "a", "was")}
			w.RelaySources = []emulator.RelaySource{{Vhost: "v.example.com", App: "was", Groups: []emulator.RelayGroup{
				{Name: "a", Servers: []emulator.RelayServer{{Address: "1.example.net", Protocol: "rtmp"}}},
			}}}
		})
		was := relay("v.example.com", "was", group("a", server("1.example.net", "rtmp")))
		is := relay("v.example.com", "live", group("a", server("1.example.net", "rtmp")))
		see := func(multi, blocked, online, state, relays string) {
			t.Helper()
			if got := c.call("DescribeLiveDomainMultiStreamConfig").ok(t).without(t); got != `{"Switch":"`+multi+`"}` {
				t.Errorf("multi stream %s, want %s", got, multi)
			}
			c.listIs(t, blocked)
			if got := onlineNames(c.call("DescribeLiveStreamsOnlineList")); got != online {
				t.Errorf("online %q, want %q", got, online)
			}
			if got := c.stateOf(t, "live.example.com", "a", "was"); got != `{"StreamState":"`+state+`","Type":"push"}` {
				t.Errorf("state %s, want %s", got, state)
			}
			if got := listed(t, c.relay("DescribeRelaySourceV3", `{"Vhost":"v.example.com"}`)); got != relays {
				t.Errorf("relays %s, want %s", got, relays)
			}
		}
		see("off", "", "a/was", "online", was) // what a world begins with has no lag
		c.call("SetLiveDomainMultiStreamConfig").ok(t)
		c.call("UpdateRelaySourceV3").ok(t)
		c.relay("DeleteRelaySourceV3", `{"Vhost":"v.example.com","App":"was"}`).ok(t)
		c.forbid("push.example.com", "a", "was").ok(t)
		if err := e.SetStreams(onAir("push.example.com", "a", "new")); err != nil {
			t.Fatal(err)
		}
		see("off", "", "a/was", "online", was)
		time.Sleep(10*time.Second - 1)
		see("off", "", "a/was", "online", was)
		time.Sleep(1)
		see("on", "live.example.com/a/was", "a/new", "offline", is)
	})
}

// TestLagDoesNotDelayEffects: acts see the present.
func TestLagDoesNotDelayEffects(t *testing.T) {
	_, c := start(func(w *emulator.World) {
		w.Settings.Lag = emulator.Duration(time.Minute)
		w.Streams = []emulator.Stream{onAir("push.example.com", "a", "s")}
	})
	c.record("start").ok(t)
	c.forbid("push.example.com", "a", "s").ok(t)
	c.record("start").is(t, "StreamNotFound", 409)
	c.call("UpdateRelaySourceV3").ok(t)
	c.relay("DeleteRelaySourceV3", `{"Vhost":"v.example.com","App":"live"}`).ok(t)
	c.relay("DeleteRelaySourceV3", `{"Vhost":"v.example.com","App":"live"}`).is(t, "ResourceNotFound", 404)
}
