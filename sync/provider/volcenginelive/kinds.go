package volcenginelive

import (
	"weir/sync/plan"
	"weir/sync/provider"
)

// KindRelaySource is the name of the one kind.
const KindRelaySource = "RelaySource"

func kinds() map[string]provider.Kind {
	return map[string]provider.Kind{
		KindRelaySource: {
			APIVersion: APIVersion,
			Normal:     normal,
			Judge:      plan.Compare,
			Calls:      calls,
			Reads:      reads,
			Verify:     verify,
			Repair:     repair,
			Interrupts: removesSource,
			Airing:     airingReads,
			Readable:   true,
		},
	}
}
