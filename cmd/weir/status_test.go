package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"weir/sync/reconcile"
)

// TestStatusHeadline: the first line does not reassure about what is not known.
func TestStatusHeadline(t *testing.T) {
	unread := []reconcile.Unread{{ID: "ali/MultiStream/live.example.com", Why: "InvalidAccessKeyId"}}
	tests := map[string]struct {
		status reconcile.Status
		want   string
	}{
		"ready":      {reconcile.Status{Ready: true}, "is ready; mode"},
		"not ready":  {reconcile.Status{}, "is not ready; mode"},
		"unreadable": {reconcile.Status{Ready: true, Unread: unread}, "is ready, but knows nothing of 1 resource; mode"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			printStatus(&b, statusAnswer{Version: "v1", Status: tc.status}, style{})
			if line, _, _ := strings.Cut(b.String(), "\n"); !strings.Contains(line, tc.want) {
				t.Errorf("headline %q, want %q", line, tc.want)
			}
		})
	}
}

// TestStatusOfTheScrub: what an operator asks about the search for drift.
func TestStatusOfTheScrub(t *testing.T) {
	var b bytes.Buffer
	printStatus(&b, statusAnswer{Status: reconcile.Status{Scrub: []reconcile.ScrubStatus{
		{Account: "ali", Oldest: time.Now().Add(-90 * time.Second), Share: 0.2, Used: 0.1234, Cycle: 3700},
	}}}, style{})
	want := "ali: oldest observation 1m30s ago; looking for drift took 12.3% of a read quota (20% at most), all once in 1h1m40s\n"
	if !strings.Contains(b.String(), want) {
		t.Errorf("status %q, want %q", b.String(), want)
	}
}

// TestStatusOfTheLastLongPlan: how good the daemon's forecasts are.
func TestStatusOfTheLastLongPlan(t *testing.T) {
	last := reconcile.ApplyStatus{
		Ended: time.Now().Add(-time.Minute), Changes: 200, Seconds: 24, Predicted: &reconcile.Prediction{Seconds: 23.2, Ratio: 1.034},
	}
	for ratio, want := range map[float64]string{
		1.034: "last long plan 1m0s ago: 200 changes in 24s, 23s were foreseen (+3 %)\n",
		0:     "last long plan 1m0s ago: 200 changes in 24s, 23s were foreseen\n",
	} {
		last.Predicted.Ratio = ratio
		var b bytes.Buffer
		printStatus(&b, statusAnswer{Status: reconcile.Status{LastApply: &last}}, style{})
		if !strings.Contains(b.String(), want) {
			t.Errorf("status %q, want %q", b.String(), want)
		}
	}
}
