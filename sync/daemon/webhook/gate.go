package webhook

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// rates bound what comes before any proof: deliveries a second with the burst
// on top, and at once. A host sends one a push; a reverse proxy makes all
// senders one address, so an address may do much of what all may.
type rates struct {
	all, address           rate.Limit
	allBurst, addressBurst int
	inFlight, ofAddress    int
	addresses              int // remembered, at most twice as many
}

var defaultRates = rates{
	all: 200, allBurst: 400, address: 50, addressBurst: 100,
	inFlight: 32, ofAddress: 16, addresses: 1024,
}

// gate lets deliveries in as fast as its rates say.
type gate struct {
	rates
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

func newGate(r rates) *gate {
	return &gate{rates: r, all: rate.NewLimiter(r.all, r.allBurst), young: map[netip.Addr]*sender{}}
}

// enter returns what to call at the end of a delivery, or the answer to one
// that is too much. The address is asked first, so that one that floods leaves
// the others their share.
func (g *gate) enter(remote string) (leave func(), refusal *answer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s, now := g.sender(remote), time.Now()
	if !s.limiter.AllowN(now, 1) || !g.all.AllowN(now, 1) {
		return nil, &tooOften
	}
	if s.inside >= g.ofAddress || g.inside >= g.inFlight {
		return nil, &tooMany
	}
	s.inside++
	g.inside++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		s.inside--
		g.inside--
	}, nil
}

// sender returns what is known of an address. Who was not seen while as many
// others as are remembered were is forgotten: two generations, of which the
// old one is dropped whole, need no order among them.
func (g *gate) sender(remote string) *sender {
	key := network(remote)
	if s, ok := g.young[key]; ok {
		return s
	}
	s, ok := g.old[key]
	if !ok {
		s = &sender{limiter: rate.NewLimiter(g.address, g.addressBurst)}
	}
	if len(g.young) >= g.addresses {
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
