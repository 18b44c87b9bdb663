package resource

import "time"

// Applied is what weir last made true of a resource. Only what has an Applied
// record is ever removed: the rest was never weir's.
type Applied struct {
	ID       ID        `json:"id"`
	Spec     Spec      `json:"spec"` // in normal form
	Origin   Origin    `json:"origin"`
	Revision string    `json:"revision"`
	At       time.Time `json:"at"`
	// Epoch is the lifetime the record belongs to, for kinds whose effect ends
	// with something outside weir: the ingest session of a Recording
	// (PublishTime, RFC 3339). "" for all others.
	Epoch string `json:"epoch,omitempty"`
	// Confirmed says that a read after At has shown Spec in the cloud. Until
	// then a differing read may be the cloud's read-after-write lag.
	Confirmed bool `json:"confirmed,omitempty"`
	// Heals are the latest times at which weir put back what somebody else had
	// changed, the oldest first, at most HealsKept. An edit begins anew. Where
	// weir has stopped putting back, the last one says so.
	Heals []Heal `json:"heals,omitempty"`
}

// HealsKept is how many heals a record remembers: enough to know a fight.
const HealsKept = 8

// Heal is one time at which weir put a resource back.
type Heal struct {
	At    time.Time `json:"at"`
	Found string    `json:"found"` // fingerprint of what was found in its place, or one of the marks below
}

// Found in the last Heal of a resource that weir has stopped putting back. No
// fingerprint is equal to one.
const (
	HealLeft   = "left"   // it was found changed again at that time, and left alone
	HealsAgree = "agrees" // since then it is seen as declared
)

// PutBack reports whether h is a time at which something was put back.
func (h Heal) PutBack() bool { return h.Found != HealLeft && h.Found != HealsAgree }

// Act is a call that must not happen twice: it is in the store before the call
// (Begun) and marked after it (Done).
type Act struct {
	ID    ID        `json:"id"`
	Name  string    `json:"name"`  // "region ZHJ", "start", "restart"
	Token string    `json:"token"` // what makes this one different from the last of that name
	Begun time.Time `json:"begun"`
	Done  time.Time `json:"done,omitzero"` // zero while its outcome is not known
	Ends  time.Time `json:"ends,omitzero"` // when its effect runs out, zero for never
	// Repeatable says that the cloud makes a second one harmless, so that an
	// act in doubt may simply be begun again.
	Repeatable bool `json:"repeatable,omitempty"`
}

// InDoubt reports whether the act was begun and nobody wrote how it ended: a
// crash or a lost answer. Only a person can say.
func (a Act) InDoubt() bool { return !a.Begun.IsZero() && a.Done.IsZero() }

// Observation is what a cloud said of one resource.
type Observation struct {
	ID     ID        `json:"id"`
	At     time.Time `json:"at"` // when it was asked
	Spec   Spec      `json:"spec,omitempty"`
	Exists bool      `json:"exists"` // false also for a switch at its default
	// Unreadable says why nothing is known, "" where the read succeeded. A
	// resource that could not be read is never in sync and never removed.
	Unreadable string `json:"unreadable,omitempty"`
	// Unfamiliar says that it is unreadable because it holds what this weir does not
	// know, which a write would lose: the resource is left alone.
	Unfamiliar bool `json:"unfamiliar,omitempty"`
	// Live and Epoch are the evidence for kinds that cannot be read back:
	// whether the stream is on air, and since when (RFC 3339).
	Live  bool   `json:"live,omitempty"`
	Epoch string `json:"epoch,omitempty"`
}
