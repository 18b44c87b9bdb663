package call

// Explain says in words what a code means, what weir does about it, and what a
// person can do. It reports false for a code that does not exist.
func Explain(code Code) (string, bool) {
	text, ok := explanations()[code]
	return text, ok
}

// explanations is the table behind Explain, one entry for each of Codes.
func explanations() map[Code]string {
	return map[Code]string{
		OK: "The cloud accepted the call.\nweir goes on. There is nothing to do.",
		Throttled: `The cloud refused the call because the account makes more calls of this operation than its quota allows.
weir halves its own rate for the operation at once, waits for a whole window of the quota, tries again, and gives
itself a little back every 30 seconds.
weir itself stays below the documented quota, so something else uses the account too, or the quota is lower than
documented: find the other tool, lower quota.share, or set the operation's limit under quota.limits.`,
		Unavailable: `The cloud could not be reached or failed by itself, and the call had no effect.
weir tries up to 5 times with growing pauses; when an operation fails 5 times in a row it rests for 5 to 60 seconds.
If it lasts, look at the cloud's status page, and at DNS, proxy and firewall of this machine.`,
		Unknown: `There was no answer that can be trusted: a time-out, a broken connection, or something that is not the
API's. The call may have had its effect or not.
weir makes reads again. A write it reads back: what shows as wanted is done; otherwise a call that may be repeated is
made once more, and one that must not happen twice is left alone and shown as unknown.
If it stays unknown, look in the cloud's console and say weir settle ID done or again; look for a proxy in between.`,
		Invalid: `The cloud refused the call as wrong: a value or a combination that it does not accept.
weir does not repeat it, and tries again when the manifest changes.
The cloud's message names the parameter; correct the manifest. If weir validate accepted it, please report that.`,
		NotFound: `What the call names does not exist in the account: a domain, vhost, app or stream.
weir counts a removal as done and any other change as failed, and tries again in a later pass.
Check the name in the manifest, and whether the account is the right one.`,
		Exists: `What the call was to create exists already. Some clouds answer this with HTTP status 429; it is no
throttling.
weir reads what is there and goes on from that.
If it comes again and again, two manifests or two tools are managing the same thing.`,
		AlreadyDone: `What the call asks for is so already.
weir counts it as success. There is nothing to do.`,
		NotLive: `The stream is not on air, and the operation works on live streams only.
weir shows the resource as waiting and carries the change out when the stream begins.
If the stream should be on air, look at its source.`,
		Denied: `The account's key is good but may not do this, or not to this resource.
weir does not repeat the call; other resources go on.
Give the key's user the operation in the cloud's permission system; deploy/ has policies with exactly what weir uses.`,
		Unauthentic: `The cloud refused the access key, the signature or the token.
weir stops all calls of the account for 1 to 10 minutes, or until the key is read anew, as repeated refusals lock
accounts; other accounts go on.
Check that the key exists, is enabled and belongs to this cloud, that a token has not run out, and that no proxy
changes requests.`,
		Billing: `The account is in arrears, or the product is not activated for it.
weir stops all calls of the account for 1 to 10 minutes at a time; other accounts go on.
Settle the account in the cloud's console.`,
		Clock: `The cloud refused the time in the call's signature: this machine's clock is off.
weir corrects itself once by the time in the cloud's answer and tries again; if that does not help it stops the
account.
Have the machine's clock set by NTP.`,
		Unsupported: `The cloud does not know the operation or its version any more, or not at this endpoint.
weir rests the operation for 1 to 10 minutes at a time.
Check region and endpoint of the account, and whether there is a newer weir.`,
		Withheld: `The call was not sent because this is a dry run.
weir lets only known reads out in a dry run. Run without --dry-run, or weir apply, to make the call.`,
		Stopped: `The call was not sent, because calls before it have shown that it would not succeed: the operation is
down, or the account's key or bill was refused. The message quotes the first of them.
weir sends a single call after a while to see whether that has changed, and then goes on by itself.
Look up the code of the outcome that it quotes.`,
		Canceled: `weir gave the call up before it was sent, because it was stopping or its time had run out.
The change is still due and is carried out in a later pass. There is nothing to do.`,
		Internal: `weir itself failed: the call could not be built, or its intent could not be written to the journal,
without which weir sends nothing.
If the message is about the state store, look at its disk and permissions. Otherwise please report it.`,
	}
}
