// Package otlptest takes traces as a collector does, with OpenTelemetry's own
// types, for tests of what is sent.
package otlptest

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	resource "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	v1 "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Receiver is a collector on this machine, until Close.
type Receiver struct {
	*httptest.Server

	mu       sync.Mutex // guards what follows
	answers  []int      // the next ones; 200 when they are used up
	requests []*collector.ExportTraceServiceRequest
	heads    []*http.Request
	faults   []error
}

// New returns a receiver that answers with those statuses first, and keeps what
// it answers with 200.
func New(answers ...int) *Receiver {
	r := &Receiver{answers: answers}
	r.Server = httptest.NewServer(r)
	return r
}

// ServeHTTP takes one request.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	got, err := read(req)
	r.mu.Lock()
	defer r.mu.Unlock()
	code := http.StatusOK
	if len(r.answers) > 0 {
		code, r.answers = r.answers[0], r.answers[1:]
	}
	switch {
	case err != nil:
		r.faults = append(r.faults, err)
		code = http.StatusBadRequest
	case code == http.StatusOK:
		r.requests, r.heads = append(r.requests, got), append(r.heads, req)
	}
	w.WriteHeader(code)
}

func read(req *http.Request) (*collector.ExportTraceServiceRequest, error) {
	unzipped, err := gzip.NewReader(req.Body)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(unzipped)
	if err != nil {
		return nil, err
	}
	got := &collector.ExportTraceServiceRequest{}
	if err := proto.Unmarshal(body, got); err != nil {
		return nil, err
	}
	if len(got.ProtoReflect().GetUnknown()) > 0 {
		return nil, errors.New("fields that OpenTelemetry does not know")
	}
	return got, nil
}

// Requests returns what was taken: how each came, and the spans of all.
func (r *Receiver) Requests() (heads []*http.Request, spans []*v1.Span, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, req := range r.requests {
		for _, rs := range req.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				spans = append(spans, ss.GetSpans()...)
			}
		}
	}
	return r.heads, spans, errors.Join(r.faults...)
}

// Process returns what the first request says of the process, nil where there was
// none.
func (r *Receiver) Process() *resource.Resource {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.requests) == 0 {
		return nil
	}
	return r.requests[0].GetResourceSpans()[0].GetResource()
}

// Lines writes each span as its names from the root down, how it ended and its
// attributes: "pass/apply/SetX error=throttled weir.account=ali". A span whose
// parent was not taken has "?" in its place.
func Lines(spans []*v1.Span) []string {
	byID := map[string]*v1.Span{}
	for _, s := range spans {
		byID[string(s.GetTraceId())+string(s.GetSpanId())] = s
	}
	out := make([]string, 0, len(spans))
	for _, s := range spans {
		path := s.GetName()
		for at := s; len(at.GetParentSpanId()) > 0; {
			parent, there := byID[string(at.GetTraceId())+string(at.GetParentSpanId())]
			if !there {
				path = "?/" + path
				break
			}
			path, at = parent.GetName()+"/"+path, parent
		}
		line := []string{path}
		if s.GetStatus().GetCode() == v1.Status_STATUS_CODE_ERROR {
			line = append(line, "error="+s.GetStatus().GetMessage())
		}
		for _, a := range s.GetAttributes() {
			value := a.GetValue().ProtoReflect()
			field := value.WhichOneof(value.Descriptor().Oneofs().Get(0))
			line = append(line, a.GetKey()+"="+fmt.Sprint(value.Get(field).Interface()))
		}
		out = append(out, strings.Join(line, " "))
	}
	return out
}
