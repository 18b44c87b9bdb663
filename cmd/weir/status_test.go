package main

import (
	"bytes"
	"strings"
	"testing"

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
			printStatus(&b, statusAnswer{Version: "v1", Status: tc.status}, false)
			if line, _, _ := strings.Cut(b.String(), "\n"); !strings.Contains(line, tc.want) {
				t.Errorf("headline %q, want %q", line, tc.want)
			}
		})
	}
}
