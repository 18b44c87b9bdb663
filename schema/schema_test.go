package schema

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestKinds(t *testing.T) {
	want := []Ref{
		{"aliyun/v1", "MultiStream"},
		{"aliyun/v1", "Recording"},
		{"aliyun/v1", "RtcPrefetch"},
		{"aliyun/v1", "StreamIngest"},
		{"volcengine/v1", "RelaySource"},
		{"weir/v1", "Config"},
	}
	if got := Kinds(); !slices.Equal(got, want) {
		t.Errorf("Kinds() = %v, want %v", got, want)
	}
}

func TestIdentity(t *testing.T) {
	for name, want := range map[string]string{
		"aliyun/v1 MultiStream": "domain", "aliyun/v1 StreamIngest": "domain app stream",
		"aliyun/v1 Recording": "domain app stream", "aliyun/v1 RtcPrefetch": "domain app stream",
		"volcengine/v1 RelaySource": "vhost app", "weir/v1 Config": "", "aliyun/v1 Nothing": "",
	} {
		version, kind, _ := strings.Cut(name, " ")
		if got := strings.Join(Identity(version, kind), " "); got != want {
			t.Errorf("Identity(%s) = %q, want %q", name, got, want)
		}
	}
}

func TestIdentityFieldsAreRequiredTexts(t *testing.T) {
	for _, ref := range Kinds() {
		spec := table(table(loaded().kinds[ref].tree["properties"])["spec"])
		for _, field := range Identity(ref.APIVersion, ref.Kind) {
			if !slices.Contains(texts(spec["required"]), field) {
				t.Errorf("%v: %s is part of the identity and not required", ref, field)
			}
			if got := ShapeOf(ref.APIVersion, ref.Kind).Field("spec").Field(field).Type; got != "string" {
				t.Errorf("%v: %s is a %s", ref, field, got)
			}
		}
	}
}

func TestSource(t *testing.T) {
	source, ok := Source("aliyun/v1", "MultiStream")
	var head struct {
		ID string `json:"$id"`
	}
	if err := json.Unmarshal(source, &head); !ok || err != nil || head.ID != "weir:///schema/aliyun/v1/MultiStream" {
		t.Errorf("Source: %v, %v, $id %q", ok, err, head.ID)
	}
	source[0] = 'x'
	if again, _ := Source("aliyun/v1", "MultiStream"); again[0] != '{' {
		t.Error("a caller's change of the source stays")
	}
	if _, ok := Source("aliyun/v1", "Nothing"); ok {
		t.Error("a source of an unknown kind")
	}
}

func TestShapeOf(t *testing.T) {
	config := ShapeOf("weir/v1", "Config")
	account := config.Field("accounts").Item()
	prefetch := ShapeOf("aliyun/v1", "RtcPrefetch").Field("spec")
	server := ShapeOf("volcengine/v1", "RelaySource").Field("spec").Field("groups").Item().Field("servers").Item()
	for name, c := range map[string]struct {
		shape *Shape
		want  string
	}{
		"document": {config, "object"}, "const": {config.Field("kind"), "string"},
		"enum": {account.Field("provider"), "string"}, "number": {account.Field("quota").Field("share"), "number"},
		"integer of a map": {account.Field("quota").Field("limits").Field("Any"), "integer"},
		"boolean":          {config.Field("insecure"), "boolean"}, "array": {prefetch.Field("regions"), "array"},
		"item": {prefetch.Field("regions").Item(), "string"}, "text of a map": {
			server.Field("params").Field("any"),
			"string",
		},
	} {
		if c.shape == nil || c.shape.Type != c.want {
			t.Errorf("%s: %+v, want type %s", name, c.shape, c.want)
		}
	}
	if got := config.Field("nothing").Field("at").Item(); got != nil {
		t.Errorf("the shape of nothing is %+v", got)
	}
	if got := ShapeOf("weir/v1", "Nothing"); got != nil {
		t.Errorf("the shape of an unknown kind is %+v", got)
	}
}

// TestFailure_V30_VersionFollowsContent: whoever compares versions learns that
// another weir may accept other documents.
func TestFailure_V30_VersionFollowsContent(t *testing.T) {
	got, again := Version(), Version()
	if len(got) != 16 || got != again {
		t.Fatalf("Version() = %q", got)
	}
	source, _ := Source("aliyun/v1", "MultiStream")
	changed := strings.Replace(string(source), "The main streaming domain.", "The streaming domain.", 1)
	one, err1 := load(fstest.MapFS{"aliyun.v1.MultiStream.json": {Data: source}})
	two, err2 := load(fstest.MapFS{"aliyun.v1.MultiStream.json": {Data: []byte(changed)}})
	if err1 != nil || err2 != nil || one.version == two.version {
		t.Errorf("versions %v %v, errors %v %v", one, two, err1, err2)
	}
}

// TestFailure_V26_MisspeltKeyword holds every schema against a description of
// what they may be written with: the library ignores what it does not know.
func TestFailure_V26_MisspeltKeyword(t *testing.T) {
	source, err := os.ReadFile("testdata/strict.json")
	if err != nil {
		t.Fatal(err)
	}
	strict, err := compile(source)
	if err != nil {
		t.Fatal(err)
	}
	for ref, k := range loaded().kinds {
		if err := validate(strict, any(k.tree)); err != nil {
			t.Errorf("%v: %#v", ref, err)
		}
	}
	bad := maps.Clone(loaded().kinds[Ref{"weir/v1", "Config"}].tree)
	bad["additionalProperty"] = false
	if validate(strict, any(bad)) == nil {
		t.Error("a misspelt keyword passes")
	}
}

// TestFailure_V19_EveryObjectIsClosed and described: editors show the texts.
func TestFailure_V19_EveryObjectIsClosed(t *testing.T) {
	for ref, k := range loaded().kinds {
		walkObjects(k.tree, ref.Kind, func(at string, node map[string]any) {
			if node["type"] == "object" && node["additionalProperties"] == nil {
				t.Errorf("%s accepts any field", at)
			}
			for name, sub := range table(node["properties"]) {
				if node["type"] == "object" && (table(sub)["title"] == nil || table(sub)["description"] == nil) {
					t.Errorf("%s.%s has no title or description", at, name)
				}
			}
		})
	}
}

func walkObjects(v any, at string, visit func(string, map[string]any)) {
	if node := table(v); node != nil {
		visit(at, node)
		for key, sub := range node {
			walkObjects(sub, at+"/"+key, visit)
		}
	}
	for _, sub := range list(v) {
		walkObjects(sub, at, visit)
	}
}

func TestCompileLoadsNothingElse(t *testing.T) {
	for _, ref := range []string{"file:///etc/hostname", "http://127.0.0.1:1/x", "weir:///schema/other"} {
		_, err := compile([]byte(`{"$id": "weir:///schema/x", "$ref": "` + ref + `"}`))
		if err == nil || !strings.Contains(err.Error(), "schemas load no other documents") {
			t.Errorf("$ref %s: %v", ref, err)
		}
	}
}

func TestCompileRefusesUnknownFormats(t *testing.T) {
	for _, source := range []string{
		`{"$id": "weir:///a", "x-weir-format": "nothing"}`,
		`{"$id": "weir:///a", "x-weir-max-total": {"of": "x"}}`,
		`{"$id": "weir:///a", "x-weir-max-total": {"of": "x", "max": 1.5}}`,
		`{"$id": "weir:///a", "type": "text"}`,
		`{`,
	} {
		if _, err := compile([]byte(source)); err == nil {
			t.Errorf("%s compiles", source)
		}
	}
}

func TestMetadataIsTheSameEverywhere(t *testing.T) {
	first := table(loaded().kinds[Ref{"aliyun/v1", "MultiStream"}].tree["properties"])["metadata"]
	for ref, k := range loaded().kinds {
		other := table(k.tree["properties"])["metadata"]
		if len(k.identity) > 0 && !reflect.DeepEqual(first, other) {
			t.Errorf("%v has another metadata", ref)
		}
	}
}

func TestRegionCodes(t *testing.T) {
	spec := table(table(loaded().kinds[Ref{"aliyun/v1", "RtcPrefetch"}].tree["properties"])["spec"])
	items := table(table(table(spec["properties"])["regions"])["items"])
	codes, names := texts(items["enum"]), table(items["x-weir-names"])
	provinces := slices.IndexFunc(codes, func(c string) bool { return len(c) == 2 })
	if provinces != 34 || len(codes) != 34+170 || len(names) != len(codes) {
		t.Errorf("%d provinces, %d codes, %d names", provinces, len(codes), len(names))
	}
	for code, want := range map[string]string{
		"NO": "Norway", "ZHJ": "Zhejiang", "HKG": "Hong Kong",
		"CI": "Côte d'Ivoire",
	} {
		if names[code] != want {
			t.Errorf("%s is %v, want %s", code, names[code], want)
		}
	}
}
