package emulator_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/emulator"
)

func (c *client) record(command string) got {
	return c.aliyun("RealTimeRecordCommand", "DomainName", "live.example.com", "AppName", "a", "StreamName", "s",
		"Command", command)
}

// recordings describes the recordings and files of a world in seconds since
// the bubble began.
func recordings(e *emulator.Emulator) string {
	at := func(t time.Time) int64 { return t.Unix() - time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix() }
	w := e.World()
	var all []string
	for _, r := range w.Recordings {
		all = append(all, fmt.Sprintf("%s since %d", r.State, at(r.Since)))
	}
	for _, f := range w.Files {
		all = append(all, fmt.Sprintf("file %d-%d by %s", at(f.Begin), at(f.End), f.Cause))
	}
	return strings.Join(all, ", ")
}

// A step waits, does something, and says what is to be seen then.
type recordStep struct {
	wait   time.Duration
	do     string // a command, "online", "offline" or nothing
	code   string
	status int
	want   string
}

func recordStories() map[string][]recordStep {
	const s = time.Second
	return map[string][]recordStep{
		"start, stop, file after the delay": {
			{0, "start", "", 200, "recording since 0"},
			{9 * s, "start", "TaskAlreadyStarted", 409, "recording since 0"},
			{s, "stop", "", 200, "stopped since 0"},
			{0, "stop", "MalformedParam", 400, "stopped since 0"},
			{179 * s, "", "", 0, "stopped since 0"},
			{s, "", "", 0, "file 0-10 by delay"},
			{0, "cancel_delay", "MalformedParam", 400, "file 0-10 by delay"},
			{0, "start", "", 200, "recording since 190, file 0-10 by delay"},
		},
		"cancel_delay makes the file at once": {
			{0, "start", "", 200, "recording since 0"},
			{s, "cancel_delay", "MalformedParam", 400, "recording since 0"},
			{9 * s, "stop", "", 200, "stopped since 0"},
			{20 * s, "cancel_delay", "", 200, "file 0-10 by cancel_delay"},
			{0, "restart", "MalformedParam", 400, "file 0-10 by cancel_delay"},
		},
		"cancel_delay after the stream went away": {
			{0, "start", "", 200, "recording since 0"},
			{s, "stop", "", 200, "stopped since 0"},
			{s, "offline", "", 0, "stopped since 0"},
			{0, "cancel_delay", "", 200, "file 0-1 by cancel_delay"},
		},
		"start within the delay goes on": {
			{0, "start", "", 200, "recording since 0"},
			{10 * s, "stop", "", 200, "stopped since 0"},
			{100 * s, "start", "", 200, "recording since 0"},
			{500 * s, "", "", 0, "recording since 0"},
		},
		"restart cuts a file": {
			{0, "restart", "MalformedParam", 400, ""},
			{0, "start", "", 200, "recording since 0"},
			{10 * s, "restart", "", 200, "recording since 10, file 0-10 by restart"},
			{10 * s, "stop", "", 200, "stopped since 10, file 0-10 by restart"},
			{10 * s, "restart", "", 200, "recording since 30, file 0-10 by restart, file 10-20 by restart"},
		},
		"an interrupted recording does not begin again": {
			{0, "start", "", 200, "recording since 0"},
			{10 * s, "offline", "", 0, "interrupted since 0"},
			{0, "stop", "StreamNotFound", 409, "interrupted since 0"},
			{0, "start", "StreamNotFound", 409, "interrupted since 0"},
			{0, "restart", "StreamNotFound", 409, "interrupted since 0"},
			{5 * s, "online", "", 0, "interrupted since 0"},
			{0, "stop", "MalformedParam", 400, "interrupted since 0"},
			{0, "restart", "MalformedParam", 400, "interrupted since 0"},
			{180 * s, "", "", 0, "file 0-10 by delay"},
			{0, "start", "", 200, "recording since 195, file 0-10 by delay"},
		},
		"not live": {
			{0, "offline", "", 0, ""},
			{0, "start", "StreamNotFound", 409, ""},
			{0, "stop", "StreamNotFound", 409, ""},
			{0, "cancel_delay", "StreamNotFound", 409, ""},
			{0, "restart", "StreamNotFound", 409, ""},
		},
		"blocked": {
			{0, "start", "", 200, "recording since 0"},
			{s, "forbid", "", 0, "interrupted since 0"},
			{0, "start", "StreamNotFound", 409, "interrupted since 0"},
		},
	}
}

func TestRecording(t *testing.T) {
	for name, story := range recordStories() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, c := start(func(w *emulator.World) {
					w.Streams = []emulator.Stream{onAir("push.example.com", "a", "s")}
				})
				for i, step := range story {
					time.Sleep(step.wait)
					playRecord(t, e, c, step)
					if got := recordings(e); got != step.want {
						t.Fatalf("step %d, %s: %q, want %q", i, step.do, got, step.want)
					}
				}
			})
		})
	}
}

func playRecord(t *testing.T, e *emulator.Emulator, c *client, step recordStep) {
	t.Helper()
	switch step.do {
	case "":
	case "online", "offline":
		s := emulator.Stream{Domain: "push.example.com", App: "a", Stream: "s", Online: step.do == "online"}
		if err := e.SetStreams(s); err != nil {
			t.Fatal(err)
		}
	case "forbid":
		c.forbid("push.example.com", "a", "s").ok(t)
	default:
		c.record(step.do).is(t, step.code, step.status)
	}
}

func TestPushingAgainInterruptsARecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, c := start(func(w *emulator.World) { w.Streams = []emulator.Stream{onAir("push.example.com", "a", "s")} })
		c.record("start").ok(t)
		time.Sleep(time.Minute)
		again := onAir("push.example.com", "a", "s")
		again.PublishTime = time.Now()
		if err := e.SetStreams(again); err != nil {
			t.Fatal(err)
		}
		if got := recordings(e); got != "interrupted since 0" {
			t.Errorf("got %q", got)
		}
	})
}

func TestRecordRefusals(t *testing.T) {
	no := false
	_, c := start(func(w *emulator.World) {
		w.Domains = []emulator.Domain{{Name: "plain.example.org", Type: "vhost", RecordConfig: &no}}
		w.Streams = []emulator.Stream{onAir("plain.example.org", "a", "s"), onAir("live.example.com", "a", "s")}
	})
	call := func(domain, app, stream, command string) got {
		return c.aliyun("RealTimeRecordCommand", "DomainName", domain, "AppName", app, "StreamName", stream,
			"Command", command)
	}
	call("live.example.com", "a", "s", "").is(t, "MissingParam", 400)
	call("", "a", "s", "start").is(t, "MissingParam", 400)
	call("live.example.com", "", "s", "start").is(t, "MissingParam", 400)
	call("live.example.com", "a", "", "start").is(t, "MissingParam", 400)
	call("live.example.com", "a", "s", "pause").is(t, "MalformedParam", 400)
	call("plain.example.org", "a", "s", "start").is(t, "CodeConfigNotFound", 400)
	call("push.example.com", "a", "s", "start").is(t, "InvalidDomain.NotFound", 404)
	call("live.example.com", "a", "s", "start").ok(t)
}
