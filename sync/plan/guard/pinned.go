package guard

import (
	"slices"
	"strings"
)

// RolledBack is the name of the guard of revisions that were rolled back.
const RolledBack = "rolled-back"

const explainRolledBack = "The newest revision of a source was rolled back with `weir rollback`, so it is not applied\n" +
	"again. weir goes on with the next revision; revert the commit in git. To apply this one after all:\n" +
	"`weir rollback --unpin`."

// rolledBack holds whatever a revision that was rolled back asks for. Consent
// does not help: it would be applied, and held back again at the next pass.
func rolledBack(f Facts) string {
	if len(slices.Collect(f.Plan.Due())) == 0 {
		return ""
	}
	return strings.Join(f.Pinned, "; ")
}
