package sqlitestate

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

// golden unpacks a file that the weir of that format wrote, once, and returns
// its path. Such a file is never written again.
func golden(t *testing.T, version int) string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", fmt.Sprintf("format%d.db.gz", version)))
	must(t, err)
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	must(t, err)
	b, err := io.ReadAll(unpacked)
	path := newPath(t)
	must(t, err, os.WriteFile(path, b, 0o600))
	return path
}

// content is everything a store holds.
type content struct {
	applied []resource.Applied
	acts    []resource.Act
	marks   []state.Mark
	entries []state.Entry
}

func contentOf(t *testing.T, s *Store) (c content) {
	t.Helper()
	var errs [4]error
	c.applied, errs[0] = s.Applied(t.Context())
	c.acts, errs[1] = s.Acts(t.Context())
	c.marks, errs[2] = s.Marks(t.Context())
	c.entries, errs[3] = s.Journal(t.Context(), state.Query{})
	must(t, errs[:]...)
	return c
}

// goldenContent is what the files of formats 1 and 2 hold, as it reads today.
func goldenContent(version int) content {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	origin := resource.Origin{Source: "live", File: "teams/sports/relay.yaml", Line: 12, Commit: "c0ffee", Author: "Ann <ann@example.com>"}
	relay := resource.ID{Account: "volc-main", Kind: "RelaySource", Key: "push.example.com/live"}
	recording := resource.ID{Account: "aliyun-main", Kind: "Recording", Key: "live.example.com/app/show"}
	c := content{
		applied: []resource.Applied{
			{ID: recording, Spec: `{"domain":"live.example.com"}`, Origin: origin, Revision: "c0ffee", At: at, Epoch: "2026-03-01T11:00:00Z"},
			{ID: relay, Spec: `{"vhost":"push.example.com","app":"live"}`, Origin: origin, Revision: "c0ffee", At: at, Confirmed: true},
		},
		acts: []resource.Act{
			{ID: recording, Name: "restart", Token: "2", Begun: at, Done: at.Add(time.Second), Ends: at.Add(time.Hour)},
			{ID: recording, Name: "start", Token: "1", Begun: at, Repeatable: true},
		},
	}
	if version > 1 {
		c.marks = []state.Mark{{Source: "live git https://git.example.com/live.git", Role: state.Accepted, Revision: "c0ffee", At: at}}
	}
	open := state.Entry{
		Number: 2, Opened: at, Account: "volc-main", Operation: "UpdateRelaySourceV3", Write: true,
		Params:   map[string]any{"Vhost": "push.example.com", "N": json.Number("9007199254740993")},
		Resource: relay.String(), Origin: origin, Revision: "c0ffee", Plan: "9a7d", Process: "host:4711",
	}
	closed := open
	closed.Number = 1
	closed.Outcome = state.Outcome{Closed: at.Add(time.Second), Code: "ok", Status: 200, RequestID: "4A5C-01"}
	c.entries = []state.Entry{open, closed}
	return c
}

// TestFailure_P16_EveryReleasedFormatIsRead opens what earlier versions wrote:
// everything is there, the old file is kept, and the journal goes on.
func TestFailure_P16_EveryReleasedFormatIsRead(t *testing.T) {
	for version := 1; version <= 2; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			path := golden(t, version)
			s := openAt(t, path, Options{})
			want := goldenContent(version)
			if got := contentOf(t, s); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if v, err := formatInFile(CopyPath(path, int64(version))); v != int64(version) || err != nil {
				t.Errorf("the copy has format %d, %v", v, err)
			}
			// Entries from before the chain are not broken, only unchained; a late
			// outcome and what comes after are in it.
			must(t, s.Close(t.Context(), 2, state.Outcome{Closed: time.Now(), Code: "ok"}))
			call(t, s, true)
			if p := prove(t, s); !p.Sound() || p.Unchained != 2 || p.Entries != 1 || p.First != 3 || p.Heads.Writes.Seq != 3 {
				t.Errorf("proof %+v", p)
			}
			// The copy leads back: it opens as the file did.
			if got := contentOf(t, openAt(t, CopyPath(path, int64(version)), Options{})); !reflect.DeepEqual(got, want) {
				t.Errorf("the copy holds %+v", got)
			}
		})
	}
}
