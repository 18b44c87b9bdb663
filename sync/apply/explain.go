package apply

// Explain says what the outcome of a change means and what to do about it, false
// for what is none.
func Explain(o Outcome) (string, bool) {
	text, ok := map[Outcome]string{
		Done: "The calls of the change were made and the cloud accepted them; where a read can show it, it was read back.\n" +
			"There is nothing to do. `weir blame ID` says by which call each field came to be so.",
		Failed: "A call of the change was refused, or had no answer that can be trusted. The other changes go on.\n" +
			"The daemon tries again, later each time; `weir apply` again does too. Look up the code that the message names:\n\n" +
			"    weir explain throttled",
		Withheld: "The change is due and is not made: policy.mode or policy.drift does not allow it, it was put back a moment\n" +
			"ago, or this is a dry run. The plan says which.\n" +
			"Change the policy if it shall be made, or edit the declaration if what is in the account is right.",
		Waiting: "What the change needs is not there yet, mostly a stream that is not on air. It is made as soon as it is.\n" +
			"If the stream should be on air, look at its source.",
		Refused: "The change was not begun: its resource has moved or gone on air since the plan was made, what it replaces\n" +
			"could not be made first, or the first of many like it failed.\n" +
			"`weir diff` shows how it is now; apply that.",
	}[o]
	return text, ok
}
