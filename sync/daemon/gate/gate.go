// Package gate bounds what strangers can cost before they have proved anything:
// requests a second and at once, of all of them and of one address.
package gate

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rates are requests a second with the burst on top, and at once. A reverse
// proxy makes all senders one address, so an address may do much of what all
// may. All are required.
type Rates struct {
	All, Address           rate.Limit
	AllBurst, AddressBurst int
	InFlight, OfAddress    int
	Addresses              int // remembered, at most twice as many
}

// Refusal says why a request is not let in.
type Refusal int

// The refusals.
const (
	None     Refusal = iota
	TooOften         // too many a second
	TooMany          // too many at once
)

// Gate lets requests in as fast as its rates say.
type Gate struct {
	Rates
	all *rate.Limiter

	mu         sync.Mutex // guards what follows
	inside     int
	young, old map[netip.Addr]*sender
}

// sender is an address that has sent.
type sender struct {
	limiter *rate.Limiter
	inside  int
}

// New returns a gate with those rates.
func New(r Rates) *Gate {
	return &Gate{Rates: r, all: rate.NewLimiter(r.All, r.AllBurst), young: map[netip.Addr]*sender{}}
}

// Enter returns what to call at the end of a request from remote, host:port, or
// why it is too much. The address is asked first, so that one that floods leaves
// the others their share.
func (g *Gate) Enter(remote string) (leave func(), refusal Refusal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s, now := g.sender(remote), time.Now()
	if !s.limiter.AllowN(now, 1) || !g.all.AllowN(now, 1) {
		return nil, TooOften
	}
	if s.inside >= g.OfAddress || g.inside >= g.InFlight {
		return nil, TooMany
	}
	s.inside++
	g.inside++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		s.inside--
		g.inside--
	}, None
}

// Inside returns how many requests are under way.
func (g *Gate) Inside() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside
}

// sender returns what is known of an address. Who was not seen while as many
// others as are remembered were is forgotten: two generations, of which the
// old one is dropped whole, need no order among them.
func (g *Gate) sender(remote string) *sender {
	key := network(remote)
	if s, ok := g.young[key]; ok {
		return s
	}
	s, ok := g.old[key]
	if !ok {
		s = &sender{limiter: rate.NewLimiter(g.Address, g.AddressBurst)}
	}
	if len(g.young) >= g.Addresses {
		g.old, g.young = g.young, map[netip.Addr]*sender{}
	}
	g.young[key] = s
	return s
}

// network is the address without its port, or the /64 of an IPv6 address:
// whoever has one address of it has all.
func network(remote string) netip.Addr {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	a := ap.Addr().Unmap().WithZone("")
	if a.Is4() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr()
}
