package call_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
)

func TestLimiter_ThousandsOfWaitersAreCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := limitedBy(t, &script{}, 1, call.Window{Limit: 1, Per: time.Hour})
		c.Call(t.Context(), request())
		ctx, cancel := context.WithCancel(t.Context())
		const waiters = 5000 // the race detector allows 8,128 goroutines
		before := runtime.NumGoroutine()
		var wg sync.WaitGroup
		for range waiters {
			wg.Go(func() { c.Call(ctx, request()) })
		}
		synctest.Wait()
		if more := runtime.NumGoroutine() - before - waiters; more > 0 {
			t.Errorf("the limiter itself started %d goroutines", more)
		}
		start := time.Now()
		cancel()
		wg.Wait()
		if time.Since(start) != 0 {
			t.Errorf("giving up took %v", time.Since(start))
		}
	})
}

func BenchmarkLimiter_Free(b *testing.B) {
	l, err := call.NewLimiter(call.LimiterOptions{
		Limits: map[string][]call.Window{"Op": {{Limit: math.MaxInt32, Per: time.Microsecond}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	client := call.Func(func(context.Context, *call.Request) (*call.Response, error) {
		return &call.Response{RTT: time.Millisecond}, nil
	})
	c := call.Limit(client, call.Limiters{"a": l}, nil)
	req := request()
	b.ReportAllocs()
	for b.Loop() {
		c.Call(b.Context(), req)
	}
}

func BenchmarkLimiter_Waiters(b *testing.B) {
	for _, waiters := range []int{1000, 10000} {
		b.Run(fmt.Sprint(waiters), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c, _ := limitedBy(b, &script{}, 1, call.Window{Limit: 1, Per: time.Hour})
				c.Call(b.Context(), request())
				ctx, cancel := context.WithCancel(b.Context())
				time.AfterFunc(20*time.Millisecond, cancel)
				all(ctx, c, waiters, "Op")
				cancel()
			}
		})
	}
}
