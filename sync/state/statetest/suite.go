package statetest

import (
	"context"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

// Options say what a store can do beyond what its interface shows.
type Options struct {
	// Another returns a second handle on the store of s, as another process
	// has one; s stays in use. Without it the races run on one handle.
	Another func(t *testing.T, s state.Store) state.Store
	// Reopen ends s and opens its store again. Without it nothing is tested
	// about what outlives a process.
	Reopen func(t *testing.T, s state.Store) state.Store
}

// Run tests that what open returns, a new and empty store each time, is a
// state.Store.
func Run(t *testing.T, open func(t *testing.T) state.Store, o Options) {
	if o.Another == nil {
		o.Another = func(_ *testing.T, s state.Store) state.Store { return s }
	}
	tests := map[string]func(*testing.T, state.Store){
		"Applied/order":            appliedOrder,
		"Applied/round trip":       appliedRoundTrip,
		"Save/replaces":            saveReplaces,
		"Save/all or none":         saveAllOrNone,
		"Save/ten thousand":        saveMany,
		"Save/nothing":             saveNothing,
		"Forget/record and acts":   forgetRecordAndActs,
		"Changes/none":             changesNone,
		"Changes/what was written": changesWritten,
		"Acts/order":               actsOrder,
		"Begin/transitions":        actTransitions,
		"Begin/fields":             actFields,
		"Begin/refuses":            beginRefuses,
		"Marks/set and removed":    marksSet,
		"Marks/refuses":            marksRefuse,
		"Consent/once":             consentOnce,
		"Consent/refuses":          consentRefuses,
		"Claim/once":               claimOnce,
		"Journal/round trip":       journalRoundTrip,
		"Journal/outcome at once":  journalOutcomeAtOnce,
		"Journal/queries":          journalQueries,
		"Journal/default limit":    journalDefaultLimit,
		"Journal/close":            journalClose,
		"Journal/refuses":          journalRefuses,
		"Journal/not shared":       journalNotShared,
		"Verify/sound":             verifySound,
		"Verify/noted heads":       verifyNoted,
		"Verify/links":             verifyLinks,
		"context ended":            contextEnded,
		"several writers at once":  severalWriters,
		"behaves like the model":   likeModel,
		"odd text":                 oddText,
		"times/zone and zero kept": timesKept,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
	t.Run("race for an act", func(t *testing.T) {
		s := open(t)
		raceForActs(t, s, o.Another(t, s))
	})
	t.Run("race for a consent and a claim", func(t *testing.T) {
		s := open(t)
		raceForConsent(t, s, o.Another(t, s))
	})
	t.Run("seen by another handle", func(t *testing.T) {
		s := open(t)
		seenByAnother(t, s, o.Another(t, s))
	})
	t.Run("followed by another handle", func(t *testing.T) {
		s := open(t)
		followedByAnother(t, s, o.Another(t, s))
	})
	if o.Reopen != nil {
		t.Run("outlives its process", func(t *testing.T) { outlives(t, open(t), o.Reopen) })
	}
}

// epoch is the time from which the suite counts.
func epoch() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC) }

func id(key string) resource.ID {
	return resource.ID{Account: "main", Kind: "RelaySource", Key: key}
}

// record is a complete record.
func record(key string) resource.Applied {
	return resource.Applied{
		ID: id(key), Spec: `{"vhost":"push.example.com","groups":[{"name":"a"}]}`,
		Origin: resource.Origin{
			Source: "live", File: "a/b.yaml", Line: 7, Commit: "c0ffee", Author: "Ann <ann@example.com>",
		},
		Revision: "c0ffee", At: epoch(), Epoch: "2026-03-01T11:00:00Z", Confirmed: true,
		Heals: []resource.Heal{{At: epoch().Add(-time.Hour), Found: "c0ffee00"}, {At: epoch(), Found: "0ff1ce00"}},
	}
}

// act is an act that was just begun.
func act(key, name, token string) resource.Act {
	return resource.Act{ID: id(key), Name: name, Token: token, Begun: epoch(), Ends: epoch().Add(time.Hour)}
}

// entry is a call that was not answered yet.
func entry(operation string) state.Entry {
	return state.Entry{
		Opened: epoch(), Account: "main", Operation: operation, Write: true, Resource: id("v/live").String(),
		Params:   map[string]any{"Vhost": "v", "App": "live"},
		Origin:   resource.Origin{Source: "live", File: "a.yaml", Line: 3, Commit: "c0ffee", Author: "Ann"},
		Revision: "c0ffee", Plan: "9a7d", Process: "host:4711",
		Change: &state.Change{Action: "update", Reason: "edited", Before: `{"n":1}`, After: `{"n":2}`},
	}
}

func noError(t tb, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func applied(t tb, s state.Store) []resource.Applied {
	t.Helper()
	got, err := s.Applied(context.Background())
	noError(t, err)
	return got
}

func acts(t tb, s state.Store) []resource.Act {
	t.Helper()
	got, err := s.Acts(context.Background())
	noError(t, err)
	return got
}

func journal(t tb, s state.Store, q state.Query) []state.Entry {
	t.Helper()
	got, err := s.Journal(context.Background(), q)
	noError(t, err)
	return got
}

// tb is what the suite needs of a *testing.T or a *rapid.T.
type tb interface {
	Helper()
	Fatal(args ...any)
}
