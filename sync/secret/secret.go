// Package secret holds values that must never be printed, and where they come
// from: names of environment variables and paths of files, never the values
// themselves.
package secret

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"unique"
)

// Redacted is what a Secret prints as.
const Redacted = "[redacted]"

// MaxFile is the largest secret file that is read, in bytes.
const MaxFile = 64 << 10

// Secret is a text that prints as "[redacted]" through fmt, slog, JSON and
// text encoders. The zero Secret is empty; two are equal when their values are.
type Secret struct {
	// handle is a pointer behind fmt's back: where a Secret is in an unexported
	// field of what is printed, fmt cannot call its methods and prints its
	// fields, which must not be the value.
	handle unique.Handle[string]
}

// New wraps value.
func New(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{unique.Make(value)}
}

// Reveal returns the value; call it only where it is used.
func (s Secret) Reveal() string {
	if s.Empty() {
		return ""
	}
	return s.handle.Value()
}

// Empty reports whether there is no value.
func (s Secret) Empty() bool { return s == Secret{} }

// String returns "[redacted]".
func (s Secret) String() string { return Redacted }

// GoString returns "[redacted]".
func (s Secret) GoString() string { return Redacted }

// Format writes "[redacted]" whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// LogValue returns "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText writes "[redacted]"; encoding/json uses it too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// Ref says where a secret is: an environment variable or a file. The zero Ref
// holds none.
type Ref struct {
	Env  string
	File string
}

// Read reads the secret anew, so that a rotated key is seen. Surrounding white
// space of a file is not part of it.
func (r Ref) Read() (Secret, error) {
	switch {
	case r.Env != "":
		v, ok := os.LookupEnv(r.Env)
		if !ok || v == "" {
			return Secret{}, fmt.Errorf("environment variable %s is not set", r.Env)
		}
		return New(v), nil
	case r.File != "":
		return readFile(r.File)
	}
	return Secret{}, nil
}

func readFile(path string) (Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return Secret{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return Secret{}, fmt.Errorf("read secret: %w", err)
	}
	v := strings.TrimSpace(string(b))
	if v == "" || len(b) > MaxFile {
		return Secret{}, fmt.Errorf("secret file %s is empty or larger than %d bytes", path, MaxFile)
	}
	return New(v), nil
}

// Key is an access key of a cloud account.
type Key struct {
	ID     string
	Secret Secret
	Token  Secret // of a temporary (STS) key, else empty
}

// KeyRef says where the parts of a Key are.
type KeyRef struct{ ID, Secret, Token Ref }

// Read reads all parts anew.
func (r KeyRef) Read() (Key, error) {
	id, err := r.ID.Read()
	if err != nil {
		return Key{}, fmt.Errorf("access key id: %w", err)
	}
	sec, err := r.Secret.Read()
	if err != nil {
		return Key{}, fmt.Errorf("access key secret: %w", err)
	}
	tok, err := r.Token.Read()
	if err != nil {
		return Key{}, fmt.Errorf("session token: %w", err)
	}
	if id.Empty() || sec.Empty() {
		return Key{}, fmt.Errorf("no access key is configured")
	}
	return Key{ID: id.Reveal(), Secret: sec, Token: tok}, nil
}
