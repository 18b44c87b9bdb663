package view

// Explain says what a condition means and what to do about it, false for what is
// none.
func Explain(c Condition) (string, bool) {
	text, ok := map[Condition]string{
		NotReady: "weir has not read the sources and the accounts once completely, or cannot use a source or its state\n" +
			"now. Nothing is removed meanwhile, and /readyz answers 503.\n" +
			"`weir status` names the cause; just after a start it is over in a moment.",
		Held: "A guard has stopped the plan, and nothing of it is applied until a person consents to exactly this plan.\n" +
			"Look at `weir diff`, then say what `weir status` shows, or correct the source so that there is another plan:\n\n" +
			"    weir apply --consent 0123456789abcdef0123456789abcdef",
		Refused: "The newest revision of a source has an error and was refused whole; the last good one stays in force.\n" +
			"`weir status` names the lines, `weir validate` finds them before a push. Correct them and push again.",
		Failing: "Changes could not be made. They are tried again, later each time, and the others are not kept waiting.\n" +
			"`weir status` has the message and the next try of each.",
		Fought: "Somebody undoes what weir puts back, at each of these resources, and weir has stopped putting it back.\n" +
			"Find out who (`weir bisect ID FIELD=VALUE`), then edit the declaration or say `weir settle ID again`.",
		Applying: "Changes are being made now. `weir status --watch` shows how far it is.",
		Drift: "Resources were changed behind weir's back. With policy.drift: heal they are put back at their next turn,\n" +
			"with report they stay so. `weir diff` shows what was changed.",
		Due: "Changes are due and none is being made: the policy or a dry run does not allow it, or their turn has not come.\n" +
			"`weir diff` says which.",
		Unread: "A read failed, or the answer to an act that may happen once was lost: of these resources nothing is known,\n" +
			"and they are left alone. `weir status` says why; an act is ended by `weir settle ID done|again`.",
		Pinned: "The newest revision of a source was rolled back. The one before stays in force until there is another.\n" +
			"Push a correction, or allow it again:\n\n    weir rollback --unpin",
		Unknown: "Nothing says of any resource that it is as declared: none of these kinds can be read back.\n" +
			"`weir history` tells what was asked of the clouds for them, and what they answered.",
		Waits:  "Everything that can be is as declared; some resources wait for something, mostly a stream to go on air.",
		InSync: "Everything that can be read was read and is as declared.",
	}[c]
	return text, ok
}

// AllConditions lists every condition, the most urgent first.
func AllConditions() []Condition {
	return []Condition{NotReady, Held, Refused, Failing, Fought, Applying, Drift, Due, Unread, Pinned, Waits, Unknown, InSync}
}
