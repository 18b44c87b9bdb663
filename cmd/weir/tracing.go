package main

import (
	"fmt"

	"weir/sync/config"
	"weir/sync/trace"
	"weir/sync/trace/otlp"
)

// tracer returns what traces passes, nil where nobody asks for that, and what ends
// it.
func (b *builder) tracer(cfg *config.Config) (t *trace.Tracer, end func() error, err error) {
	end = func() error { return nil }
	if cfg.Tracing == nil || b.spans == nil {
		return nil, end, nil
	}
	e, err := otlp.New(otlp.Options{
		URL: cfg.Tracing.URL, Headers: cfg.Tracing.Headers, CAFile: cfg.Tracing.CAFile,
		Version: version().Version, Logger: b.log, Metrics: b.spans,
	})
	if err != nil {
		return nil, end, fmt.Errorf("tracing.otlp: %w", err)
	}
	return trace.New(e, cfg.Tracing.SampleRatio), e.Close, nil
}
