package otlp

import (
	"math"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"weir/sync/trace"
)

// The field numbers of opentelemetry-proto's messages, as far as they are sent.
const (
	requestResourceSpans protowire.Number = 1

	resourceSpansResource   protowire.Number = 1
	resourceSpansScopeSpans protowire.Number = 2
	resourceAttributes      protowire.Number = 1

	scopeSpansScope protowire.Number = 1
	scopeSpansSpans protowire.Number = 2
	scopeName       protowire.Number = 1
	scopeVersion    protowire.Number = 2

	spanTraceID    protowire.Number = 1
	spanSpanID     protowire.Number = 2
	spanParentID   protowire.Number = 4
	spanName       protowire.Number = 5
	spanKind       protowire.Number = 6
	spanStart      protowire.Number = 7
	spanEnd        protowire.Number = 8
	spanAttributes protowire.Number = 9
	spanStatus     protowire.Number = 15

	statusMessage protowire.Number = 2
	statusCode    protowire.Number = 3

	pairKey     protowire.Number = 1
	pairValue   protowire.Number = 2
	valueText   protowire.Number = 1
	valueBool   protowire.Number = 2
	valueInt    protowire.Number = 3
	valueDouble protowire.Number = 4
)

// The values of its enumerations.
const (
	kindInternal = 1
	kindClient   = 3
	codeError    = 2
)

// encode writes spans as an ExportTraceServiceRequest; resource tells of the
// process.
func encode(resource []trace.Attr, version string, spans []trace.Ended) []byte {
	var scope []byte
	scope = text(scope, scopeName, "weir")
	scope = text(scope, scopeVersion, version)
	inner := message(nil, scopeSpansScope, scope)
	for i := range spans {
		inner = message(inner, scopeSpansSpans, span(&spans[i]))
	}
	var process []byte
	for _, a := range resource {
		process = message(process, resourceAttributes, pair(a))
	}
	outer := message(nil, resourceSpansResource, process)
	outer = message(outer, resourceSpansScopeSpans, inner)
	return message(nil, requestResourceSpans, outer)
}

func span(s *trace.Ended) []byte {
	out := message(nil, spanTraceID, s.ID.Trace[:])
	out = message(out, spanSpanID, s.ID.Span[:])
	if s.Parent != ([8]byte{}) {
		out = message(out, spanParentID, s.Parent[:])
	}
	out = text(out, spanName, s.Name)
	kind := uint64(kindInternal)
	if s.Remote {
		kind = kindClient
	}
	out = number(out, spanKind, kind)
	out = moment(out, spanStart, s.Began)
	out = moment(out, spanEnd, s.Ended)
	for _, a := range s.Attrs {
		out = message(out, spanAttributes, pair(a))
	}
	if s.Failed {
		status := text(nil, statusMessage, s.Why)
		out = message(out, spanStatus, number(status, statusCode, codeError))
	}
	return out
}

func pair(a trace.Attr) []byte {
	var value []byte
	switch v := a.Value.(type) {
	case string:
		value = text(nil, valueText, v)
	case bool:
		value = number(nil, valueBool, protowire.EncodeBool(v))
	case int64:
		value = number(nil, valueInt, uint64(v)) //nolint:gosec // as the wire has negative numbers
	case float64:
		value = protowire.AppendTag(nil, valueDouble, protowire.Fixed64Type)
		value = protowire.AppendFixed64(value, math.Float64bits(v))
	}
	return message(text(nil, pairKey, a.Key), pairValue, value)
}

func message(out []byte, field protowire.Number, body []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(out, field, protowire.BytesType), body)
}

// text writes a text; one that is no UTF-8 would have the whole request refused.
func text(out []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(out, field, protowire.BytesType), strings.ToValidUTF8(s, "?"))
}

func number(out []byte, field protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(out, field, protowire.VarintType), n)
}

func moment(out []byte, field protowire.Number, t time.Time) []byte {
	out = protowire.AppendTag(out, field, protowire.Fixed64Type)
	return protowire.AppendFixed64(out, uint64(t.UnixNano()))
}
