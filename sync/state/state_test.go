package state_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"reflect"
	"testing"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

func TestCheckID(t *testing.T) {
	cases := map[string]struct {
		id resource.ID
		ok bool
	}{
		"plain":            {resource.ID{Account: "a", Kind: "K", Key: "x/y"}, true},
		"slashes in key":   {resource.ID{Account: "a", Kind: "K", Key: "//"}, true},
		"no account":       {resource.ID{Kind: "K", Key: "x"}, false},
		"no kind":          {resource.ID{Account: "a", Key: "x"}, false},
		"no key":           {resource.ID{Account: "a", Kind: "K"}, false},
		"slash in account": {resource.ID{Account: "a/b", Kind: "K", Key: "x"}, false},
		"slash in kind":    {resource.ID{Account: "a", Kind: "K/L", Key: "x"}, false},
	}
	for name, c := range cases {
		if err := state.CheckID(c.id); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckBegin(t *testing.T) {
	whole := resource.Act{ID: resource.ID{Account: "a", Kind: "K", Key: "x"}, Name: "start", Begun: time.Unix(1, 0)}
	cases := map[string]struct {
		change func(*resource.Act)
		want   string
	}{
		"whole": {func(*resource.Act) {}, ""},
		"no beginning": {
			func(a *resource.Act) { a.Begun = time.Time{} }, `act "start" of a/K/x has no time of beginning`,
		},
		"no name": {func(a *resource.Act) { a.Name = "" }, "act of a/K/x has no name"},
		"bad id":  {func(a *resource.Act) { a.ID.Key = "" }, `resource id "a/K/": want <account>/<kind>/<key>`},
	}
	for name, c := range cases {
		a := whole
		c.change(&a)
		if got := text(state.CheckBegin(a)); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestParams(t *testing.T) {
	cases := map[string]struct {
		in   map[string]any
		text string
		out  map[string]any
	}{
		"none":  {nil, "", nil},
		"empty": {map[string]any{}, "{}", map[string]any{}},
		"html":  {map[string]any{"a": "<&>"}, `{"a":"<&>"}`, map[string]any{"a": "<&>"}},
		"numbers": {
			map[string]any{"n": uint64(math.MaxUint64)},
			`{"n":18446744073709551615}`,
			map[string]any{"n": json.Number("18446744073709551615")},
		},
		"lines": {map[string]any{"a": "x\ny"}, `{"a":"x\ny"}`, map[string]any{"a": "x\ny"}},
		"struct": {
			map[string]any{"s": struct {
				A []int `json:"a"`
			}{[]int{1}}},
			`{"s":{"a":[1]}}`,
			map[string]any{"s": map[string]any{"a": []any{json.Number("1")}}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := state.EncodeParams(c.in)
			if err != nil || got != c.text {
				t.Errorf("encoded %q, %v; want %q", got, err, c.text)
			}
			out, err := state.DecodeParams(got)
			if err != nil || !reflect.DeepEqual(out, c.out) {
				t.Errorf("decoded %v, %v; want %v", out, err, c.out)
			}
		})
	}
	if _, err := state.EncodeParams(map[string]any{"f": func() {}}); err == nil {
		t.Error("a function was encoded")
	}
	if _, err := state.DecodeParams(`{"a":`); err == nil {
		t.Error("half a text was decoded")
	}
}

// FuzzDecodeParams feeds what a damaged store could hold: no panic, and what
// is decoded reads the same after another round.
func FuzzDecodeParams(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"a":1e400,"b":[null,{"c":"\ud800"}]}`, "[]", `{"a":`, "null"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		first, err := state.DecodeParams(in)
		if err != nil {
			return
		}
		again, err := state.EncodeParams(first)
		if err != nil {
			t.Fatalf("%q: %v", in, err)
		}
		if second, err := state.DecodeParams(again); err != nil || !reflect.DeepEqual(second, first) {
			t.Fatalf("%q: %v became %v, %v", in, first, second, err)
		}
	})
}

func TestError(t *testing.T) {
	err := error(&state.Error{Fault: state.Full, Path: "/var/lib/weir.db", Advice: "make room", Err: fs.ErrPermission})
	wrapped := fmt.Errorf("save: %w", err)
	if got, want := err.Error(), "state /var/lib/weir.db: permission denied; make room [state-full]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if state.FaultOf(wrapped) != state.Full || !errors.Is(wrapped, fs.ErrPermission) {
		t.Error("fault or cause is lost when wrapped")
	}
	if got := state.FaultOf(state.ErrDone); got != "" {
		t.Errorf("an answer is no fault, got %s", got)
	}
	short := &state.Error{Fault: state.Busy, Path: "p", Err: fs.ErrClosed}
	if got := short.Error(); got != "state p: file already closed [state-busy]" {
		t.Errorf("got %s", got)
	}
}
