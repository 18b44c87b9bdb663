package sqlitestate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

// world is what the stores that get damaged hold.
type world struct {
	applied  []resource.Applied
	acts     []resource.Act
	marks    []state.Mark
	consents []state.Consent
	claimed  bool // what may happen once has happened
}

func newWorld() world { return worldOf(40) }

func worldOf(n int) world {
	at := time.Unix(0, 1).UTC()
	w := world{
		marks:    []state.Mark{{Source: "live", Role: state.Accepted, Revision: "c0ffee", At: at}},
		consents: []state.Consent{{Plan: "9a7d", Given: at, Expires: at.Add(time.Hour), By: "ann", Used: at, UsedBy: "host:1"}},
		claimed:  true,
	}
	for i := range n {
		r := benchRecord(i)
		a := resource.Act{ID: r.ID, Name: "start", Token: "1", Begun: time.Unix(0, int64(i)).UTC()}
		w.applied, w.acts = append(w.applied, r), append(w.acts, a)
	}
	return w
}

// save writes w to a new store, a few calls too, and returns the bytes of its
// one file.
func (w world) save(t testing.TB) []byte {
	t.Helper()
	s := openAt(t, newPath(t), Options{})
	must(t, s.Save(t.Context(), w.applied...))
	for _, a := range w.acts {
		must(t, s.Begin(t.Context(), a))
		_, err := s.Open(t.Context(), benchEntry())
		must(t, err)
	}
	for _, m := range w.marks {
		must(t, s.SetMark(t.Context(), m))
	}
	for _, c := range w.consents {
		must(t, s.Consent(t.Context(), c), s.UseConsent(t.Context(), c.Plan, c.Used, c.UsedBy))
	}
	must(t, s.Claim(t.Context(), "plan 1", time.Unix(0, 1), "host:1"))
	shut(t, s)
	b, err := os.ReadFile(s.Path())
	must(t, err)
	return b
}

// load opens the store at path and reads what decides.
func load(ctx context.Context, path string) (w world, err error) {
	s, err := Open(ctx, path, Options{})
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, s.Shut()) }()
	if w.applied, err = s.Applied(ctx); err != nil {
		return w, err
	}
	if w.acts, err = s.Acts(ctx); err != nil {
		return w, err
	}
	if w.marks, err = s.Marks(ctx); err != nil {
		return w, err
	}
	if w.consents, err = s.Consents(ctx); err != nil {
		return w, err
	}
	err = s.Claim(ctx, "plan 1", time.Unix(0, 2), "host:2")
	if w.claimed = errors.Is(err, state.ErrClaimed); w.claimed {
		err = nil
	}
	return w, err
}

func TestFailure_P18_DamagedFile(t *testing.T) {
	whole := newWorld().save(t)
	text := strings.Repeat("x", pageSize)
	zeros := func(b []byte, from, to int) []byte { clear(b[from:to]); return b }
	cases := map[string]struct {
		damage func(b []byte) []byte
		want   state.Fault
	}{
		"one byte":             {func(b []byte) []byte { return b[:1] }, state.Damaged},
		"half a header":        {func(b []byte) []byte { return b[:50] }, state.Damaged},
		"the header only":      {func(b []byte) []byte { return b[:headerSize] }, state.Damaged},
		"the first page only":  {func(b []byte) []byte { return b[:pageSize] }, state.Damaged},
		"half":                 {func(b []byte) []byte { return b[:len(b)/2] }, state.Damaged},
		"without its last":     {func(b []byte) []byte { return b[:len(b)-1] }, state.Damaged},
		"without its end":      {func(b []byte) []byte { return b[:len(b)-pageSize] }, state.Damaged},
		"zeros":                {func(b []byte) []byte { return make([]byte, len(b)) }, state.Damaged},
		"zeros in the header":  {func(b []byte) []byte { return zeros(b, 0, headerSize) }, state.Damaged},
		"zeros in the schema":  {func(b []byte) []byte { return zeros(b, headerSize, pageSize) }, state.Damaged},
		"zeros in a table":     {func(b []byte) []byte { return zeros(b, pageSize, 2*pageSize) }, state.Damaged},
		"zeros at the end":     {func(b []byte) []byte { return zeros(b, len(b)-pageSize, len(b)) }, state.Damaged},
		"first bit":            {func(b []byte) []byte { b[0] ^= 1; return b }, state.Foreign},
		"bit of the page size": {func(b []byte) []byte { b[16] ^= 1; return b }, state.Damaged},
		"bit of the format":    {func(b []byte) []byte { b[formatAt+3] ^= byte(len(schema())); return b }, state.Damaged},
		"bit of the mark":      {func(b []byte) []byte { b[applicationAt] ^= 1; return b }, state.Foreign},
		"text over a page":     {func(b []byte) []byte { copy(b[pageSize:], text); return b }, state.Damaged},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			damaged := c.damage(append([]byte(nil), whole...))
			must(t, os.WriteFile(path, damaged, 0o600))
			refused(t, path, c.want, "move")
			if after, err := os.ReadFile(path); err != nil || string(after) != string(damaged) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

// flip loads a store with one bit flipped and reports whether that was found.
// It fails where something else is read than what was written.
func flip(t *testing.T, path string, whole []byte, bit int, want world) bool {
	t.Helper()
	whole[bit/8] ^= 1 << (bit % 8)
	defer func() { whole[bit/8] ^= 1 << (bit % 8) }()
	must(t, os.WriteFile(path, whole, 0o600))
	got, err := load(t.Context(), path)
	if err != nil && state.FaultOf(err) == "" || err == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("bit %d of byte %d: read what was not written, error %v", bit%8, bit/8, err)
	}
	return err != nil
}

// TestFailure_P18_FlippedBits flips single bits: either the store says that it
// is damaged, or what it gives back is exactly what was written.
func TestFailure_P18_FlippedBits(t *testing.T) {
	want := newWorld()
	whole := want.save(t)
	path := newPath(t)
	random := rand.New(rand.NewPCG(1, 2))
	var found, harmless int
	for i := range 500 {
		bit := random.IntN(len(whole) * 8)
		if i < headerSize {
			bit = i*8 + random.IntN(8) // one in every byte of the header
		}
		if flip(t, path, whole, bit, want) {
			found++
		} else {
			harmless++ // in the journal, in free space, or in what SQLite corrects
		}
	}
	t.Logf("%d flips were found, %d without effect", found, harmless)
	if found < 100 {
		t.Errorf("only %d flips were found: the test does not hit what decides", found)
	}
}

// TestFailure_P18_EveryByteThatDecides flips bits in each byte of the pages on
// which records, acts, marks, consents and claims are: none goes unseen. Two of
// each byte's take 3 s; all of them, by WEIR_ALL_BITS=1, 10 s.
func TestFailure_P18_EveryByteThatDecides(t *testing.T) {
	want := worldOf(1)
	whole := want.save(t)
	path := newPath(t)
	must(t, os.WriteFile(path, whole, 0o600))
	s := openAt(t, path, Options{})
	var pages []int64
	for _, table := range []string{"applied", "acts", "marks", "consents", "claims"} {
		pages = append(pages, rootPage(t, s, table))
	}
	shut(t, s)
	step := 4
	if os.Getenv("WEIR_ALL_BITS") != "" {
		step = 1
	}
	var found, harmless int
	for _, page := range pages {
		for at := (page - 1) * pageSize; at < page*pageSize; at++ {
			if whole[at] == 0 {
				continue // free space, mostly
			}
			for bit := int(at) % step; bit < 8; bit += step {
				if flip(t, path, whole, int(at)*8+bit, want) {
					found++
				} else {
					harmless++
				}
			}
		}
	}
	t.Logf("%d flips were found, %d without effect", found, harmless)
	if found < 500 {
		t.Errorf("only %d flips were found: the test does not hit what decides", found)
	}
}

// forge changes the store behind its methods.
func forge(t *testing.T, s *Store, statement string) {
	t.Helper()
	must(t, s.write.submit(t.Context(), func(t *tx) error { _, err := t.exec(statement); return err }))
}

// TestFailure_P18_ForgedRow changes a row by SQL, as a bit that flips in
// memory would: a record of another name would be removed from the cloud.
func TestFailure_P18_ForgedRow(t *testing.T) {
	cases := map[string]string{
		"key":        "UPDATE applied SET key = 'push.example.com/app000002x' WHERE key = 'push.example.com/app000002'",
		"spec":       "UPDATE applied SET spec = replace(spec, 'origin-a', 'origin-c') WHERE key LIKE '%02'",
		"confirmed":  "UPDATE applied SET confirmed = 0 WHERE key LIKE '%02'",
		"time":       "UPDATE applied SET at = at + 1 WHERE key LIKE '%02'",
		"no time":    "UPDATE applied SET at = NULL WHERE key LIKE '%02'",
		"type":       "UPDATE applied SET line = 'twelve' WHERE key LIKE '%02'",
		"checksum":   "UPDATE applied SET checksum = checksum + 1 WHERE key LIKE '%02'",
		"mark":       "UPDATE marks SET revision = 'c0ffef'",
		"consent":    "UPDATE consents SET used = NULL",
		"claim":      "UPDATE claims SET name = 'plan 2'",
		"act done":   "UPDATE acts SET done = 1 WHERE key LIKE '%02'",
		"act token":  "UPDATE acts SET token = '2' WHERE key LIKE '%02'",
		"no table":   "DROP TABLE acts",
		"other type": "UPDATE acts SET begun = 'then' WHERE key LIKE '%02'",
	}
	w := newWorld()
	whole := w.save(t)
	for name, statement := range cases {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			must(t, os.WriteFile(path, whole, 0o600))
			s := openAt(t, path, Options{})
			forge(t, s, statement)
			shut(t, s)
			if _, err := load(t.Context(), path); state.FaultOf(err) != state.Damaged {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestFailure_P18_ForgedAct makes sure that an act whose row is damaged is
// neither begun nor settled.
func TestFailure_P18_ForgedAct(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	a := newWorld().acts[0]
	must(t, s.Begin(t.Context(), a))
	forge(t, s, "UPDATE acts SET token = 'x'")
	if err := s.Begin(t.Context(), a); state.FaultOf(err) != state.Damaged {
		t.Errorf("begin: %v", err)
	}
	a.Done = a.Begun
	if err := s.Settle(t.Context(), a); state.FaultOf(err) != state.Damaged {
		t.Errorf("settle: %v", err)
	}
}

// TestFailure_P18_DamageInLargeFile looks at the part of a file beyond
// fullCheck: what decides is still checked, the rest only by Check.
func TestFailure_P18_DamageInLargeFile(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	must(t, s.Save(t.Context(), newWorld().applied...))
	e := benchEntry()
	e.Params = map[string]any{"Text": strings.Repeat("x", 1<<20)}
	for range fullCheck>>20 + 2 {
		_, err := s.Open(t.Context(), e)
		must(t, err)
	}
	root := rootPage(t, s, "applied")
	shut(t, s)
	zero := func(page int64) {
		f, err := os.OpenFile(s.Path(), os.O_RDWR, 0)
		must(t, err)
		_, err = f.WriteAt(make([]byte, pageSize), (page-1)*pageSize)
		must(t, err, f.Close())
	}
	zero(15_000) // an overflow page of the journal
	s = openAt(t, s.Path(), Options{})
	if got := records(t, s); !reflect.DeepEqual(got, newWorld().applied) {
		t.Error("records are not what was saved")
	}
	if err := s.Check(t.Context()); state.FaultOf(err) != state.Damaged {
		t.Errorf("check: %v", err)
	}
	shut(t, s)
	zero(root)
	refused(t, s.Path(), state.Damaged, "check the file")
}

func rootPage(t *testing.T, s *Store, table string) (page int64) {
	t.Helper()
	must(t, s.read.QueryRowContext(t.Context(), "SELECT rootpage FROM sqlite_schema WHERE name = ?", table).Scan(&page))
	return page
}

func TestFailure_P17_NewerFormatIsLeftAlone(t *testing.T) {
	whole := newWorld().save(t)
	binary.BigEndian.PutUint32(whole[formatAt:], uint32(len(schema()))+1)
	path := newPath(t)
	must(t, os.WriteFile(path, whole, 0o600))
	refused(t, path, state.Newer, fmt.Sprintf("format %d, this weir knows up to %d; use the weir that wrote it", len(schema())+1, len(schema())))
	after, err := os.ReadFile(path)
	must(t, err)
	if string(after) != string(whole) {
		t.Error("the file was changed")
	}
	if names, err := os.ReadDir(strings.TrimSuffix(path, "weir.db")); err != nil || len(names) != 1 {
		t.Errorf("files were left beside it: %v, %v", names, err)
	}
}

// TestFailure_P17_NewerFormatInTheLog has the newer format only in the
// write-ahead log, as after a crash of the newer weir.
func TestFailure_P17_NewerFormatInTheLog(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	must(t, s.Save(t.Context(), benchRecord(1)))
	forge(t, s, "PRAGMA user_version=9")
	refused(t, s.Path(), state.Newer, "format 9")
	if got := records(t, s); !reflect.DeepEqual(got, []resource.Applied{benchRecord(1)}) {
		t.Errorf("records %v", got)
	}
}

// TestFailure_P19_DeletedWhileClosed starts anew: nothing is owned.
func TestFailure_P19_DeletedWhileClosed(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	must(t, s.Save(t.Context(), benchRecord(1)))
	shut(t, s)
	for _, leave := range []bool{false, true} { // gone, or cut to nothing
		must(t, os.Remove(s.Path()))
		if leave {
			must(t, os.WriteFile(s.Path(), nil, 0o600))
		}
		again := openAt(t, s.Path(), Options{})
		if got := records(t, again); len(got) != 0 {
			t.Errorf("records %v", got)
		}
		shut(t, again)
	}
}
