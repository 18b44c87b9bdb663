package etcdstate

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/sync/etcd"
	"weir/sync/resource"
	"weir/sync/state"
)

// knowing opens the store of one that knows some formats.
func knowing(t *testing.T, prefix string, formats ...format) *Store {
	t.Helper()
	s, err := open(context.Background(), cluster.Conn(t, prefix), Options{}, formats)
	must(t, err)
	t.Cleanup(func() { shut(t, s) })
	return s
}

func expectFault(t *testing.T, what string, err error, want state.Fault) {
	t.Helper()
	if state.FaultOf(err) != want {
		t.Errorf("%s: got %v, want %s", what, err, want)
	}
}

// writes are one of each sort.
func writes(t *testing.T, s *Store) map[string]error {
	ctx := t.Context()
	_, opened := s.Open(ctx, state.Entry{Account: "a", Write: true})
	return map[string]error{
		"save": s.Save(ctx, recordOf("x", 1)), "save many": s.Save(ctx, recordsOf("many", 200, 1)...),
		"forget": s.Forget(ctx, recordOf("x", 1).ID), "begin": s.Begin(ctx, actOfTest("x", time.Now().String())),
		"mark":  s.SetMark(ctx, state.Mark{Source: "s", Role: state.Held, Revision: "1"}),
		"claim": s.Claim(ctx, time.Now().String(), time.Now(), ""), "open": opened,
		"consent": s.Consent(ctx, state.Consent{Plan: "p", Given: time.Unix(1, 0), Expires: time.Unix(2, 0)}),
		"post":    s.Post(ctx, "a", []resource.Observation{seenOf("a", time.Now().String(), 1, time.Now())}, nil),
	}
}

// TestFailure_P16_Upgrade: a newer weir writes the old format until all know the new one,
// and brings the content to it while others write.
// TestFailure_P17_Downgrade: then the older one reads, and its writes are refused.
func TestFailure_P16_P17_TwoFormats(t *testing.T) {
	raised := 0
	two := format{number: 2, raise: func(ctx context.Context, s *Store) error {
		raised++
		return s.Save(ctx, recordOf("raised", 2))
	}}
	old := knowing(t, "", format{number: 1})
	young := knowing(t, old.conn.Prefix(), format{number: 1}, two)
	for name, err := range writes(t, young) {
		if err != nil {
			t.Errorf("the newer one, %s: %v", name, err)
		}
	}
	must(t, young.Upgrade(t.Context(), 1))
	if young.Written() != 1 || raised != 0 {
		t.Errorf("format %d while an older weir is there", young.Written())
	}
	for name, err := range writes(t, old) {
		if err != nil {
			t.Errorf("the older one, %s: %v", name, err)
		}
	}
	must(t, young.Upgrade(t.Context(), 7), young.Upgrade(t.Context(), 7))
	if young.Written() != 2 || raised != 1 {
		t.Errorf("format %d, raised %d times", young.Written(), raised)
	}
	for name, err := range writes(t, old) {
		expectFault(t, "the older one, "+name, err, state.Newer)
	}
	if got := applied(t, old); len(got) != 201 {
		t.Errorf("the older one reads %d records", len(got))
	}
	for name, err := range writes(t, young) {
		if err != nil {
			t.Errorf("the newer one, %s: %v", name, err)
		}
	}
	late := knowing(t, old.conn.Prefix(), format{number: 1})
	expectFault(t, "one that is opened later", late.Save(t.Context(), recordOf("y", 1)), state.Newer)
}

// TestFailure_P17_UnderWay: a write that an older weir has begun when the format changes
// does not get through.
func TestFailure_P17_UnderWay(t *testing.T) {
	old := knowing(t, "", format{number: 1})
	young := knowing(t, old.conn.Prefix(), format{number: 1}, format{number: 2})
	err := old.update(t.Context(), update{
		keys: []string{"mark/x/y"},
		decide: func(v *view) ([]clientv3.Op, error) {
			must(t, young.Upgrade(t.Context(), 2))
			return []clientv3.Op{clientv3.OpPut(old.key("mark/x/y"), "torn")}, nil
		},
	})
	expectFault(t, "a write under way", err, state.Newer)
	if marks, err := young.Marks(t.Context()); err != nil || len(marks) != 0 {
		t.Errorf("%v, %v", marks, err)
	}
}

// TestFailure_P13_Fence: what another process leads by now is not written of, whole or in
// part.
func TestFailure_P13_Fence(t *testing.T) {
	conn := cluster.Conn(t, "")
	put := func(account string) etcd.Fence {
		key := conn.Key("lead", account)
		_, err := conn.Delete(t.Context(), key)
		must(t, err)
		resp, err := conn.Put(t.Context(), key, "me")
		must(t, err)
		return etcd.Fence{Key: key, Revision: resp.Header.Revision}
	}
	led := map[string]etcd.Fence{"a": put("a"), "b": put("b")}
	s := openOn(t, conn, Options{Fence: func(account string) (etcd.Fence, bool) {
		f, ok := led[account]
		return f, ok
	}})
	of := func(account string) resource.Applied {
		r := recordOf("x", 1)
		r.ID.Account = account
		return r
	}
	ctx := t.Context()
	must(t, s.Save(ctx, of("a"), of("b")))
	for name, err := range writes(t, s) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	n, err := s.Open(ctx, state.Entry{Account: "b", Write: true})
	must(t, err)
	expectFault(t, "an account that is not led", s.Save(ctx, of("a"), of("c")), state.Fenced)
	put("b") // another leads it now, and this process does not know
	changed := of("a")
	changed.Revision = "later"
	expectFault(t, "one of two", s.Save(ctx, changed, of("b")), state.Fenced)
	many := recordsOf("lost", 500, 1)
	expectFault(t, "many", s.Save(ctx, append(many, of("b"))...), state.Fenced)
	act := actOfTest("x", "late")
	act.ID.Account = "b"
	expectFault(t, "an act", s.Begin(ctx, act), state.Fenced)
	expectFault(t, "a post", s.Post(ctx, "b", []resource.Observation{seenOf("b", "k", 1, time.Now())}, nil), state.Fenced)
	_, err = s.Open(ctx, state.Entry{Account: "b", Write: true})
	expectFault(t, "an entry", err, state.Fenced)
	if _, err := s.Open(ctx, state.Entry{Account: "b"}); err != nil {
		t.Errorf("a read is journaled by whoever made it: %v", err)
	}
	if err := s.Close(ctx, n, state.Outcome{Closed: time.Now(), Code: "ok"}); err != nil {
		t.Errorf("what became of a call is true whoever leads: %v", err)
	}
	must(t, s.Save(ctx, of("a")))
	for _, r := range applied(t, s) {
		if r.Revision == "later" || strings.HasPrefix(r.ID.Key, "lost") {
			t.Errorf("%s was written", r.ID)
		}
	}
}

// TestFailure_P15_Restored: a store that is found in another etcd cluster than it was
// written in is not used, until a person says that it is meant.
func TestFailure_P15_Restored(t *testing.T) {
	s := openAt(t, "", Options{})
	must(t, s.Save(t.Context(), recordOf("x", 1)))
	g := *s.gate.Load()
	g.Cluster = "c0ffee" // as where the keys were copied
	_, err := s.conn.Put(t.Context(), s.key(formatKey), g.text())
	must(t, err)
	expectFault(t, "the one that is open", s.Save(t.Context(), recordOf("y", 1)), state.Swapped)
	_, err = Open(t.Context(), s.conn, Options{})
	expectFault(t, "one that is opened", err, state.Swapped)
	must(t, Adopt(t.Context(), s.conn))
	if got := applied(t, openAt(t, s.conn.Prefix(), Options{})); len(got) != 1 {
		t.Errorf("%d records after it was adopted", len(got))
	}
}

// TestOpen_Refuses what is no store, or none yet, or not whole.
func TestOpen_Refuses(t *testing.T) {
	conn := cluster.Conn(t, "")
	if _, err := Open(t.Context(), conn, Options{Existing: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a store that is not there: %v", err)
	}
	_, err := conn.Put(t.Context(), conn.Key("format"), "something else")
	must(t, err)
	_, err = Open(t.Context(), conn, Options{})
	expectFault(t, "a key of somebody else's", err, state.Foreign)
	s := openAt(t, "", Options{})
	must(t, s.Save(t.Context(), recordOf("x", 1)))
	_, err = s.conn.Delete(t.Context(), s.key(formatKey))
	must(t, err)
	expectFault(t, "a store without its format", s.Save(t.Context(), recordOf("y", 1)), state.Unusable)
	_, err = Open(t.Context(), s.conn, Options{})
	expectFault(t, "records without a format", err, state.Damaged)
	if _, err := Open(t.Context(), conn, Options{MaxAge: -1}); err == nil {
		t.Error("a negative age was taken")
	}
}

// TestFailure_P18_Damaged: no value is read that is not as it was written, whichever bit of
// it has flipped, nor one of another key; the fault names the key.
func TestFailure_P18_Damaged(t *testing.T) {
	s := openAt(t, "", Options{})
	r := recordOf("x", 1)
	must(t, s.Save(t.Context(), r))
	key := recordKey(r.ID)
	whole := value(key, appliedFields(r))
	if _, err := readApplied(key, []byte(whole), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := readApplied(recordKey(recordOf("y", 1).ID), []byte(whole), nil); state.FaultOf(err) != state.Damaged {
		t.Errorf("the value of another key: %v", err)
	}
	for i := range 8 * len(whole) {
		flipped := []byte(whole)
		flipped[i/8] ^= 1 << (i % 8)
		if _, err := readApplied(key, flipped, nil); err == nil {
			t.Fatalf("bit %d has flipped, and it is read", i)
		}
	}
	for i := range len(whole) {
		if _, err := readApplied(key, []byte(whole[:i]), nil); err == nil {
			t.Fatalf("it is cut at %d, and read", i)
		}
	}
	_, err := s.conn.Put(t.Context(), s.key(key), whole[:len(whole)-1]+"!")
	must(t, err)
	_, err = s.Applied(t.Context())
	if expectFault(t, "records", err, state.Damaged); err != nil && !strings.Contains(err.Error(), key) {
		t.Errorf("it names no key: %v", err)
	}
}

// TestFailure_P14_Compacted: a reader whose cursor is from before what etcd remembers reads
// everything, and one who follows goes on.
func TestFailure_P14_Compacted(t *testing.T) {
	one := openAt(t, "", Options{})
	two := openAt(t, one.conn.Prefix(), Options{})
	ctx := t.Context()
	must(t, one.Save(ctx, recordOf("x", 1)))
	c, err := two.Changes(ctx, 0)
	must(t, err)
	for i := range 20 {
		must(t, one.Save(ctx, recordOf("x", i)))
		_, err := one.conn.Compact(ctx, one.revision.Load())
		must(t, err)
		if c, err = two.Changes(ctx, c.Next); err != nil || len(c.Known) != 1 || c.Known[0].Applied.Revision != recordOf("x", i).Revision {
			t.Fatalf("round %d: %+v, %v", i, c, err)
		}
		if p, err := two.Verify(ctx); err != nil || !p.Sound() {
			t.Fatalf("%+v, %v", p, err)
		}
	}
	if c, err = two.Changes(ctx, 1); err != nil || !c.Whole {
		t.Errorf("an old cursor: %+v, %v", c, err)
	}
}
