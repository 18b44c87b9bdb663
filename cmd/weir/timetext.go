package main

import (
	"fmt"
	"strings"
	"time"
)

// since says how long ago something was.
func since(t time.Time) string { return ago(time.Now(), t) }

// ago says how long before now something was.
func ago(now, at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return spanText(now.Sub(at)) + " ago"
}

// in says how long after now something is.
func in(now, at time.Time) string {
	if !at.After(now) {
		return "now"
	}
	return "in " + spanText(at.Sub(now))
}

// spanText writes a time as precisely as it matters.
func spanText(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
