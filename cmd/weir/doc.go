// Weir keeps the live-streaming configuration of cloud accounts equal to what a
// git repository, or a directory of YAML, declares.
//
// # Goals
//
// Its users run live channels. A call above a quota is dropped and interrupts a
// broadcast, a wrong removal takes a channel off air. So weir stays below every
// quota in any sliding second, removes only what it applied itself, never says
// "in sync" of what it cannot read, and can tell for every call which line of
// which revision asked for it.
//
// # A tour
//
// Read sync/resource first: an ID, a Spec, what was Applied, an Observation.
// Then sync/plan, where Compare and Diff decide, without a clock or a call,
// what has to change and why; and sync/plan/guard, the rules that hold a plan.
//
// sync/call is one API call as data and, in Stack, everything that happens
// round it: retries, circuit, quota, journal. The proof that the quota is kept
// stands in its limiter.
//
// sync/provider says what a cloud must offer. A kind there is one entry: its
// normal form, its judgement, its calls. sync/emulator is the other side of
// that, and what all tests of ours call.
//
// sync/source/gitsource is where most revisions come from: look.go is a poll,
// accepted.go and verify.go are why a head is held, trace.go is who wrote a line.
// lineage.go there and sync/blame say who made a single field what it is.
// sync/daemon/webhook makes a poll come soon, sync/commitstatus tells the host
// what became of it.
//
// sync/news makes events of what the loop tells, sync/notify decides who is told
// when; a receiver is one file in sync/notify/channel, its words are in
// sync/notify/message/text.
//
// sync/reconcile puts the stages together: step is a pass, turn is the loop.
// Undo (undo.go) and Rollback are the way back; pin.go keeps it from being undone.
// Its tests (story_test.go, failure_test.go) are the best description of what
// weir does when, in virtual time.
//
// Where several machines share the accounts, sync/state/etcdstate is the store,
// sync/cluster says who leads what (assign.go is pure, cluster/etcdcluster is where
// they meet), and sync/etcd is the way there. Every daemon runs the whole loop; lead.go
// in sync/reconcile is what of it only a leader does, call.WhileMandated what keeps a
// call from being sent by anybody else. sync/daemon/view/cluster.go is what is shown of
// it.
//
// import.go goes the other way, from what stands in an account to manifests: a
// provider.Lister finds it, manifest.Draft writes it.
//
// This package is the outside: one file a command, build.go for turning a
// configuration into parts, testdata/script for stories as users live them. How
// text looks on a terminal is in style.go, layout.go and table.go; into a pipe
// nothing is coloured, wrapped or shortened.
package main
