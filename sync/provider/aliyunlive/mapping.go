package aliyunlive

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"weir/sync/call"
)

// mappingAge is how long a domain mapping is believed, maxMappings how many are
// kept before the old ones are dropped.
const (
	mappingAge  = time.Hour
	maxMappings = 20_000
)

// mappings remembers the main streaming domain of ingest domains. The zero
// value is empty.
type mappings struct {
	mu    sync.Mutex
	known map[mappingKey]mapping
}

type mappingKey struct{ account, ingest string }

type mapping struct {
	main string
	at   time.Time
}

func (m *mappings) get(k mappingKey, now time.Time) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.known[k]
	return known.main, ok && now.Sub(known.at) < mappingAge
}

func (m *mappings) put(k mappingKey, main string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= maxMappings {
		m.known = map[mappingKey]mapping{}
	}
	m.known[k] = mapping{main: main, at: now}
}

// mainDomain returns the main streaming domain to which an ingest domain is
// mapped, from memory or by asking.
func (p *Provider) mainDomain(ctx context.Context, c call.Caller, k mappingKey) (string, error) {
	if main, ok := p.mappings.get(k, time.Now()); ok {
		return main, nil
	}
	m, err := readMapping(ctx, c, k)
	if err != nil {
		return "", err
	}
	if len(m.mains) != 1 {
		return "", fmt.Errorf("%s is mapped to %d main streaming domains %v, not to one", k.ingest, len(m.mains), m.mains)
	}
	p.mappings.put(k, m.mains[0], time.Now())
	return m.mains[0], nil
}

// Remembers reports whether a read is of a mapping that is known.
func (p *Provider) Remembers(req *call.Request) bool {
	domain, _ := req.Params["DomainName"].(string)
	if req.Operation != opMapping || domain == "" {
		return false
	}
	_, known := p.mappings.get(mappingKey{req.Account, domain}, time.Now())
	return known
}

// mapped are the domains that a mapping names, by type, each once.
type mapped struct{ mains, ingests, plays []string }

// readMapping asks for the mapping of a domain of any type.
func readMapping(ctx context.Context, c call.Caller, k mappingKey) (mapped, error) {
	var answer struct {
		LiveDomainModels struct {
			LiveDomainModel []struct{ Type, DomainName string }
		}
	}
	if err := read(ctx, c, k.account, opMapping, map[string]any{"DomainName": k.ingest}, &answer); err != nil {
		return mapped{}, err
	}
	found := map[string]map[string]string{"vhost": {}, "publish": {}, "play": {}}
	for _, d := range answer.LiveDomainModels.LiveDomainModel {
		if names := found[strings.ToLower(d.Type)]; names != nil && d.DomainName != "" {
			names[strings.ToLower(d.DomainName)] = ""
		}
	}
	return mapped{sortedKeys(found["vhost"]), sortedKeys(found["publish"]), sortedKeys(found["play"])}, nil
}
