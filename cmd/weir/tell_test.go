package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weir/sync/commitstatus"
	"weir/sync/config"
	"weir/sync/notify"
	"weir/sync/plan"
	"weir/sync/reconcile"
	"weir/sync/resource"
	"weir/sync/secret"
)

// TestFailure_A33_FightIsTold: the event names both times and the command, and
// no value of a field.
func TestFailure_A33_FightIsTold(t *testing.T) {
	got := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		got <- string(body)
	}))
	defer server.Close()
	t.Setenv("EVENT_KEY", "a-key-of-the-test")
	metrics, err := notify.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	b := &builder{log: slog.New(slog.DiscardHandler), events: metrics}
	tell, end, err := b.teller(&config.Config{Notify: &config.Notify{Receivers: []config.Receiver{{
		Name: "notify", Webhook: &config.Robot{URL: server.URL, Secret: secret.Ref{Env: "EVENT_KEY"}},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	tell.desk.Fight(reconcile.Fight{
		Subject: reconcile.Subject{
			ID:     resource.ID{Account: "volc", Kind: "RelaySource", Key: "push.example.com/live"},
			Origin: resource.Origin{Source: "live", File: "relay.yaml", Line: 3},
		},
		Fields: []resource.Field{{Path: "groups[0].servers[0].params.token", Before: "canary-1", After: "canary-2"}},
		Fight:  plan.Fight{Times: 3, PutBack: at, Found: at.Add(time.Minute)},
	})
	if err := end(); err != nil {
		t.Fatal(err)
	}
	body := <-got
	for _, text := range []string{
		`"type":"weir.resource.fight"`, `"subject":"volc/RelaySource/push.example.com/live"`, `"times":3`,
		`"putBack":"2026-11-25T12:00:00Z"`, `"found":"2026-11-25T12:01:00Z"`, `"file":"relay.yaml"`,
		`"fields":["groups[0].servers[0].params.token"]`, `"settle":"weir settle volc/RelaySource/push.example.com/live again"`,
	} {
		if !strings.Contains(body, text) {
			t.Errorf("%s lacks %s", body, text)
		}
	}
	if strings.Contains(body, "canary") {
		t.Errorf("a value is told: %s", body)
	}
}

// TestNobodyIsTold: without a receiver, and in a dry run.
func TestNobodyIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		b   builder
		cfg config.Config
	}{
		"no receiver": {builder{}, config.Config{}},
		"dry run":     {builder{dryRun: true}, config.Config{Notify: &config.Notify{}}},
	} {
		tell, end, err := c.b.teller(&c.cfg)
		if err != nil || tell.desk != nil || tell.watch() != nil || end() != nil {
			t.Errorf("%s: %+v, %v", name, tell, err)
		}
	}
}

// TestACommandTellsOfWhatItAppliesAlone: the daemon beside it tells the rest.
func TestACommandTellsOfWhatItAppliesAlone(t *testing.T) {
	tell, end, err := (&builder{}).teller(&config.Config{Notify: &config.Notify{}})
	if err != nil {
		t.Fatal(err)
	}
	var opts reconcile.Options
	tell.into(&opts)
	if opts.News.Made == nil || opts.News.Failing != nil || opts.Held != nil || opts.Verdict != nil || tell.watch() != nil {
		t.Errorf("%+v", opts)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// TestHeldCommitNamesItsPlan: what a git host shows of a held commit has the hash
// that consent is given to.
func TestHeldCommitNamesItsPlan(t *testing.T) {
	s := statusOf(reconcile.Verdict{
		Revision: strings.Repeat("a", 40), Outcome: reconcile.Stopped, By: "removals", Plan: "0123456789abcdef0123456789abcdef",
		Text: "7 removals, policy.maxRemovals is 5", Summary: plan.Summary{Delete: 7},
	})
	want := "held [removals 0123456789abcdef0123456789abcdef]: 7 removals, policy.maxRemovals is 5 (7 to remove)"
	if s.Text != want || s.State != commitstatus.Held || len(s.Text) > 140 {
		t.Errorf("%s %q, want %q", s.State, s.Text, want)
	}
}
