package trace

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// kept is a sink that keeps what it is given.
type kept struct {
	mu    sync.Mutex
	spans []Ended
}

func (k *kept) Record(e Ended) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.spans = append(k.spans, e)
}

func TestTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kept{}
		began := time.Now()
		ctx, root := New(k, 1).Begin(t.Context(), "pass")
		time.Sleep(time.Second)
		Past(ctx, "fetch", began.Add(-time.Minute), began.Add(-time.Second), Attr{"source", "live"})
		inner, child := Begin(ctx, "observe")
		child.Text("account", "ali")
		child.Text("empty", "")
		_, call := Begin(inner, "DescribeX")
		call.Remote()
		call.Number("attempts", 3)
		call.Flag("write", true)
		call.Seconds("rtt", 1500*time.Millisecond)
		time.Sleep(time.Second)
		call.Fail("throttled")
		call.End(nil)
		child.End(errors.New("one of them failed"))
		root.End(nil)
		if len(k.spans) != 4 {
			t.Fatalf("%d spans", len(k.spans))
		}
		fetch, x, observe, pass := k.spans[0], k.spans[1], k.spans[2], k.spans[3]
		for _, s := range k.spans {
			if s.ID.Trace != pass.ID.Trace || s.ID.Trace == [16]byte{} || s.ID.Span == [8]byte{} {
				t.Errorf("%s is of another trace, or has no name: %v", s.Name, s.ID)
			}
		}
		if pass.Parent != [8]byte{} || fetch.Parent != pass.ID.Span || observe.Parent != pass.ID.Span || x.Parent != observe.ID.Span {
			t.Errorf("parents %v", k.spans)
		}
		if fetch.Ended.Sub(fetch.Began) != 59*time.Second || x.Ended.Sub(x.Began) != time.Second || pass.Ended.Sub(pass.Began) != 2*time.Second {
			t.Errorf("times %v", k.spans)
		}
		if !x.Failed || x.Why != "throttled" || !x.Remote || !observe.Failed || observe.Why != "one of them failed" || pass.Failed {
			t.Errorf("ends %v", k.spans)
		}
		if !slices.Equal(x.Attrs, []Attr{{"attempts", int64(3)}, {"write", true}, {"rtt", 1.5}}) || len(observe.Attrs) != 1 {
			t.Errorf("attributes %v, %v", x.Attrs, observe.Attrs)
		}
	})
}

// TestUnwanted: of a trace that is left out nothing is told, however deep.
func TestUnwanted(t *testing.T) {
	k := &kept{}
	tr := New(k, 0.5)
	numbers := []float64{0.4, 0.6}
	tr.random = func() float64 { n := numbers[0]; numbers = numbers[1:]; return n }
	for _, name := range []string{"in", "out"} {
		ctx, root := tr.Begin(t.Context(), name)
		ctx, child := tr.Begin(ctx, name+" child")
		Past(ctx, name+" past", time.Now(), time.Now())
		_, last := Begin(ctx, name+" last")
		last.End(nil)
		child.End(nil)
		root.End(nil)
	}
	var names []string
	for _, s := range k.spans {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"in past", "in last", "in child", "in"}) {
		t.Errorf("told of %q", names)
	}
}

// TestOffCostsNothing: without a tracer no span and no context is made.
func TestOffCostsNothing(t *testing.T) {
	ctx := context.WithValue(t.Context(), "somebody else's", 1) //nolint:revive,staticcheck // a context as others make it
	var off *Tracer
	n := testing.AllocsPerRun(100, func() {
		inner, root := off.Begin(ctx, "pass")
		inner, span := Begin(inner, "observe")
		span.Remote()
		span.Text("account", "ali")
		span.Number("resources", 1000)
		span.Seconds("rtt", time.Second)
		span.Flag("write", true)
		span.Fail("nothing")
		Past(inner, "fetch", time.Time{}, time.Time{})
		span.End(nil)
		root.End(nil)
		if inner != ctx {
			t.Error("another context")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSpan(b *testing.B) {
	var off *Tracer
	for name, tr := range map[string]*Tracer{"off": off, "on": New(discard{}, 1)} {
		b.Run(name, func(b *testing.B) {
			ctx, root := tr.Begin(b.Context(), "pass")
			defer root.End(nil)
			b.ReportAllocs()
			for b.Loop() {
				_, span := Begin(ctx, "DescribeX")
				span.Text("account", "ali")
				span.Number("attempts", 1)
				span.End(nil)
			}
		})
	}
}

type discard struct{}

func (discard) Record(Ended) {}
