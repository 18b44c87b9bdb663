package etcdcluster

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/cluster"
	"weir/sync/etcd"
)

// Where things are, under the connection's prefix. What is there hangs on the lease of
// the member that put it, triggers apart.
const (
	inMembers  = "members"  // by ID: a cluster.Member
	inLead     = "lead"     // by account: a cluster.Leader
	inWish     = "wish"     // by the command's ID and a number: a cluster.Wish
	inTriggers = "triggers" // by source: a cluster.Trigger
)

var places = []string{inMembers, inLead, inWish, inTriggers}

// held is what a key holds.
type held[T any] struct {
	value   T
	created int64 // revision
	written int64 // revision, of its removal where it is gone
	lease   clientv3.LeaseID
	gone    bool // by this process's own request, and the watch has not shown it yet
}

// shelf is the keys of one place. What the watch shows and what this process has done
// itself may come in any order: of each key what is of the later revision counts.
type shelf[T any] map[string]held[T]

func (s shelf[T]) put(name string, h held[T]) {
	if old, ok := s[name]; !ok || old.written < h.written {
		s[name] = h
	}
}

// remove is that a key was gone at a revision, as the watch shows it.
func (s shelf[T]) remove(name string, revision int64) {
	if old, ok := s[name]; ok && old.written <= revision {
		delete(s, name)
	}
}

// away is that this process has removed a key.
func (s shelf[T]) away(name string, revision int64) {
	if old, ok := s[name]; ok && old.written < revision {
		s[name] = held[T]{written: revision, gone: true}
	}
}

// only drops what was not there at a revision.
func (s shelf[T]) only(there map[string]bool, revision int64) {
	maps.DeleteFunc(s, func(name string, h held[T]) bool { return !there[name] && h.written <= revision })
}

// board is what is known of the cluster.
type board struct {
	members  shelf[cluster.Member]
	lead     shelf[cluster.Leader]
	wish     shelf[cluster.Wish]
	triggers shelf[cluster.Trigger]
	wishes   int64 // revision up to which all wishes are known
}

func newBoard() *board {
	return &board{
		members: shelf[cluster.Member]{}, lead: shelf[cluster.Leader]{}, wish: shelf[cluster.Wish]{},
		triggers: shelf[cluster.Trigger]{},
	}
}

// put notes a key. What cannot be read is as if it were not there: a newer member may
// have written it.
func (b *board) put(place, name string, kv *mvccpb.KeyValue) {
	switch place {
	case inMembers:
		put(b.members, name, kv, func(m *cluster.Member, _ int64) { m.ID = name })
	case inLead:
		put(b.lead, name, kv, func(l *cluster.Leader, term int64) { l.Account, l.Term = name, term })
	case inWish:
		put(b.wish, name, kv, nil)
		b.wishes = max(b.wishes, kv.ModRevision)
	case inTriggers:
		put(b.triggers, name, kv, nil)
	}
}

func put[T any](s shelf[T], name string, kv *mvccpb.KeyValue, name2 func(*T, int64)) {
	h := held[T]{created: kv.CreateRevision, written: kv.ModRevision, lease: clientv3.LeaseID(kv.Lease)}
	_ = json.Unmarshal(kv.Value, &h.value)
	if name2 != nil {
		name2(&h.value, h.created)
	}
	s.put(name, h)
}

func (b *board) remove(place, name string, revision int64) {
	switch place {
	case inMembers:
		b.members.remove(name, revision)
	case inLead:
		b.lead.remove(name, revision)
	case inWish:
		b.wish.remove(name, revision)
	case inTriggers:
		b.triggers.remove(name, revision)
	}
}

// whole replaces everything by what was read at a revision.
func (b *board) whole(kvs map[string][]*mvccpb.KeyValue, prefix func(place string) string, revision int64) {
	for _, place := range places {
		there := map[string]bool{}
		for _, kv := range kvs[place] {
			name := nameOf(kv.Key, prefix(place))
			there[name] = true
			b.put(place, name, kv)
		}
		switch place {
		case inMembers:
			b.members.only(there, revision)
		case inLead:
			b.lead.only(there, revision)
		case inWish:
			b.wish.only(there, revision)
		case inTriggers:
			b.triggers.only(there, revision)
		}
	}
	b.wishes = max(b.wishes, revision)
}

func nameOf(key []byte, prefix string) string {
	return etcd.Unescape(strings.TrimPrefix(string(key), prefix))
}

// view returns what is known as members see it.
func (b *board) view(self string) cluster.View {
	v := cluster.View{Self: self, Leaders: map[string]cluster.Leader{}}
	for _, h := range b.members {
		if !h.gone {
			v.Members = append(v.Members, h.value)
		}
	}
	slices.SortFunc(v.Members, func(a, b cluster.Member) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	for account, h := range b.lead {
		if !h.gone {
			v.Leaders[account] = h.value
		}
	}
	return v
}

// inTurn returns the wishes in the order in which they are granted.
func (b *board) inTurn() []cluster.Wish {
	var all []held[cluster.Wish]
	for _, h := range b.wish {
		if !h.gone {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(a, b held[cluster.Wish]) int { return cmp.Compare(a.created, b.created) })
	out := make([]cluster.Wish, 0, len(all))
	for _, h := range all {
		out = append(out, h.value)
	}
	return out
}
