package plan

// The words for what ends weir's own doing, as the status and the log print them,
// with a hyphen for a blank.
const (
	WordInDoubt      = "in-doubt"
	WordUnreadable   = "unreadable"
	WordFight        = "fight"
	WordNotEffective = "not-effective"
	WordReadOnly     = "read-only"
)

// Reasons lists every reason for which something is due.
func Reasons() []Reason {
	return []Reason{New, Edited, Drifted, Conflict, Removed, Expired, Restart, RolledBack}
}

// Words lists them.
func Words() []string {
	return []string{WordFight, WordInDoubt, WordNotEffective, WordReadOnly, WordUnreadable}
}

// Explain says what a state, a reason or one of Words, as plans and the status
// print them, means and what to do about it; false for what is none.
func Explain(word string) (string, bool) {
	text, ok := map[string]string{
		string(InSync): "The account was read and holds what is declared. What cannot be read is never called so.",
		string(Pending): "The resource differs from its declaration, and a change is due or under way, or is held:\n" +
			"`weir status` says by which guard.",
		string(Drifted): "Somebody changed the resource in the account; the declaration is what it was. With\n" +
			"policy.drift: heal it is put back, with report it is only told. `weir bisect ID FIELD=VALUE` says when it came\n" +
			"to be so. What somebody undoes three times is a fight: it is left alone until its declaration is\n" +
			"edited, or `weir settle ID again`.",
		string(Conflict): "The declaration was edited and somebody changed the resource in the account as well.\n" +
			"The declaration holds: look at `weir diff` for what the change in the account was, before it\n" +
			"is written over.",
		string(Edited): "The declaration was edited since it was applied, and the account still holds what was applied.",
		string(New):    "The resource is declared and weir never applied it. What the account holds already is taken over.",
		string(Removed): "Its declaration left the source. Only mode sync removes what weir applied; what cannot be undone\n" +
			"is forgotten.",
		string(Expired): "What was applied runs out, or has run out, and is made again.",
		string(Restart): "The declaration has a new restart token: the recording is restarted, once.",
		string(RolledBack): "The change sets back what a plan did that somebody rolled back: `weir rollback`. The revision\n" +
			"that asked for it is pinned, and is not applied again until there is another one, or `weir rollback --unpin`.",
		string(Waiting): "A precondition is not met, such as a stream that is not on air. weir looks again; nothing is to be\n" +
			"done.",
		string(Unknown): "Nothing in the account says whether it is as declared: the kind cannot be read back, a read\n" +
			"failed, or the answer to an act that may happen once was lost. `weir diff` and `weir status` name\n" +
			"the last two; an act in doubt is ended by `weir settle ID done|again`.",
		WordInDoubt: "An act that must not happen twice was begun, and nobody knows how it ended: its answer was lost, or the\n" +
			"process died. weir does not repeat it. Look in the console or in `weir history`, then say which:\n\n" +
			"    weir settle ID done\n    weir settle ID again",
		WordUnreadable: "The read of the resource failed, or it holds what this weir does not know. Nothing is known of it,\n" +
			"so it is neither changed nor removed. `weir status` says why; it is read again every 30 seconds.",
		WordFight: "weir put the same change back three times, and it was made again. weir has stopped and names both\n" +
			"times. Find out who makes it (`weir bisect ID FIELD=VALUE` says when), then edit the declaration,\n" +
			"or say `weir settle ID again`; it also ends when the account holds what is declared for a day.",
		WordNotEffective: "The cloud accepted the write, and no read has ever shown it: the account ignores a field, or\n" +
			"refuses it without a word. weir writes a few times, further and further apart, and then stops.\n" +
			"Correct the declaration, or ask the cloud's support.",
		WordReadOnly: "weir ended without a stop five times within ten minutes. It reads and reports, and calls nothing\n" +
			"that has an effect, until it has run for ten minutes or is stopped in order. Look into its log for\n" +
			"why it ended.",
	}[word]
	return text, ok
}
