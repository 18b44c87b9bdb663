package volcenginelive

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"weir/sync/call"
	"weir/sync/plan"
)

// removesSource reports whether a change takes away where an app's streams are
// pulled from.
func removesSource(c plan.Change) bool { return c.Action == plan.Delete && c.Before != "" }

// airingReads returns the read that OnAir makes of one change.
func airingReads(c plan.Change) []*call.Request {
	return []*call.Request{online(c.ID.Account, c.ID.Part(0), c.ID.Part(1), 1)}
}

// The bounds of reading the live streams. Up to fewApps of a vhost each is asked
// for alone, which is exact; more are read together.
const (
	onlinePage  = 1000
	onlinePages = 100
	fewApps     = 4
)

// onAirNow says of an app that streams are pulled from its relay source now.
const onAirNow = "streams are pulled from it now"

// OnAir asks for the live streams of the apps that are pulled from a relay
// source; those that are pushed do not need it.
func (*Provider) OnAir(ctx context.Context, c call.Caller, changes []plan.Change) []string {
	a := &airing{ctx: ctx, caller: c, changes: changes, out: make([]string, len(changes))}
	places := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for _, members := range a.questions() {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			a.ask(members)
		})
	}
	wg.Wait()
	return a.out
}

// airing is one OnAir under way. Each goroutine writes its own members of out.
type airing struct {
	ctx     context.Context
	caller  call.Caller
	changes []plan.Change
	out     []string
}

// questions returns the changes that are asked about together.
func (a *airing) questions() [][]int {
	var vhosts [][]int
	at := map[string]int{}
	for i, c := range a.changes {
		vhost := c.ID.Part(0)
		g, met := at[vhost]
		if !met {
			g = len(vhosts)
			at[vhost], vhosts = g, append(vhosts, nil)
		}
		vhosts[g] = append(vhosts[g], i)
	}
	var out [][]int
	for _, members := range vhosts {
		if len(members) > fewApps {
			out = append(out, members)
			continue
		}
		for _, i := range members {
			out = append(out, []int{i})
		}
	}
	return out
}

// ask reads the live streams of one app, or of the vhost of several.
func (a *airing) ask(members []int) {
	id := a.changes[members[0]].ID
	app := ""
	if len(members) == 1 {
		app = id.Part(1)
	}
	live, err := a.read(id.Account, id.Part(0), app)
	for _, i := range members {
		switch {
		case err != nil:
			a.out[i] = "whether it is on air cannot be read: " + err.Error()
		case live[a.changes[i].ID.Part(1)]:
			a.out[i] = onAirNow
		}
	}
}

// read returns the apps that have a stream which is not known to be pushed. With
// an app one such stream is enough; without, a stream that moves from a page to
// the one before while they are read is missed, and is found before the removal.
func (a *airing) read(account, vhost, app string) (map[string]bool, error) {
	live := map[string]bool{}
	for n := 1; n <= onlinePages; n++ {
		list, err := a.page(online(account, vhost, app, n))
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			if s.SourceType != "push" {
				live[s.App] = true
			}
		}
		if len(list) < onlinePage || live[app] {
			return live, nil
		}
	}
	return nil, fmt.Errorf("%s: the list has more than %d pages", opOnline, onlinePages)
}

// liveStream is an entry of StreamInfoList.
type liveStream struct{ App, SourceType string }

func (a *airing) page(req *call.Request) ([]liveStream, error) {
	resp, err := a.caller.Call(a.ctx, req)
	if err != nil {
		return nil, err
	}
	// RoughCount is of the page by one version of the vendor's SDK and of all by
	// another, so only the entries count. A result without a list holds none.
	var answer struct {
		Result *struct{ StreamInfoList []liveStream }
	}
	if err := json.Unmarshal(resp.Body, &answer); err != nil {
		return nil, fmt.Errorf("%s: the list cannot be read: %w (request %s)", req.Operation, err, resp.RequestID)
	}
	if answer.Result == nil {
		return nil, fmt.Errorf("%s: the answer has no Result (request %s)", req.Operation, resp.RequestID)
	}
	return answer.Result.StreamInfoList, nil
}

// online returns the read of a page of a vhost's live streams, or of one of its
// apps', that are pulled (page 1126841).
func online(account, vhost, app string, n int) *call.Request {
	params := map[string]any{"Vhost": vhost, "SourceType": "relay", "PageNum": n, "PageSize": onlinePage}
	if app != "" {
		params["App"] = app
	}
	return &call.Request{Account: account, Operation: opOnline, Params: params, Repeatable: true}
}
