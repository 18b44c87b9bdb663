package gitsource

import "context"

// lock is a mutex that can be waited for until a context ends.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

// Lock waits without an end.
func (l lock) Lock() { l <- struct{}{} }

// LockUntil waits until ctx ends, and returns its error then.
func (l lock) LockUntil(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Unlock lets the next one in.
func (l lock) Unlock() { <-l }
