package plan

// Explain says what a state or a reason, as plans and the status print them,
// means and what to do about it; false for what is neither.
func Explain(word string) (string, bool) {
	text, ok := map[string]string{
		string(InSync): "The account was read and holds what is declared. What cannot be read is never called so.",
		string(Pending): "The resource differs from its declaration, and a change is due or under way, or is held: `weir status`\n" +
			"says by which guard.",
		string(Drifted): "Somebody changed the resource in the account; the declaration is what it was. With policy.drift: heal it is\n" +
			"put back, with report it is only told. `weir bisect ID FIELD=VALUE` says when it came to be so. What somebody\n" +
			"undoes three times is a fight: it is left alone until its declaration is edited, or `weir settle ID again`.",
		string(Conflict): "The declaration was edited and somebody changed the resource in the account as well. The declaration holds:\n" +
			"look at `weir diff` for what the change in the account was, before it is written over.",
		string(Edited):  "The declaration was edited since it was applied, and the account still holds what was applied.",
		string(New):     "The resource is declared and weir never applied it. What the account holds already is taken over.",
		string(Removed): "Its declaration left the source. Only mode sync removes what weir applied; what cannot be undone is forgotten.",
		string(Expired): "What was applied runs out, or has run out, and is made again.",
		string(Restart): "The declaration has a new restart token: the recording is restarted, once.",
		string(Waiting): "A precondition is not met, such as a stream that is not on air. weir looks again; nothing is to be done.",
		string(Unknown): "Nothing in the account says whether it is as declared: the kind cannot be read back, a read failed, or the\n" +
			"answer to an act that may happen once was lost. `weir diff` and `weir status` name the last two; an act in doubt\n" +
			"is ended by `weir settle ID done|again`.",
	}[word]
	return text, ok
}
