package call

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestLingerWrite(t *testing.T) {
	tests := map[string]struct {
		write bool
		takes time.Duration
		want  error
	}{
		"a write ends by itself":         {true, 3 * time.Second, nil},
		"a write that hangs is given up": {true, time.Minute, context.Canceled},
		"a read ends at once":            {false, 3 * time.Second, context.Canceled},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := Func(func(ctx context.Context, _ *Request) (*Response, error) {
					select {
					case <-time.After(tc.takes):
						return &Response{}, nil
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				})
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				if _, err := Linger(client, 8*time.Second).Call(ctx, &Request{Write: tc.write}); err != tc.want {
					t.Fatalf("error %v, want %v", err, tc.want)
				}
			})
		})
	}
}
