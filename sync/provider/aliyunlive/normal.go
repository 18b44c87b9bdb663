package aliyunlive

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/sync/resource"
)

// parse reads a declared spec. A field that the kind does not have is refused
// here too, not only by its schema: dropped silently it would not come true.
func parse(spec resource.Spec, into any) error {
	if spec == "" {
		return errors.New("there is no spec")
	}
	dec := json.NewDecoder(strings.NewReader(string(spec)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("decode spec: %w", err)
	}
	return nil
}

// identify checks the parts of an identity. Domains do not tell letter case
// apart, apps and streams do.
func identify(domain *string, others ...string) error {
	*domain = strings.ToLower(*domain)
	if *domain == "" || slices.Contains(others, "") {
		return errors.New("domain, app or stream is missing")
	}
	return nil
}

func normalMultiStream(spec resource.Spec) (resource.Spec, error) {
	var s multiStream
	if err := parse(spec, &s); err != nil {
		return "", err
	}
	if err := identify(&s.Domain); err != nil {
		return "", err
	}
	return resource.NewSpec(s)
}

func normalIngest(spec resource.Spec) (resource.Spec, error) {
	var s ingest
	if err := parse(spec, &s); err != nil {
		return "", err
	}
	if err := identify(&s.Domain, s.App, s.Stream); err != nil {
		return "", err
	}
	switch {
	case s.App == "*" && !s.Allowed:
		return "", errors.New(`app "*" needs allowed: true`)
	case s.Until != "" && s.Allowed:
		return "", errors.New("until needs allowed: false")
	}
	var err error
	if s.Until, err = normalTime(s.Until); err != nil {
		return "", fmt.Errorf("until: %w", err)
	}
	return resource.NewSpec(s)
}

// normalTime writes a time as the API does: in UTC, to the second.
func normalTime(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return "", err
	}
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return "", fmt.Errorf("%s is in the year %d", s, t.Year())
	}
	return t.Format(timestampLayout), nil
}

func normalRecording(spec resource.Spec) (resource.Spec, error) {
	var s recording
	if err := parse(spec, &s); err != nil {
		return "", err
	}
	if err := identify(&s.Domain, s.App, s.Stream); err != nil {
		return "", err
	}
	if s.Finish == "" && s.State == stateStopped { // elsewhere it says nothing
		s.Finish = finishDelayed
	}
	return resource.NewSpec(s)
}

func normalPrefetch(spec resource.Spec) (resource.Spec, error) {
	var s prefetch
	if err := parse(spec, &s); err != nil {
		return "", err
	}
	if err := identify(&s.Domain, s.App, s.Stream); err != nil {
		return "", err
	}
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
