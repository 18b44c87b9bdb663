package emulator

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTableAgainstSnapshots holds a table against copies of a plain map.
func TestTableAgainstSnapshots(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var table table[int, int]
		now, current := time.Unix(0, 0), map[int]int{}
		snapshots := []map[int]int{{}}
		for i := range rapid.IntRange(1, 50).Draw(r, "steps") {
			key := rapid.IntRange(0, 3).Draw(r, "key")
			now = now.Add(time.Second)
			if rapid.Bool().Draw(r, "drop") {
				table.drop(key, now)
				delete(current, key)
			} else {
				table.put(key, i, now)
				current[key] = i
			}
			snapshots = append(snapshots, maps.Clone(current))
		}
		for i, want := range snapshots {
			at := time.Unix(int64(i), 999)
			if got := maps.Collect(table.each(at)); !maps.Equal(got, want) {
				r.Fatalf("at second %d: %v, want %v", i, got, want)
			}
			for key := range 4 {
				got, held := table.get(key, at)
				if want, known := want[key]; got != want || held != known {
					r.Fatalf("at second %d key %d: %v %v, want %v %v", i, key, got, held, want, known)
				}
			}
		}
	})
}

func TestTableForgetsWhatNobodyCanAsk(t *testing.T) {
	var table table[string, int]
	at := time.Unix(0, 0)
	for i := range 3 * maxVersions {
		table.put("hot", i, at.Add(time.Duration(i)*time.Millisecond))
	}
	if n := len(table.rows["hot"]); n > maxVersions+1 {
		t.Errorf("%d versions kept, at most %d", n, maxVersions+1)
	}
	table.put("hot", -1, at.Add(3*horizon))
	table.put("hot", -2, at.Add(3*horizon+time.Second))
	if n := len(table.rows["hot"]); n != 3 { // the one in force an hour before, and two
		t.Errorf("%d versions kept after hours, want 3", n)
	}
	if got, _ := table.get("hot", at.Add(2*horizon+time.Second)); got != 3*maxVersions-1 {
		t.Errorf("an hour ago it was %d, want %d", got, 3*maxVersions-1)
	}
}

func TestTableSweepsRemovedRows(t *testing.T) {
	var table table[string, int]
	at := time.Unix(0, 0)
	for i := range 10 * sweepAfter {
		at = at.Add(time.Minute)
		table.put(fmt.Sprint(i), i, at)
		table.drop(fmt.Sprint(i), at)
	}
	if n := table.size(); n > 2*sweepAfter {
		t.Errorf("%d rows kept of which none is present", n)
	}
}

func TestNilTableIsEmpty(t *testing.T) {
	var none *table[string, int]
	if _, held := none.get("a", time.Now()); held || none.size() != 0 {
		t.Error("a nil table holds something")
	}
	for range none.each(time.Now()) {
		t.Error("a nil table lists something")
	}
}

func TestJournalKeepsTheLast(t *testing.T) {
	const most = 1000
	j := journal{most: most}
	for i := range most + 3 {
		j.add(entry{Call: Call{Status: i}})
	}
	entries := j.entries()
	if len(entries) != most || entries[0].Status != 3 || entries[most-1].Status != most+2 {
		t.Errorf("%d entries from %d to %d", len(entries), entries[0].Status, entries[len(entries)-1].Status)
	}
}

func TestFilesAreBounded(t *testing.T) {
	h := newHeld()
	h.addFiles(make([]File, maxFiles)...)
	h.addFiles(File{Stream: "last"})
	if len(h.files) != maxFiles || h.files[maxFiles-1].Stream != "last" {
		t.Errorf("%d files, the last %+v", len(h.files), h.files[len(h.files)-1])
	}
}

// TestDocumentedCodes holds the statuses to the pages.
func TestDocumentedCodes(t *testing.T) {
	for code, want := range map[string]documented{
		"InvalidParameter": {400, 0}, "CodeGetPushbackDomainError": {400, 0}, "InternalError": {500, 0},
		"NoSpecialConfiguration": {400, 0}, "CodeRegionHasNoNode": {400, 0}, "StreamNotFound": {409, 0},
		"TaskAlreadyStarted": {
			409, 0,
		}, "CodeConfigNotFound": {400, 0}, "Throttling": {400, 0}, "Throttling.User": {400, 0},
		"Throttling.Api": {400, 0}, "ServiceUnavailable": {503, 0}, "SignatureNonceUsed": {400, 0},
		"InvalidTimeStamp.Expired": {400, 0}, "Forbidden.RAM": {403, 0}, "UnsupportedHTTPMethod": {400, 0},
		"InvalidApi.NotFound": {404, 0}, "InvalidDomain.NotFound": {404, 0}, "IllegalOperation": {403, 0},
	} {
		if got := aliyunCode(code); got != want {
			t.Errorf("ApsaraVideo %s: %v, want %v", code, got, want)
		}
	}
	for code, want := range map[string]documented{
		"CommonErr": {
			200, 0,
		}, "InvalidParam": {400, 0}, "InvalidParam.BindError": {400, 0}, "RequestForbidden": {403, 0},
		"RequestForbidden.BillingStatus": {
			403, 0,
		}, "ResourceNotFound": {404, 0}, "RequestLimitExceeded.Exist": {429, 0},
		"InternalError": {500, 0}, "InternalError.DB": {500, 0}, "InternalServiceError": {502, 0},
		"InternalServiceError.BadResponse": {502, 0}, "InternalServiceTimeout": {504, 0},
		"FlowLimitExceeded": {
			429, 100018,
		}, "AccountFlowLimitExceeded": {429, 100027}, "InvalidAccessKey": {401, 100009},
		"SignatureDoesNotMatch": {401, 100010}, "InvalidTimestamp": {400, 100006},
	} {
		if got := volcengineCode(code); got != want {
			t.Errorf("Volcengine %s: %v, want %v", code, got, want)
		}
	}
}
