package volcenginelive

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

// paging is a cloud with pulled and pushed streams, which are asked for by page.
type paging struct {
	streams []liveStream
	blind   bool // to SourceType, in the question and in the answer
	asked   []map[string]any
}

func (p *paging) Call(_ context.Context, req *call.Request) (*call.Response, error) {
	p.asked = append(p.asked, req.Params)
	var list []liveStream
	for _, s := range p.streams {
		if app, ok := req.Params["App"]; ok && app != s.App || !p.blind && s.SourceType != req.Params["SourceType"] {
			continue
		}
		if p.blind {
			s.SourceType = ""
		}
		list = append(list, s)
	}
	from := min((req.Params["PageNum"].(int)-1)*onlinePage, len(list))
	body, err := json.Marshal(map[string]any{"Result": map[string]any{"StreamInfoList": list[from:min(from+onlinePage, len(list))]}})
	return &call.Response{Body: body}, err
}

func removals(apps ...string) []plan.Change {
	var out []plan.Change
	for _, app := range apps {
		out = append(out, plan.Change{
			ID:     resource.ID{Account: "volc", Kind: KindRelaySource, Key: "push.example.com/" + app},
			Action: plan.Delete, Before: `{"vhost":"push.example.com"}`,
		})
	}
	return out
}

func TestOnAir(t *testing.T) {
	many := make([]liveStream, 0, 2500)
	for i := range 2500 {
		many = append(many, liveStream{App: fmt.Sprint("other", i), SourceType: "relay"})
	}
	many = append(many, liveStream{App: "live", SourceType: "relay"})
	six := []string{"live", "a", "b", "c", "d", "e"}
	tests := map[string]struct {
		cloud *paging
		apps  []string
		live  string
		asked int
	}{
		"nothing is on air":            {&paging{}, []string{"live"}, "", 1},
		"a stream is pulled":           {&paging{streams: []liveStream{{"live", "relay"}}}, []string{"live"}, "live", 1},
		"another app's":                {&paging{streams: []liveStream{{"vod", "relay"}}}, []string{"live"}, "", 1},
		"a stream is pushed":           {&paging{streams: []liveStream{{"live", "push"}}}, []string{"live"}, "", 1},
		"nobody says how it comes":     {&paging{streams: []liveStream{{"live", "push"}}, blind: true}, []string{"live"}, "live", 1},
		"two apps are asked for alone": {&paging{streams: []liveStream{{"live", "relay"}}}, []string{"vod", "live"}, "live", 2},
		"six apps are asked for at once": {
			&paging{streams: []liveStream{{"live", "relay"}, {"e", "relay"}}}, six, "live e", 1,
		},
		"six apps on three pages": {&paging{streams: many}, six, "live", 3},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			changes := removals(tc.apps...)
			var live []string
			for i, why := range New().OnAir(t.Context(), oneByOne(tc.cloud), changes) {
				if why != "" {
					live = append(live, changes[i].ID.Part(1))
				}
			}
			if got := strings.Join(live, " "); got != tc.live || len(tc.cloud.asked) != tc.asked {
				t.Errorf("on air %q after %d questions, want %q after %d", got, len(tc.cloud.asked), tc.live, tc.asked)
			}
		})
	}
}

// oneByOne lets one call at a time through.
func oneByOne(next call.Caller) call.Caller {
	turn := make(chan struct{}, 1)
	return call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
		turn <- struct{}{}
		defer func() { <-turn }()
		return next.Call(ctx, req)
	})
}

func TestOnlyARemovalInterrupts(t *testing.T) {
	gone := removals("live")[0]
	gone.Before = ""
	for name, tc := range map[string]struct {
		c    plan.Change
		want bool
	}{
		"removal":        {removals("live")[0], true},
		"only forgotten": {gone, false},
		"update":         {plan.Change{Action: plan.Update, Before: `{}`, After: `{}`}, false},
	} {
		if got := removesSource(tc.c); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
