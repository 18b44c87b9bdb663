// Package aliyunlive is ApsaraVideo Live (Alibaba Cloud, API version
// 2016-11-01). Four kinds: the dual-stream switch of a domain (MultiStream),
// who may push (StreamIngest), manual recording (Recording) and the prefetch
// of RTC streams (RtcPrefetch). The first two can be read back; of the others
// only weir's own memory tells what was done, and for recording the list of
// live streams tells whether it can still hold.
//
// The files have the names that every provider has; ingest.go, recording.go
// and prefetch.go hold the judgement of the kinds that need more than a
// comparison.
package aliyunlive

import (
	"weir/sync/call"
	"weir/sync/provider"
)

// Provider is ApsaraVideo Live. It remembers which main streaming domain each
// ingest domain belongs to and may be used by several goroutines.
type Provider struct {
	kinds    map[string]provider.Kind
	mappings mappings
}

var (
	_ provider.Provider   = (*Provider)(nil)
	_ provider.Rememberer = (*Provider)(nil)
)

// New returns the provider.
func New() *Provider { return &Provider{kinds: kinds()} }

// Kinds returns the four kinds by name.
func (p *Provider) Kinds() map[string]provider.Kind { return p.kinds }

// Limits returns the documented quotas of the operations used.
func (p *Provider) Limits() map[string][]call.Window { return limits() }

// Reads names the operations that have no effect. ResumeLiveStream and
// RealTimeRecordCommand are not among them, though the cloud's own access
// levels call them reads.
func (p *Provider) Reads() []string {
	return []string{opReadMultiStream, opMapping, opBlockList, opOnlineList, opUserDomains}
}
