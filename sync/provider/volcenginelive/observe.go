package volcenginelive

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"weir/sync/call"
	"weir/sync/resource"
)

// parallel is how many vhosts are read at a time: enough to fill a quota of 50
// calls a second, five times the documented one, at a round trip of two seconds,
// at which no more than a second's calls can be without an answer. The limiter
// below decides how fast.
const parallel = 50

// secondLook is how long after a 404 the question is asked again before it is
// taken for "absent": the page of the code says to try again.
const secondLook = 5 * time.Second

// Observe reads each vhost of want with one call, or with the one app where
// only one of the vhost is wanted.
func (*Provider) Observe(
	ctx context.Context, c call.Caller, want []resource.Resource,
) ([]resource.Observation, error) {
	o := &observer{ctx: ctx, caller: c, want: want, out: make([]resource.Observation, len(want))}
	places := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for _, members := range o.vhosts() {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			o.vhost(members)
		})
	}
	wg.Wait()
	return o.out, ctx.Err()
}

// observer is one Observe under way. Each goroutine writes its own members of
// out.
type observer struct {
	ctx    context.Context
	caller call.Caller
	want   []resource.Resource
	out    []resource.Observation
}

// vhosts returns the indexes of want by account and vhost, in the order in
// which they first appear, and answers at once for what is not ours.
func (o *observer) vhosts() [][]int {
	var groups [][]int
	at := map[[2]string]int{}
	for i, r := range o.want {
		o.out[i] = resource.Observation{ID: r.ID, At: time.Now()}
		key := [2]string{r.ID.Account, r.ID.Part(0)}
		switch g, met := at[key]; {
		case r.ID.Kind != KindRelaySource:
			o.out[i].Unreadable = fmt.Sprintf("kind %s is not one of %s", r.ID.Kind, APIVersion)
		case key[1] == "" || global(r.ID.Part(1)):
			o.out[i].Unreadable = "the id does not name a vhost and an app"
		case met:
			groups[g] = append(groups[g], i)
		default:
			at[key] = len(groups)
			groups = append(groups, []int{i})
		}
	}
	return groups
}

// vhost reads the members of one vhost. A 404 to a question without App may
// mean that the vhost itself is unknown, one with App that nothing is
// configured: only the second, and only when it stands for 5 seconds, says
// that a resource is absent.
func (o *observer) vhost(members []int) {
	id := o.want[members[0]].ID
	app := ""
	if len(members) == 1 {
		app = id.Part(1)
	}
	at := time.Now()
	l, err := o.describe(describe(id.Account, id.Part(0), app))
	if call.CodeOf(err) != call.NotFound {
		for _, i := range members {
			o.put(i, at, l, err)
		}
		return
	}
	if !o.wait(secondLook) {
		o.fail(members, err)
		return
	}
	for _, i := range members {
		o.secondLook(i)
	}
}

// secondLook asks for one app again after a 404.
func (o *observer) secondLook(i int) {
	id := o.want[i].ID
	at := time.Now()
	l, err := o.describe(describe(id.Account, id.Part(0), id.Part(1)))
	if call.CodeOf(err) == call.NotFound {
		l, err = listing{}, nil
	}
	o.put(i, at, l, err)
}

func (o *observer) fail(members []int, err error) {
	for _, i := range members {
		o.put(i, time.Now(), listing{}, err)
	}
}

// put writes what l says of the i-th wanted resource.
func (o *observer) put(i int, at time.Time, l listing, err error) {
	out := &o.out[i]
	out.At = at
	if err != nil {
		out.Unreadable = err.Error()
		return
	}
	out.Spec, out.Unreadable = l.of(out.ID.Part(0), out.ID.Part(1))
	out.Exists, out.Unfamiliar = out.Spec != "", strings.HasPrefix(out.Unreadable, wouldDrop)
}

// wait reports whether d passed before the end of the context.
func (o *observer) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-o.ctx.Done():
		return false
	}
}

// describe makes the read and parses its answer.
func (o *observer) describe(req *call.Request) (listing, error) {
	resp, err := o.caller.Call(o.ctx, req)
	if err != nil {
		return listing{}, err
	}
	l, err := parseListing(resp.Body)
	if err != nil {
		return listing{}, fmt.Errorf("%s: %w (request %s)", req.Operation, err, resp.RequestID)
	}
	return l, nil
}

// describe returns the read of a vhost, or of one of its apps.
func describe(account, vhost, app string) *call.Request {
	params := map[string]any{"Vhost": vhost}
	if app != "" {
		params["App"] = app
	}
	return &call.Request{Account: account, Operation: opDescribe, Params: params, Repeatable: true}
}

// reads returns the read of a resource's vhost, which serves all of its apps.
func reads(r resource.Resource) []*call.Request {
	return []*call.Request{describe(r.ID.Account, r.ID.Part(0), "")}
}
