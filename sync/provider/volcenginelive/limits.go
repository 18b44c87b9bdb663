package volcenginelive

import (
	"time"

	"weir/sync/call"
)

// limits returns 10 calls a second for each operation and account, as each of
// their pages says (1126872, 1126873, 1126874). Whether the three share one
// allowance is not documented; each is taken to have its own, and a throttling
// answer makes the limiter go slower.
func limits() map[string][]call.Window {
	ten := []call.Window{{Limit: 10, Per: time.Second}}
	return map[string][]call.Window{opDescribe: ten, opUpdate: ten, opDelete: ten}
}
