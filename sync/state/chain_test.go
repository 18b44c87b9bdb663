package state

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"weir/sync/resource"
)

// chainEntry is an entry in which every field has a value.
func chainEntry() Entry {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	return Entry{
		Number: 7, Opened: at, Account: "volc-main", Operation: "UpdateRelaySourceV3", Write: true,
		Params:   map[string]any{"b": []any{"x", true, nil, json.Number("9007199254740993")}, "a": map[string]any{}},
		Resource: "volc-main/RelaySource/push.example.com/live",
		Origin:   resource.Origin{Source: "live", File: "a.yaml", Line: 12, Commit: "c0ffee", Author: "Ann"},
		Revision: "c0ffee", Plan: "9a7d", Process: "host:4711",
		Change:  &Change{Action: "update", Reason: "edited", Before: `{"n":1}`, After: `{"n":2}`},
		Outcome: Outcome{Closed: at, Code: "ok", CloudCode: "OK", Status: 200, RequestID: "4A5C", Message: "直播"},
	}
}

const chainParams = `{"b":["x",true,null,9007199254740993],"a":{}}`

// TestDigestsNeverChange pins what the hashes of every journal ever written are
// over. If it fails, every journal there is reads as forged.
func TestDigestsNeverChange(t *testing.T) {
	e := chainEntry()
	const intent = "23e94f101e22140ea8d56f7de83dbf6ab5e4609508d33444f6c35d2a6f35c0c7"
	const outcome = "84217a96b966dc75d1925a8ad50fbfe3606deed0cf7c1aea43c578e4b9e92c14"
	const link = "0bff05d6d4bc2adabae67629ed79d2050c865d07c54abfe0195fb66c1b4425cb"
	if got := IntentDigest(e, chainParams).String(); got != intent {
		t.Errorf("intent %s", got)
	}
	if got := OutcomeDigest(e.Outcome).String(); got != outcome {
		t.Errorf("outcome %s", got)
	}
	l := Tip{}.Next(Writes, e.Number, Intent, IntentDigest(e, chainParams))
	if got := l.Hash.String(); got != link || l.Seq != 1 {
		t.Errorf("link %s at %d", got, l.Seq)
	}
}

// TestIntentDigest_SeesEveryField changes one field after the other.
func TestIntentDigest_SeesEveryField(t *testing.T) {
	seen := map[Hash]string{IntentDigest(chainEntry(), chainParams): "unchanged"}
	for name, change := range map[string]func(e *Entry, params *string){
		"opened":    func(e *Entry, _ *string) { e.Opened = e.Opened.Add(1) },
		"no time":   func(e *Entry, _ *string) { e.Opened = time.Time{} },
		"1970":      func(e *Entry, _ *string) { e.Opened = time.Unix(0, 0) },
		"account":   func(e *Entry, _ *string) { e.Account += "x" },
		"operation": func(e *Entry, _ *string) { e.Operation += "x" },
		"shifted":   func(e *Entry, _ *string) { e.Account, e.Operation = "volc-mainU", "pdateRelaySourceV3" },
		"params":    func(_ *Entry, p *string) { *p = strings.Replace(*p, "993", "992", 1) },
		"text":      func(_ *Entry, p *string) { *p = strings.Replace(*p, "9007199254740993", `"9007199254740993"`, 1) },
		"no params": func(_ *Entry, p *string) { *p = "" },
		"broken":    func(_ *Entry, p *string) { *p = "{" },
		"write":     func(e *Entry, _ *string) { e.Write = false },
		"resource":  func(e *Entry, _ *string) { e.Resource += "x" },
		"source":    func(e *Entry, _ *string) { e.Origin.Source += "x" },
		"file":      func(e *Entry, _ *string) { e.Origin.File += "x" },
		"line":      func(e *Entry, _ *string) { e.Origin.Line++ },
		"commit":    func(e *Entry, _ *string) { e.Origin.Commit += "x" },
		"author":    func(e *Entry, _ *string) { e.Origin.Author += "x" },
		"revision":  func(e *Entry, _ *string) { e.Revision += "x" },
		"plan":      func(e *Entry, _ *string) { e.Plan += "x" },
		"process":   func(e *Entry, _ *string) { e.Process += "x" },
		"no change": func(e *Entry, _ *string) { e.Change = nil },
		"action":    func(e *Entry, _ *string) { e.Change.Action += "x" },
		"reason":    func(e *Entry, _ *string) { e.Change.Reason += "x" },
		"before":    func(e *Entry, _ *string) { e.Change.Before = "" },
		"after":     func(e *Entry, _ *string) { e.Change.After = "" },
	} {
		e, params := chainEntry(), chainParams
		change(&e, &params)
		digest := IntentDigest(e, params)
		if other, twice := seen[digest]; twice {
			t.Errorf("%s has the digest of %s", name, other)
		}
		seen[digest] = name
	}
}

// TestIntentDigest_SurvivesJSON: an entry that was exported and rewritten by
// another program, with other escapes and another order, has its digest.
func TestIntentDigest_SurvivesJSON(t *testing.T) {
	e := chainEntry()
	other := "{ \"a\": {}, \"b\" : [\"\\u0078\",true,null,9007199254740993]}"
	if IntentDigest(e, chainParams) != IntentDigest(e, other) {
		t.Error("the order of members counts")
	}
	e.Operation = "\xff\xfe a"
	b, err := json.Marshal(e)
	var back Entry
	if err == nil {
		err = json.Unmarshal(b, &back)
	}
	if err != nil || IntentDigest(e, chainParams) != IntentDigest(back, chainParams) {
		t.Errorf("%q comes back as %q, %v", e.Operation, back.Operation, err)
	}
}

func TestParseHash(t *testing.T) {
	h := Hash{1, 2, 0xff}
	if got, err := ParseHash(strings.ToUpper(h.String())); got != h || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	for _, s := range []string{"", "zz", h.String()[:62], h.String() + "00", "g" + h.String()[1:]} {
		if _, err := ParseHash(s); err == nil {
			t.Errorf("%q was taken for a hash", s)
		}
	}
}
