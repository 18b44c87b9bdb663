package call

import (
	"context"
	"testing"
)

func TestPriorityOf(t *testing.T) {
	none := context.Background()
	tests := map[string]struct {
		ctx  context.Context
		req  Request
		want Priority
	}{
		"a write":                             {none, Request{Write: true}, Routine},
		"an urgent write":                     {none, Request{Write: true, Priority: Urgent}, Urgent},
		"a read":                              {none, Request{}, Planning},
		"a person's write":                    {WithPriority(none, Person), Request{Write: true}, Person},
		"an urgent write of a person":         {WithPriority(none, Person), Request{Write: true, Priority: Urgent}, Urgent},
		"a read that is part of a change":     {WithPriority(none, Routine), Request{}, Routine},
		"a read that is part of a scrub":      {WithPriority(none, Scrub), Request{}, Scrub},
		"a scrub within what a person wanted": {WithPriority(WithPriority(none, Person), Scrub), Request{}, Scrub},
	}
	for name, tc := range tests {
		if got := PriorityOf(tc.ctx, &tc.req); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
