package main

import (
	"context"
	"sync"

	"weir/sync/call"
	"weir/sync/secret"
)

// renewal notices that an account's key is another one than at its last call,
// and lets its calls through again: a refused key stops an account for minutes,
// which the right one need not wait for.
type renewal struct {
	next    call.Caller
	circuit *call.Circuit
	keys    map[string]func() (secret.Key, error) // by account

	mu   sync.Mutex
	last map[string]secret.Key
}

func newRenewal(next call.Caller, circuit *call.Circuit, keys map[string]func() (secret.Key, error)) *renewal {
	return &renewal{next: next, circuit: circuit, keys: keys, last: map[string]secret.Key{}}
}

// Call looks at the key and makes the call.
func (r *renewal) Call(ctx context.Context, req *call.Request) (*call.Response, error) {
	if read, ok := r.keys[req.Account]; ok {
		if key, err := read(); err == nil {
			r.note(req.Account, key)
		}
	}
	return r.next.Call(ctx, req)
}

func (r *renewal) note(account string, key secret.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, known := r.last[account]
	r.last[account] = key
	if known && last != key {
		r.circuit.Reset(account)
	}
}
