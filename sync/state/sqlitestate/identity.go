package sqlitestate

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"weir/sync/state"
)

// A store has an identity, in it and in a small file beside it. They part when
// the store is replaced by another host's, whose records are of things that are
// not weir's here.
const (
	identityFile  = ".id"
	identityBytes = 256 // more than any identity has
)

// identify gives the store an identity where it has none, and holds it against
// the file beside it. A store without one, which is new or was written by an
// earlier version, takes the place of the one that was there.
func (s *Store) identify(ctx context.Context) error {
	id, made, err := s.identity(ctx)
	if err != nil {
		return fmt.Errorf("read the identity: %w", err)
	}
	beside, err := readIdentity(s.path + identityFile)
	switch {
	case err != nil:
		return err
	case beside == id:
		return nil
	case beside == "" && !made:
		s.moved = true
		return nil
	case !made:
		return faulty(state.Swapped, fmt.Errorf("it is the store %s, but at this path was the store %s", id, beside))
	}
	return writeIdentity(s.path+identityFile, id)
}

// Moved reports whether the store is not known at its path: it had an identity
// when it was opened and none was beside it, so it comes from elsewhere.
func (s *Store) Moved() bool { return s.moved }

// Stay makes the store known at its path. Whoever calls it has made sure that
// what it remembers is of the accounts that are used here.
func (s *Store) Stay(ctx context.Context) error {
	id, _, err := s.identity(ctx)
	if err == nil {
		err = writeIdentity(s.path+identityFile, id)
	}
	if err != nil {
		return fmt.Errorf("write the identity: %w", s.fault(err))
	}
	s.moved = false
	return nil
}

// ID returns the store's identity, which no other store has.
func (s *Store) ID(ctx context.Context) (string, error) {
	id, _, err := s.identity(ctx)
	return id, err
}

// identity returns the store's identity, and whether it was made just now. Only
// one that has none waits for who writes.
func (s *Store) identity(ctx context.Context) (id string, made bool, err error) {
	id, err = identityOf(func(text string, args []any, into ...any) error {
		return s.read.QueryRowContext(ctx, text, args...).Scan(into...)
	})
	if !errors.Is(err, sql.ErrNoRows) {
		return id, false, err
	}
	err = s.write.submit(ctx, func(t *tx) (err error) {
		if id, err = identityOf(t.row); !errors.Is(err, sql.ErrNoRows) {
			return err // another process was first
		}
		id, made = strings.ToLower(rand.Text()), true
		_, err = t.exec("INSERT INTO identity (one, id, checksum) VALUES (1, ?, ?)", id, identitySum(id))
		return err
	})
	return id, made, err
}

func identityOf(row query) (id string, err error) {
	var sum int64
	if err := row("SELECT id, checksum FROM identity", nil, &id, &sum); err != nil {
		return "", scanned(err)
	}
	return id, verify(id, identitySum(id), sum)
}

func identitySum(id string) int64 { return digest{}.texts(id).sum() }

// readIdentity reads the file beside a store, "" where there is none.
func readIdentity(path string) (string, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err == nil && (!info.Mode().IsRegular() || info.Size() > identityBytes) {
		return "", planted(path, "it is no small plain file")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", faulty(state.Unusable, err)
	}
	return strings.TrimSpace(string(b)), nil
}

// writeIdentity writes the file beside a store, whole or not at all.
func writeIdentity(path, id string) error {
	spare, err := os.CreateTemp(filepath.Dir(path), "weir-id-*")
	if err != nil {
		return faulty(state.Unusable, err)
	}
	_, err = spare.WriteString(id + "\n")
	err = errors.Join(err, spare.Chmod(0o600), spare.Close())
	if err == nil {
		err = os.Rename(spare.Name(), path)
	}
	if err != nil {
		return faulty(state.Unusable, errors.Join(err, os.Remove(spare.Name())))
	}
	return nil
}
