package aliyunlive

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/sync/resource"
)

func normalMultiStream(spec resource.Spec) (resource.Spec, error) {
	var s multiStream
	if err := spec.Decode(&s); err != nil {
		return "", err
	}
	s.Domain = strings.ToLower(s.Domain)
	return resource.NewSpec(s)
}

func normalIngest(spec resource.Spec) (resource.Spec, error) {
	var s ingest
	if err := spec.Decode(&s); err != nil {
		return "", err
	}
	s.Domain = strings.ToLower(s.Domain)
	switch {
	case s.App == "*" && !s.Allowed:
		return "", fmt.Errorf(`app "*" needs allowed: true`)
	case s.Until != "" && s.Allowed:
		return "", fmt.Errorf("until needs allowed: false")
	case s.Until != "":
		until, err := time.Parse(time.RFC3339, s.Until)
		if err != nil {
			return "", fmt.Errorf("until: %w", err)
		}
		s.Until = until.UTC().Format(timestampLayout)
	}
	return resource.NewSpec(s)
}

func normalRecording(spec resource.Spec) (resource.Spec, error) {
	var s recording
	if err := spec.Decode(&s); err != nil {
		return "", err
	}
	s.Domain = strings.ToLower(s.Domain)
	if s.Finish == "" {
		s.Finish = finishDelayed
	}
	return resource.NewSpec(s)
}

func normalPrefetch(spec resource.Spec) (resource.Spec, error) {
	var s prefetch
	if err := spec.Decode(&s); err != nil {
		return "", err
	}
	s.Domain = strings.ToLower(s.Domain)
	slices.Sort(s.Regions)
	s.Regions = slices.Compact(s.Regions)
	var err error
	if s.ConnectionTimeout, err = normalDuration(s.ConnectionTimeout); err != nil {
		return "", fmt.Errorf("connectionTimeout: %w", err)
	}
	if s.MediaTimeout, err = normalDuration(s.MediaTimeout); err != nil {
		return "", fmt.Errorf("mediaTimeout: %w", err)
	}
	return resource.NewSpec(s)
}

// normalDuration writes a duration in one way: "90s" and "1m30s" are "1m30s",
// "60m" is "1h", none is "0s".
func normalDuration(s string) (string, error) {
	if s == "" {
		return "0s", nil
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return "", err
	case d < 0 || d%time.Millisecond != 0:
		return "", fmt.Errorf("%s is not a count of whole milliseconds", s)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text, nil
}

// duration reads a duration in normal form; a foreign text is none.
func duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0
	}
	return d
}
