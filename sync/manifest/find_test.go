package manifest

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"weir/sync/resource"
	"weir/sync/source"
)

const twoRelays = `# head
apiVersion: volcengine/v1
kind: RelaySource
spec: {vhost: a.example.com, app: live, groups: [{name: g, servers: [{address: 192.0.2.9, protocol: flv}]}]}
---
apiVersion: volcengine/v1
kind: RelaySource
metadata: {labels: {team: sports}}
spec:
  vhost: push.example.com
  app: live

  groups:
    - name: main
      servers:
        - address: 192.0.2.1
          protocol: rtmp
        - {address: 192.0.2.2, protocol: flv,
           params: {a.b: "x"}}
`

var relay = resource.ID{Account: "volcengine", Kind: "RelaySource", Key: "push.example.com/live"}

func TestFind_Fields(t *testing.T) {
	f, ok := New(Options{}).Find(source.File{Path: "a.yaml", Data: []byte(twoRelays)}, relay)
	if !ok || f.Broken || f.ID != relay || f.Origin.File != "a.yaml" || f.Origin.Line != 6 {
		t.Fatalf("found %+v, %v", f, ok)
	}
	want := map[string]Position{
		"vhost": {10, 10}, "app": {11, 8}, "groups": {14, 5}, "groups[0]": {14, 7}, "groups[0].name": {14, 13},
		"groups[0].servers":    {16, 9},
		"groups[0].servers[0]": {16, 11}, "groups[0].servers[0].address": {16, 20}, "groups[0].servers[0].protocol": {17, 21},
		"groups[0].servers[1]": {18, 11}, "groups[0].servers[1].address": {18, 21}, "groups[0].servers[1].protocol": {18, 42},
		"groups[0].servers[1].params": {19, 20}, "groups[0].servers[1].params.a.b": {19, 26},
	}
	if got := f.Fields(); !reflect.DeepEqual(got, want) {
		t.Errorf("fields\n%v, want\n%v", got, want)
	}
	for _, field := range resource.Fields("", f.Spec) {
		if _, ok := want[field.Path]; !ok {
			t.Errorf("%s has no place", field.Path)
		}
	}
}

func TestFind(t *testing.T) {
	cases := map[string]struct {
		text          string
		there, broken bool
	}{
		"other key":       {strings.ReplaceAll(twoRelays, "push.", "pull."), false, false},
		"no file":         {"", false, false},
		"broken":          {strings.ReplaceAll(twoRelays, "rtmp", "ftp"), true, true},
		"no yaml":         {strings.ReplaceAll(twoRelays, "main", "[main"), true, true},
		"other is broken": {strings.ReplaceAll(twoRelays, "192.0.2.9", "[}"), true, false},
		"in JSON": {
			`{"apiVersion":"volcengine/v1","kind":"RelaySource","spec":{"vhost":"p\u0075sh.example.com","app":"live",` +
				`"groups":[{"name":"g","servers":[{"address":"192.0.2.1","protocol":"rtmp"}]}]}}`, true, false,
		},
		"alias": {
			"apiVersion: volcengine/v1\nkind: RelaySource\nspec:\n  vhost: push.example.com\n  app: live\n" +
				"  groups: [{name: a, servers: &s [{address: b, protocol: rtmp}]}, {name: b, servers: *s}]\n", true, false,
		},
	}
	for name, c := range cases {
		f, ok := New(Options{}).Find(source.File{Path: "a.yaml", Data: []byte(c.text)}, relay)
		if ok != c.there || f.Broken != c.broken {
			t.Errorf("%s: there %v, broken %v", name, ok, f.Broken)
		}
		if name == "alias" && (f.Fields()["groups[1].servers[0].protocol"] != f.Fields()["groups[0].servers[0].protocol"]) {
			t.Errorf("alias: %v", f.Fields())
		}
	}
}

// TestFindAsLoad holds that Find sees what Load sees, wherever the documents
// are in the file.
func TestFindAsLoad(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var docs []string
		for i := range 1 + rnd.IntN(5) {
			docs = append(docs, fmt.Sprintf("%sapiVersion: volcengine/v1\nkind: RelaySource\nspec: {vhost: push.example.com, app: a%d,\n"+
				" groups: [{name: 'x\n  ---\n  y', servers: [{address: h%d.example.com, protocol: rtmp}]}]}\n%s",
				strings.Repeat("# c\n", rnd.IntN(3)), i, rnd.IntN(9), strings.Repeat("\n", rnd.IntN(3))))
		}
		text := []string{"---\n", "--- \n", "---\r\n", "--- # x\n"}[rnd.IntN(4)]
		data := strings.Repeat("---\n", rnd.IntN(2)) + strings.Join(docs, text)
		file := source.File{Path: "a.yaml", Data: []byte(data)}
		loader := New(Options{})
		res := loader.Load(&source.Snapshot{Files: []source.File{file}})
		if res.Set.Len() != len(docs) {
			t.Fatalf("loaded %d of %d: %v\n%s", res.Set.Len(), len(docs), res.Problems, data)
		}
		for want := range res.Set.All() {
			got, ok := loader.Find(file, want.ID)
			if !ok || !reflect.DeepEqual(got.Resource, want) {
				t.Fatalf("%s: found %+v, want %+v in\n%s", want.ID, got.Resource, want, data)
			}
		}
	}
}

// FuzzFind holds of any text that what Load takes from it Find finds, at the
// same place, and that each place is in the text.
func FuzzFind(f *testing.F) {
	f.Add(twoRelays)
	f.Add("---\n---\n" + twoRelays + "---\n")
	f.Add(strings.ReplaceAll(twoRelays, "\n", "\r\n"))
	f.Add("%YAML 1.2\n---\n" + twoRelays)
	f.Add(strings.ReplaceAll(twoRelays, "---\n", "...\n---\n"))
	f.Add(strings.ReplaceAll(twoRelays, "protocol: rtmp", "protocol: |-\n---\n  rtmp"))
	f.Fuzz(func(t *testing.T, text string) {
		file := source.File{Path: "a.yaml", Data: []byte(text)}
		loader := New(Options{})
		res := loader.Load(&source.Snapshot{Files: []source.File{file}})
		if res.Errors > 0 {
			loader.Find(file, relay)
			return
		}
		lines := strings.Count(text, "\n") + 1
		for want := range res.Set.All() {
			got, ok := loader.Find(file, want.ID)
			if !ok || !reflect.DeepEqual(got.Resource, want) {
				t.Fatalf("%s: found %+v, %v, want %+v", want.ID, got.Resource, ok, want)
			}
			for path, at := range got.Fields() {
				if at.Line < want.Origin.Line || at.Line > lines {
					t.Errorf("%s is at %v", path, at)
				}
			}
		}
	})
}
