package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/crypto/bcrypt"

	"weir/sync/daemon/gate"
)

// maxCost is the highest cost of a password's hash: one more takes the half of
// a second, and doubles with each.
const maxCost = 14

// proofs is how many right passwords are remembered.
const proofs = 256

// passwordRates bound how often a password that was not right before is checked:
// a check takes a core some 50 ms at the usual cost of 10.
var passwordRates = gate.Rates{
	All: 5, AllBurst: 20, Address: 1, AddressBurst: 10,
	InFlight: 8, OfAddress: 4, Addresses: 1024,
}

// users know the hashes of passwords, and which were right.
type users struct {
	hashes map[string][]byte
	decoy  []byte // the hash of nobody's password, as costly as the others
	gate   *gate.Gate
	key    []byte // of what is remembered

	checking sync.Mutex // one check at a time: the others are for the work

	mu    sync.Mutex // guards right
	right map[[sha256.Size]byte]bool
}

func newUsers(list map[string]string) (*users, error) {
	u := &users{
		hashes: map[string][]byte{}, gate: gate.New(passwordRates),
		key: []byte(rand.Text()), right: map[[sha256.Size]byte]bool{},
	}
	most := bcrypt.MinCost
	for _, name := range slices.Sorted(maps.Keys(list)) {
		cost, err := bcrypt.Cost([]byte(list[name]))
		if err != nil {
			return nil, fmt.Errorf("basic_auth_users: %s: want a bcrypt hash, as `htpasswd -nBC 10 \"\"` makes it: %w", name, err)
		}
		if cost > maxCost {
			return nil, fmt.Errorf("basic_auth_users: %s: the hash has cost %d, at most %d is checked", name, cost, maxCost)
		}
		u.hashes[name] = []byte(list[name])
		most = max(most, cost)
	}
	var err error
	u.decoy, err = bcrypt.GenerateFromPassword([]byte(rand.Text()), most)
	return u, err
}

// check reports whether a password is the user's. What was right before costs
// nothing; anything else is checked one at a time, as often as the rates let
// remote, and an unknown user takes as long as a wrong password.
func (u *users) check(name, password, remote string) (bool, error) {
	proof := u.proof(name, password)
	if u.known(proof) {
		return true, nil
	}
	leave, refusal := u.gate.Enter(remote)
	if refusal != gate.None {
		return false, errBusy
	}
	defer leave()
	hash, there := u.hashes[name]
	if !there {
		hash = u.decoy
	}
	u.checking.Lock()
	err := bcrypt.CompareHashAndPassword(hash, []byte(password))
	u.checking.Unlock()
	if err != nil || !there {
		return false, nil
	}
	u.remember(proof)
	return true, nil
}

// proof is what is remembered of a right password: nothing that tells it.
func (u *users) proof(name, password string) (out [sha256.Size]byte) {
	h := hmac.New(sha256.New, u.key)
	fmt.Fprintf(h, "%d %s %s", len(name), name, password)
	h.Sum(out[:0])
	return out
}

func (u *users) known(proof [sha256.Size]byte) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.right[proof]
}

func (u *users) remember(proof [sha256.Size]byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.right) >= proofs {
		clear(u.right)
	}
	u.right[proof] = true
}
