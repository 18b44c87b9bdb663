// Package trace tells what a pass did, as a tree of spans in OpenTelemetry's
// model: what it was, from when to when, below which other, and how it ended.
// Where nobody asked for traces a span is nil, every method of it does nothing,
// and neither Begin nor those allocate.
package trace

import (
	"context"
	"crypto/rand"
	mathrand "math/rand/v2"
	"sync"
	"time"
)

// Sink takes spans that have ended. Record must not block, and may be called
// from several goroutines.
type Sink interface{ Record(Ended) }

// Tracer begins traces. A nil Tracer begins none.
type Tracer struct {
	sink   Sink
	ratio  float64
	random func() float64
}

// New returns what begins traces that go to sink; ratio is the part of them that
// does, the others are not even made.
func New(sink Sink, ratio float64) *Tracer { return &Tracer{sink, ratio, mathrand.Float64} }

// ID names a trace, a span, or both.
type ID struct {
	Trace [16]byte
	Span  [8]byte
}

// Attr is something that is told of a span. Value is a string, int64, float64 or
// bool.
type Attr struct {
	Key   string
	Value any
}

// Ended is a span that has ended.
type Ended struct {
	ID     ID
	Parent [8]byte // zero for the root
	Name   string
	Remote bool // asks another process
	Began  time.Time
	Ended  time.Time
	Attrs  []Attr
	Failed bool
	Why    string // what failed, where it did
}

// Span is something under way. A nil Span is one that nobody wants to know of.
type Span struct {
	sink Sink

	mu   sync.Mutex // guards what follows
	data Ended
}

type spanKey struct{}

// unwanted stands in a context below which nothing is traced.
type unwanted struct{}

// Begin begins a span below the one of ctx, or, where there is none, a trace.
func (t *Tracer) Begin(ctx context.Context, name string) (context.Context, *Span) {
	if t == nil || ctx.Value(spanKey{}) != nil {
		return Begin(ctx, name)
	}
	if t.random() >= t.ratio {
		return context.WithValue(ctx, spanKey{}, unwanted{}), nil
	}
	var id ID
	_, _ = rand.Read(id.Trace[:]) // never fails
	return begin(ctx, t.sink, Ended{ID: id, Name: name})
}

// Begin begins a span below the one of ctx, nil where there is none.
func Begin(ctx context.Context, name string) (context.Context, *Span) {
	parent, ok := ctx.Value(spanKey{}).(*Span)
	if !ok {
		return ctx, nil
	}
	return begin(ctx, parent.sink, parent.below(name))
}

func begin(ctx context.Context, sink Sink, data Ended) (context.Context, *Span) {
	_, _ = rand.Read(data.ID.Span[:])
	data.Began = time.Now()
	s := &Span{sink: sink, data: data}
	return context.WithValue(ctx, spanKey{}, s), s
}

// below returns what a span below s begins with.
func (s *Span) below(name string) Ended {
	return Ended{ID: ID{Trace: s.data.ID.Trace}, Parent: s.data.ID.Span, Name: name}
}

// Past records a span below the one of ctx that began and ended before anybody
// could know what it was a part of.
func Past(ctx context.Context, name string, began, ended time.Time, attrs ...Attr) {
	parent, ok := ctx.Value(spanKey{}).(*Span)
	if !ok || began.IsZero() {
		return
	}
	data := parent.below(name)
	_, _ = rand.Read(data.ID.Span[:])
	data.Began, data.Ended, data.Attrs = began, ended, attrs
	parent.sink.Record(data)
}

// Remote says that a span asks another process.
func (s *Span) Remote() {
	if s != nil {
		s.data.Remote = true
	}
}

// Text tells a text of a span; an empty one says nothing.
func (s *Span) Text(key, value string) {
	if s != nil && value != "" {
		s.add(Attr{key, value})
	}
}

// Number tells a number of a span.
func (s *Span) Number(key string, value int) {
	if s != nil {
		s.add(Attr{key, int64(value)})
	}
}

// Seconds tells a duration of a span.
func (s *Span) Seconds(key string, value time.Duration) {
	if s != nil {
		s.add(Attr{key, value.Seconds()})
	}
}

// Flag tells whether something is so.
func (s *Span) Flag(key string, value bool) {
	if s != nil {
		s.add(Attr{key, value})
	}
}

func (s *Span) add(a Attr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data.Attrs = append(s.data.Attrs, a)
}

// Fail says that what the span is about has failed, and why.
func (s *Span) Fail(why string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data.Failed, s.data.Why = true, why
}

// End ends a span, with what it failed with, nil where it did not. Nothing may
// be told of it after that.
func (s *Span) End(err error) {
	if s == nil {
		return
	}
	if err != nil {
		s.Fail(err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data.Ended = time.Now()
	s.sink.Record(s.data)
}
