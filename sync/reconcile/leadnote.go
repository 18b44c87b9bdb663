package reconcile

// LeadNote is the note of a change that is due in an account that the member of this
// name leads, and not this process; nobody does with "".
func LeadNote(leader string) string {
	if leader == "" {
		return "nobody leads the account now; who takes it over makes it"
	}
	return leader + " leads the account, and makes it"
}
