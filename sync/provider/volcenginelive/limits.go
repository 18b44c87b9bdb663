package volcenginelive

import (
	"time"

	"weir/sync/call"
)

// limits returns 10 calls a second for each operation and account, as each of
// their pages says (1126872, 1126873, 1126874, 1126815, 1126841). Whether they share one
// allowance is not documented; each is taken to have its own, and a throttling
// answer makes the limiter go slower. BytePlus gives ListDomainDetail 1 a second:
// there the config's quota.limits should say so.
func limits() map[string][]call.Window {
	ten := []call.Window{{Limit: 10, Per: time.Second}}
	return map[string][]call.Window{opDescribe: ten, opUpdate: ten, opDelete: ten, opDomains: ten, opOnline: ten}
}
