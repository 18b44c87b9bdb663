package config

import "weir/sync/secret"

// Tracing says where traces of passes go.
type Tracing struct {
	URL         string     // of an OpenTelemetry collector that takes OTLP over HTTP
	Headers     secret.Ref // lines that are sent along
	CAFile      string
	SampleRatio float64 // part of the passes, above 0 and at most 1
}

// fileTracing is tracing: as written.
type fileTracing struct {
	OTLP struct {
		URL         string `json:"url"`
		HeadersFile string `json:"headersFile"`
		CAFile      string `json:"caFile"`
	} `json:"otlp"`
	SampleRatio *float64 `json:"sampleRatio"`
}

func (t *fileTracing) tracing(at beside) *Tracing {
	if t == nil {
		return nil
	}
	out := &Tracing{
		URL: t.OTLP.URL, Headers: secret.Ref{File: at.path(t.OTLP.HeadersFile)}, CAFile: at.path(t.OTLP.CAFile), SampleRatio: 1,
	}
	if t.SampleRatio != nil {
		out.SampleRatio = *t.SampleRatio
	}
	return out
}
