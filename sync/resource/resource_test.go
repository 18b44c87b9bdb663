package resource

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseID(t *testing.T) {
	tests := map[string]struct {
		in   string
		want ID
		bad  bool
	}{
		"relay source":        {"volc-main/RelaySource/push.example.com/live", ID{"volc-main", "RelaySource", "push.example.com/live"}, false},
		"key without a slash": {"a/MultiStream/live.example.com", ID{"a", "MultiStream", "live.example.com"}, false},
		"two parts":           {"a/MultiStream", ID{}, true},
		"empty account":       {"/MultiStream/x", ID{}, true},
		"empty key":           {"a/MultiStream/", ID{}, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseID(tc.in)
			if got != tc.want || (err != nil) != tc.bad {
				t.Fatalf("ParseID(%q) = %+v, %v", tc.in, got, err)
			}
			if !tc.bad && got.String() != tc.in {
				t.Errorf("String() = %q, want %q", got, tc.in)
			}
		})
	}
}

func TestIDPart(t *testing.T) {
	id := ID{Key: "push.example.com/live/main"}
	for i, want := range map[int]string{0: "push.example.com", 2: "main", 3: "", -1: ""} {
		if got := id.Part(i); got != want {
			t.Errorf("Part(%d) = %q, want %q", i, got, want)
		}
	}
}

func TestIDJSON(t *testing.T) {
	in := map[ID]int{{"a", "K", "x/y"}: 1}
	b, err := json.Marshal(in)
	if err != nil || string(b) != `{"a/K/x/y":1}` {
		t.Fatalf("Marshal = %s, %v", b, err)
	}
	var out map[ID]int
	if err := json.Unmarshal(b, &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Fatalf("Unmarshal = %v, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"nonsense":1}`), &out); err == nil {
		t.Error("an ID without slashes was accepted")
	}
}

func TestOriginString(t *testing.T) {
	if got := (Origin{File: "a.yaml", Line: 3}).String(); got != "a.yaml:3" {
		t.Errorf("String() = %q", got)
	}
	if got := (Origin{Line: 3}).String(); got != "" {
		t.Errorf("unknown origin prints %q", got)
	}
}

func TestSetIsOrderedWhateverTheInput(t *testing.T) {
	var list []Resource
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		list = append(list, Resource{ID: ID{"acc", "K", key}})
	}
	want := slices.Clone(list)
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	set, err := NewSet(list)
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(set.All()); !reflect.DeepEqual(got, want) {
		t.Errorf("order %v", got)
	}
	if r, ok := set.Get(ID{"acc", "K", "c"}); !ok || r.ID.Key != "c" {
		t.Errorf("Get(c) = %v, %v", r, ok)
	}
	if _, ok := set.Get(ID{"acc", "K", "cc"}); ok {
		t.Error("Get found what is not in the set")
	}
	if n := set.Filter(func(r Resource) bool { return r.ID.Key > "c" }).Len(); n != 2 {
		t.Errorf("Filter kept %d", n)
	}
}

func TestSetRefusesTwins(t *testing.T) {
	id := ID{"acc", "K", "x"}
	_, err := NewSet([]Resource{
		{ID: id, Origin: Origin{File: "a.yaml", Line: 1}}, {ID: id, Origin: Origin{File: "b.yaml", Line: 7}},
	})
	const want = "acc/K/x is declared twice: a.yaml:1 and b.yaml:7"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestSpecEqual(t *testing.T) {
	tests := map[string]struct {
		a, b Spec
		want bool
	}{
		"same text":           {`{"a":1}`, `{"a":1}`, true},
		"other order of keys": {`{"a":1,"b":[1,2]}`, `{"b":[1,2],"a":1}`, true},
		"other order of list": {`{"a":[1,2]}`, `{"a":[2,1]}`, false},
		"number and text":     {`{"a":1}`, `{"a":"1"}`, false},
		"big numbers":         {`{"a":9007199254740993}`, `{"a":9007199254740992}`, false},
		"none and none":       {"", "", true},
		"none and null":       {"", "null", false},
		"broken text":         {"{", "{}", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.a.Equal(tc.b); got != tc.want {
				t.Errorf("Equal = %v", got)
			}
			if got := tc.b.Equal(tc.a); got != tc.want {
				t.Errorf("Equal the other way = %v", got)
			}
		})
	}
}

func TestSpecEncoding(t *testing.T) {
	s, err := NewSpec(map[string]string{"b": "<&>", "a": "x"})
	if err != nil || s != `{"a":"x","b":"<&>"}` {
		t.Fatalf("NewSpec = %s, %v", s, err)
	}
	if _, err := NewSpec(func() {}); err == nil {
		t.Error("a function became a spec")
	}
	if err := Spec("").Decode(&struct{}{}); err == nil {
		t.Error("no spec decoded")
	}
	var back struct{ S, None Spec }
	if err := json.Unmarshal([]byte(`{"S": {"a" : 1}, "None": null}`), &back); err != nil {
		t.Fatal(err)
	}
	if back.S != `{"a":1}` || back.None != "" {
		t.Errorf("decoded %+v", back)
	}
}

func TestFields(t *testing.T) {
	tests := map[string]struct {
		before, after Spec
		want          []Field
	}{
		"equal":    {`{"a":1}`, `{"a":1}`, nil},
		"reorder":  {`{"a":1,"b":2}`, `{"b":2,"a":1}`, nil},
		"nested":   {`{"g":[{"s":[{"p":"rtmp"}]}]}`, `{"g":[{"s":[{"p":"flv"}]}]}`, []Field{{"g[0].s[0].p", "rtmp", "flv"}}},
		"added":    {`{}`, `{"a":true}`, []Field{{"a", nil, true}}},
		"removed":  {`{"a":true}`, `{}`, []Field{{"a", true, nil}}},
		"created":  {"", `{"b":"x","a":["y"]}`, []Field{{"a[0]", nil, "y"}, {"b", nil, "x"}}},
		"deleted":  {`{"a":"x"}`, "", []Field{{"a", "x", nil}}},
		"new type": {`{"a":{"b":1}}`, `{"a":"b"}`, []Field{{"a", map[string]any{"b": json.Number("1")}, "b"}}},
		"shorter":  {`{"a":["x","y"]}`, `{"a":["x"]}`, []Field{{"a[1]", "y", nil}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Fields(tc.before, tc.after); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("Fields = %#v, want %#v", got, tc.want)
			}
		})
	}
}

// TestFieldJSON holds that a reader finds both sides of a difference, null for
// what was not there.
func TestFieldJSON(t *testing.T) {
	b, err := json.Marshal(Fields(`{"a":"x"}`, `{"b":true}`))
	want := `[{"path":"a","before":"x","after":null},{"path":"b","before":null,"after":true}]`
	if err != nil || string(b) != want {
		t.Errorf("%s, %v, want %s", b, err, want)
	}
}

func TestSpecAt(t *testing.T) {
	spec := Spec(`{"app":"live","n":9007199254740993,"none":null,"params":{"a":"x","a.b":"y","c[0]":"z"},"groups":[{"name":"g"}]}`)
	for path, want := range map[string]any{
		"app": "live", "n": json.Number("9007199254740993"), "params.a": "x", "params.a.b": "y", "params.c[0]": "z",
		"groups[0].name": "g", "groups[0]": map[string]any{"name": "g"}, "groups": []any{map[string]any{"name": "g"}},
	} {
		if got, ok := spec.At(path); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", path, got, ok)
		}
	}
	for _, path := range []string{"ap", "app.x", "none", "groups[1]", "groups[0].nam", "groups[x]", "params.b", "["} {
		if got, ok := spec.At(path); ok {
			t.Errorf("%s: %v", path, got)
		}
	}
	if got, ok := Spec("").At("app"); ok {
		t.Errorf("of no spec: %v", got)
	}
	for _, f := range Fields("", spec) {
		if got, ok := spec.At(f.Path); !ok || !reflect.DeepEqual(got, f.After) {
			t.Errorf("%s: %v, %v, want %v", f.Path, got, ok, f.After)
		}
	}
}

// TestFieldsAndEqualAgree holds the two ways of comparing against each other.
func TestFieldsAndEqualAgree(t *testing.T) {
	value := rapid.OneOf(
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.SampledFrom([]string{"", "x", "y"}), func(s string) any { return s }),
		rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]any{"x", true}), 1, 3), func(l []any) any { return l }),
	)
	doc := rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "c"}), value)
	rapid.Check(t, func(t *rapid.T) {
		a, _ := NewSpec(doc.Draw(t, "a"))
		b, _ := NewSpec(doc.Draw(t, "b"))
		if equal, fields := a.Equal(b), Fields(a, b); equal != (len(fields) == 0) {
			t.Fatalf("Equal %v, Fields %v for %s and %s", equal, fields, a, b)
		}
	})
}

func TestActInDoubt(t *testing.T) {
	now := time.Unix(1, 0)
	tests := map[string]struct {
		act  Act
		want bool
	}{
		"never begun": {Act{}, false},
		"begun":       {Act{Begun: now}, true},
		"done":        {Act{Begun: now, Done: now}, false},
	}
	for name, tc := range tests {
		if got := tc.act.InDoubt(); got != tc.want {
			t.Errorf("%s: InDoubt = %v", name, got)
		}
	}
}
