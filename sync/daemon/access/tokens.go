package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"weir/sync/daemon/gate"
)

// leastToken is how short a token may be: it is checked as fast as it is sent.
const leastToken = 20

// tokenAge is how long tokens count before their files are looked at again.
const tokenAge = 5 * time.Second

// tokens know the hashes of bearer tokens, and read them again as they change.
// A token that cannot be read any longer is nobody's.
type tokens struct {
	list   []Token
	log    *slog.Logger
	faults gate.Seldom

	mu     sync.Mutex // guards what follows
	at     time.Time
	hashes []tokenHash
}

type tokenHash struct {
	name string
	sum  [sha256.Size]byte
}

func newTokens(list []Token, log *slog.Logger) *tokens { return &tokens{list: list, log: log} }

// read reads all tokens anew, and returns what is wrong with those that cannot be
// used.
func (t *tokens) read() error {
	var errs []error
	var hashes []tokenHash
	for _, one := range t.list {
		sum, err := hashOf(one)
		if err != nil {
			errs = append(errs, fmt.Errorf("web.tokens: %s: %w", one.Name, err))
			continue
		}
		hashes = append(hashes, tokenHash{one.Name, sum})
	}
	t.hashes, t.at = hashes, time.Now()
	return errors.Join(errs...)
}

func hashOf(one Token) (sum [sha256.Size]byte, err error) {
	v, err := one.Secret.Read()
	if err != nil {
		return sum, err
	}
	text := v.Reveal()
	if len(text) < leastToken || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return sum, fmt.Errorf(
			"want at least %d printed characters without spaces, as `openssl rand -hex 32` makes them", leastToken)
	}
	return sha256.Sum256([]byte(text)), nil
}

// check returns whose token it is, "" for nobody's. It takes as long whichever of
// them it is.
func (t *tokens) check(token string) string {
	sum, name := sha256.Sum256([]byte(token)), ""
	for _, one := range t.current() {
		if subtle.ConstantTimeCompare(one.sum[:], sum[:]) == 1 {
			name = one.name
		}
	}
	return name
}

func (t *tokens) current() []tokenHash {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.at) >= tokenAge {
		if err := t.read(); err != nil {
			if before, due := t.faults.Due(); due {
				t.log.Error("a token cannot be read: it is not accepted", "error", err, "unlogged", before)
			}
		}
	}
	return t.hashes
}
