package etcdstate

import (
	"context"
	"errors"
	"fmt"

	"weir/sync/etcd"
	"weir/sync/state"
)

// advice says what a person can do about a fault.
func advice(f state.Fault) string {
	switch f {
	case state.Damaged:
		return "restore etcd from a backup, or remove the key that is named: a record without which the resource does not " +
			"count as weir's, or an act that is forgotten then"
	case state.Foreign:
		return "choose another prefix for the state; weir leaves what is there as it is"
	case state.Swapped:
		return "connect weir to the etcd that was there; if this one is meant, as after a restore from a backup, " +
			"look at what was applied since, then say `weir state adopt`"
	case state.Newer:
		return "use the weir that wrote it or a newer one; reading goes on"
	case state.Full:
		return "make room in etcd (compact, defragment, disarm its alarm) or raise its quota; " +
			"nothing is applied until writing works again"
	case state.Busy:
		return "others write too often; look for one that writes without pause"
	case state.Unusable:
		return "weir needs a majority of etcd's members, and a user who may read and write under the prefix; it goes on by itself"
	case state.Fenced:
		return "another process leads the account now"
	}
	return ""
}

// fault makes a *state.Error of trouble with etcd; a context's errors and answers pass
// through. Callers add what they were doing around it.
func (s *Store) fault(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && (lost(err) || errors.Is(err, ctx.Err())) {
		return ctx.Err()
	}
	trouble := state.Error{Err: err}
	if known, ok := errors.AsType[*state.Error](err); ok {
		trouble = *known
	} else if trouble.Fault = classify(err); trouble.Fault == "" {
		return err
	}
	if trouble.Path = s.path; trouble.Advice == "" {
		trouble.Advice = advice(trouble.Fault)
	}
	return &trouble
}

// classify returns the fault that a trouble with etcd stands for, "" for none.
func classify(err error) state.Fault {
	switch etcd.TroubleOf(err) {
	case "":
		return ""
	case etcd.Full:
		return state.Full
	case etcd.Restored:
		return state.Swapped
	}
	return state.Unusable
}

// lost reports whether nobody knows if what failed with err was carried out.
func lost(err error) bool { return etcd.TroubleOf(err) == etcd.Away }

// faulty makes a *state.Error; fault completes it.
func faulty(f state.Fault, err error) error { return &state.Error{Fault: f, Err: err} }

// damaged says that what is kept under a key is not what was written.
func damaged(key string, err error) error {
	return faulty(state.Damaged, fmt.Errorf("key %s: %w", key, err))
}

func swapped(was, is string) error {
	return faulty(state.Swapped, fmt.Errorf("it was written in the etcd cluster %s, and this is the cluster %s", was, is))
}
