// Package simulation runs the whole of weir in virtual time under faults, ten
// thousand times, and looks after every step at what must never be otherwise.
// It holds tests only.
//
// A run is a function of its seed. The seed makes a world (domains, vhosts,
// streams, quotas, a policy), the documents of a source, and a handful of
// steps: people edit, break, empty and revert the source, change things in the
// consoles, consent and settle; encoders come and go; weir is stopped, killed
// at a write of its store or at a call, started again, run twice. Below it the
// clouds, the network and the disk fail in the kinds that the seed leaves
// switched on. Everything above the sockets is weir's own code, stacked as
// cmd/weir stacks it; the clouds are the emulator; the store is
// statetest.Memory behind a disk that can fail, and SQLite where a process is
// cut dead.
//
// The invariants, by their names in messages:
//
//   - I1 when the faults stop, weir comes to rest within a bounded time, and
//     what is declared holds in the clouds, but for what it says it leaves;
//   - I2 no call is above a quota, in any sliding window, as the clouds count;
//   - I3 nothing is written that was not declared, nothing is removed that weir
//     did not apply, and no removal lacks its app;
//   - I4 what is said to be in sync is so;
//   - I5 what must not happen twice does not;
//   - I6 a plan beyond a guard has no effect without consent to that plan;
//   - I7 nothing on air is interrupted by a removal without consent;
//   - I8 the state can be read at every instant;
//   - I9 no write goes out without its intent in the store;
//   - I10 a dry run writes nothing;
//   - I11 a refused revision causes no call;
//   - I12 what was not read is never said to be in sync;
//   - I13 what is decided about what has changed alone is what is decided about
//     everything.
//
// Every random number is derived from the seed, what it is for and how often
// that was asked before, never taken from a stream that goroutines share, and
// every call and write takes a time of its own to the nanosecond, so that no
// order is left to the scheduler: a seed repeats bit for bit.
package simulation
