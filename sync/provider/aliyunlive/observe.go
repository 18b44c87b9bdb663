package aliyunlive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"weir/sync/call"
	"weir/sync/resource"
)

// parallelReads is the number of reads of one kind in flight: enough to fill the
// largest quota, 10,000 a minute, at a round trip of two seconds. The quotas pace
// them.
const parallelReads = 336

// pass is one Observe under way: what is wanted, and what was seen of each.
// Reads of different domains run side by side and fill different places.
type pass struct {
	*Provider
	caller call.Caller
	want   []resource.Resource
	seen   []resource.Observation
}

// group is one domain and the places in want that one read is about.
type group struct {
	account, domain string
	places          []int
}

// Observe reads each domain once for all that is wanted of it: the dual-stream
// switch, the block list, the list of live streams. A read that fails makes
// only its own resources unreadable. Prefetches cannot be read at all.
func (p *Provider) Observe(
	ctx context.Context, c call.Caller, want []resource.Resource,
) ([]resource.Observation, error) {
	s := &pass{Provider: p, caller: c, want: want, seen: make([]resource.Observation, len(want))}
	for i, r := range want {
		s.seen[i] = resource.Observation{ID: r.ID, At: time.Now()}
	}
	var wg sync.WaitGroup
	wg.Go(func() { each(s.domains(kindMultiStream), func(g group) { s.readSwitch(ctx, g) }) })
	wg.Go(func() { each(s.domains(kindRecording), func(g group) { s.readOnline(ctx, g) }) })
	wg.Go(func() { each(s.mainDomains(ctx), func(g group) { s.readBlocks(ctx, g) }) })
	wg.Wait()
	return s.seen, ctx.Err()
}

// each does the work on every element, at most parallelReads at a time.
func each[T any](list []T, do func(T)) {
	places := make(chan struct{}, parallelReads)
	var wg sync.WaitGroup
	for _, v := range list {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			do(v)
		})
	}
	wg.Wait()
}

// domains groups what is wanted of a kind by its domain.
func (s *pass) domains(kind string) []group {
	var all groups
	for i, r := range s.want {
		if r.ID.Kind == kind {
			all.add(r.ID.Account, domainOf(r.Spec), i)
		}
	}
	return all.list
}

// domainOf returns the field that every kind of this cloud has.
func domainOf(spec resource.Spec) string { return decoded[struct{ Domain string }](spec).Domain }

// groups collects places by domain, in the order in which they come.
type groups struct {
	list []group
	at   map[string]int
}

func (g *groups) add(account, domain string, places ...int) {
	if g.at == nil {
		g.at = map[string]int{}
	}
	i, ok := g.at[domain]
	if !ok {
		i = len(g.list)
		g.at[domain] = i
		g.list = append(g.list, group{account: account, domain: domain})
	}
	g.list[i].places = append(g.list[i].places, places...)
}

// mainDomains groups the wanted ingest rules by main streaming domain, since
// only of that the block list can be asked.
func (s *pass) mainDomains(ctx context.Context) []group {
	ingests := s.domains(kindIngest)
	mains := make([]string, len(ingests))
	order := make([]int, len(ingests))
	for i := range order {
		order[i] = i
	}
	each(order, func(i int) {
		main, err := s.mainDomain(ctx, s.caller, mappingKey{ingests[i].account, ingests[i].domain})
		if err != nil {
			s.fail(ingests[i], err)
			return
		}
		mains[i] = main
	})
	var all groups
	for i, g := range ingests {
		if mains[i] != "" {
			all.add(g.account, mains[i], g.places...)
		}
	}
	return all.list
}

// fail makes everything that a read was about unreadable.
func (s *pass) fail(g group, err error) {
	_, odd := errors.AsType[unfamiliar](err)
	for _, i := range g.places {
		s.seen[i].Unreadable, s.seen[i].Unfamiliar = err.Error(), odd
	}
}

// unfamiliar says that an answer holds a value weir does not know.
type unfamiliar string

// Error returns what it holds.
func (u unfamiliar) Error() string { return string(u) }

// asked notes the time at which a group is asked about.
func (s *pass) asked(g group) {
	now := time.Now()
	for _, i := range g.places {
		s.seen[i].At = now
	}
}

// read makes one reading call and decodes its answer.
func read(ctx context.Context, c call.Caller, account, operation string, params map[string]any, into any) error {
	resp, err := c.Call(ctx, reading(account, operation, params))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(resp.Body, into); err != nil {
		return fmt.Errorf("%s: answer is not as documented: %w", operation, err)
	}
	return nil
}

func (s *pass) readSwitch(ctx context.Context, g group) {
	s.asked(g)
	on, err := readPosition(ctx, s.caller, g.account, g.domain)
	if err != nil {
		s.fail(g, err)
		return
	}
	for _, i := range g.places {
		s.hold(i, multiStream{Domain: g.domain, Enabled: on}, on)
	}
}

// readPosition reads the dual-stream switch of a domain.
func readPosition(ctx context.Context, c call.Caller, account, domain string) (on bool, err error) {
	var answer struct{ Switch string }
	if err := read(ctx, c, account, opReadMultiStream, map[string]any{"Domain": domain}, &answer); err != nil {
		return false, err
	}
	switch strings.ToLower(answer.Switch) {
	case "on":
		return true, nil
	case "off":
		return false, nil
	}
	return false, unfamiliar(fmt.Sprintf("%s: Switch is %q, neither on nor off", opReadMultiStream, answer.Switch))
}

// hold writes down what the cloud holds in one place.
func (s *pass) hold(i int, v any, exists bool) {
	spec, err := resource.NewSpec(v)
	if err != nil {
		s.seen[i].Unreadable = err.Error()
		return
	}
	s.seen[i].Spec, s.seen[i].Exists = spec, exists
}
