package etcdstate

import (
	"fmt"
	"strings"

	"weir/sync/etcd"
	"weir/sync/resource"
	"weir/sync/state"
)

// The keys beneath the prefix; see the package's comment.
const (
	formatKey    = "format"
	batchKey     = "batch"
	tickAll      = "tick/"
	tickRecords  = "tick/records"
	tickMarks    = "tick/marks"
	tickConsents = "tick/consents"
	tickPosts    = "tick/posts"

	recordsAt  = "rec/"
	actsAt     = "act/"
	marksAt    = "mark/"
	consentsAt = "consent/"
	claimsAt   = "claim/"
	stagedAt   = "staged/"
	chunksAt   = "chunk/"
)

// key is a key as etcd knows it.
func (s *Store) key(below string) string { return s.conn.Prefix() + below }

// below is the part of a key that the store gave it.
func (s *Store) below(key []byte) string { return strings.TrimPrefix(string(key), s.conn.Prefix()) }

func recordKey(id resource.ID) string { return recordsAt + id.String() }

func recordID(key string) (resource.ID, error) {
	id, err := resource.ParseID(strings.TrimPrefix(key, recordsAt))
	if err != nil {
		return id, damaged(key, err)
	}
	return id, nil
}

// actsOf is what the keys of all acts of a resource begin with.
func actsOf(id resource.ID) string {
	return actsAt + id.Account + "/" + id.Kind + "/" + etcd.Escape(id.Key) + "/"
}

func actKey(id resource.ID, name string) string { return actsOf(id) + etcd.Escape(name) }

func actOf(key string) (a resource.Act, err error) {
	parts := strings.Split(strings.TrimPrefix(key, actsAt), "/")
	if len(parts) != 4 {
		return a, damaged(key, fmt.Errorf("it has %d parts", len(parts)))
	}
	a.ID = resource.ID{Account: parts[0], Kind: parts[1], Key: etcd.Unescape(parts[2])}
	a.Name = etcd.Unescape(parts[3])
	return a, nil
}

func markKey(source string, role state.Role) string {
	return marksAt + etcd.Escape(source) + "/" + etcd.Escape(string(role))
}

func markOf(key string) (m state.Mark, err error) {
	source, role, found := strings.Cut(strings.TrimPrefix(key, marksAt), "/")
	if !found {
		return m, damaged(key, fmt.Errorf("it names no role"))
	}
	return state.Mark{Source: etcd.Unescape(source), Role: state.Role(etcd.Unescape(role))}, nil
}

func consentKey(plan string) string { return consentsAt + etcd.Escape(plan) }

func claimKey(name string) string { return claimsAt + etcd.Escape(name) }

func stagedKey(batch string) string { return stagedAt + batch }

// chunksOf is what the keys of all chunks of a batch begin with.
func chunksOf(batch string) string { return chunksAt + batch + "/" }

func chunkKey(batch string, n int) string { return fmt.Sprintf("%s%06d", chunksOf(batch), n) }
