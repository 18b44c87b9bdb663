package state

// Faults lists every fault.
func Faults() []Fault {
	return []Fault{Damaged, Foreign, Swapped, Newer, Unsafe, Full, Busy, Unusable, Closed, Fenced, Moved}
}

// Explain says what a fault means and what to do, false for what is none.
func Explain(f Fault) (string, bool) {
	text, ok := explanations()[f]
	return text, ok
}

func explanations() map[Fault]string {
	return map[Fault]string{
		Damaged: "The state does not hold what was written: it was cut, overwritten, or bits in it have flipped.\n" +
			"Nothing is applied. Look at the disk; then move the file aside with its -wal and -shm files and put the newest\n" +
			"copy in its place, which the message names. Without any, nothing counts as applied by weir, so nothing is\n" +
			"removed, but acts that must not happen twice are forgotten. In etcd the message names the key.",
		Foreign: "The file is no state of weir's, and is left as it is.\n" +
			"Choose another state.sqlite.path, or move the file away.",
		Swapped: "The file is a state of weir's, but not the one that was at this path: what it says was applied may be of\n" +
			"another host's accounts.\n" +
			"Put back the file that was there. If this one is meant, remove the file with the identity\n" +
			"beside it (the path with .id at the end) and start again.\n" +
			"In etcd: it was restored from a backup, or its keys are a copy. What was applied and begun since the backup is\n" +
			"not in it: stop the daemons, look, and say `weir state adopt`.",
		Newer: "The state was written by a newer weir, and an older one would not keep all of it.\n" +
			"Use the newer one, or go back to the copy it made beside the file before it brought it up to date. In etcd the\n" +
			"format stays what it is until every process knows the new one; after that an older weir only reads.",
		Unsafe: "Somebody else could have written the state, or put something in its place.\n" +
			"Look at owner and mode of the file and of what is beside it; weir wants files of its user that others cannot write.",
		Full: "There is no room for another write, and what cannot be written down is not done.\n" +
			"Make room; weir goes on by itself. In etcd: compact, defragment and disarm the alarm, or raise its quota.",
		Busy: "Another process holds the state for too long.\nLook for one that hangs, or for a backup that locks the file.",
		Unusable: "The state cannot be opened, read or written.\n" +
			"weir has to be able to read and write the file and its folder, on a local filesystem; or to reach a majority of\n" +
			"etcd's members, as a user who may read and write under the prefix. It goes on by itself.",
		Fenced: "This process does not lead the account, or not any more: another one does, and writes what it applies.\n" +
			"Nothing was written. The page and `weir status` show who leads; a command that applies asks for the account first.",
		Moved: "`weir state migrate` has taken the content to another store, which the message names: two stores in use would\n" +
			"not know of each other's removals and acts.\n" +
			"Name the other one in the configuration. `weir state migrate --back` opens this one again, without what was\n" +
			"written elsewhere since.",
		Closed: "The state was used after it was closed, as while the daemon stops.\nNothing is to be done.",
	}
}

// ExplainCode says what an outcome that only the journal knows means, false for
// what is none.
func ExplainCode(code string) (string, bool) {
	text, ok := map[string]string{
		CodeOpen: "The journal has the call's intent and not its end: it is under way, or its process died before the answer.\n" +
			"What may not happen twice is read back, or left to a person: `weir status` names it.",
		CodeFailed: "The call had another outcome than ok. `weir history --outcome failed` shows them all, each with its code.",
	}[code]
	return text, ok
}

// Codes lists the outcomes that only the journal knows.
func Codes() []string { return []string{CodeOpen, CodeFailed} }
