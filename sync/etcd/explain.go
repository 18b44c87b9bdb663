package etcd

// Explain says what a trouble means and what to do about it, false for what is none.
func Explain(t Trouble) (string, bool) {
	text, ok := map[Trouble]string{
		Away: "No member of etcd answers in time, or the members have no majority. Accounts go on being read by who leads\n" +
			"them until the lease ends; then nothing is read or changed, until etcd answers again.\n" +
			"Look at the members: `etcdctl endpoint status --cluster -w table`.",
		Refused: "etcd refuses the user, the password, the certificate, or access to the keys under state.etcd.prefix.\n" +
			"Renew what is named under state.etcd, or grant the user's role that prefix.",
		Full: "etcd takes no more writes: its quota of bytes is used up. Compact and defragment it, and disarm the alarm:\n" +
			"the section about etcd of the runbook has the commands.",
		TooLarge: "A request was larger than etcd allows. weir cuts its requests to what etcd takes by default; raise\n" +
			"--max-request-bytes of etcd to 1.5 MiB where somebody has lowered it.",
		Restored: "etcd went back to an older state: it was restored from a backup. What was written since is gone, and weir\n" +
			"applies nothing before a person has looked: `weir state adopt`.",
		Other: "etcd answered with an error that has no name here; the log has its words.",
	}[t]
	return text, ok
}
