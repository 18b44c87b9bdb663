// Package volcenginelive is Volcengine Live (API version 2023-01-01; its twin
// BytePlus MediaLive answers at another endpoint). One kind: RelaySource, where
// an application's streams are pulled from when somebody plays them.
//
// The documents leave open whether UpdateRelaySourceV3 replaces the groups of
// an application or merges into them, and what DescribeRelaySourceV3 says of
// nothing. The calls here end right under every reading.
package volcenginelive

import (
	"weir/sync/call"
	"weir/sync/provider"
)

// APIVersion is the apiVersion of the kinds here.
const APIVersion = "volcengine/v1"

// The operations used.
const (
	opDescribe = "DescribeRelaySourceV3"
	opUpdate   = "UpdateRelaySourceV3"
	opDelete   = "DeleteRelaySourceV3"
	opDomains  = "ListDomainDetail"
	opOnline   = "DescribeLiveStreamInfoByPage"
)

// Provider is Volcengine Live. It holds nothing and may be used by several
// goroutines.
type Provider struct{}

var _ provider.Provider = (*Provider)(nil)

// New returns the provider.
func New() *Provider { return &Provider{} }

// Kinds returns the one kind by name.
func (*Provider) Kinds() map[string]provider.Kind { return kinds() }

// Limits returns the documented quotas of the operations used.
func (*Provider) Limits() map[string][]call.Window { return limits() }

// Reads names the operations without an effect.
func (*Provider) Reads() []string { return []string{opDescribe, opDomains, opOnline} }
