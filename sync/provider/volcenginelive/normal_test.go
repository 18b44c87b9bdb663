package volcenginelive

import (
	"strings"
	"testing"

	"weir/sync/resource"
)

func TestNormal(t *testing.T) {
	cases := []struct{ name, spec, want string }{
		{
			"A20 lower case, keys in our order, empty params left out",
			`{"groups":[{"servers":[{"protocol":"RTMP","address":"Origin.Example.COM:1935","params":{}}],"name":"Main"}],
			  "app":"Live","vhost":"push.example.com"}`,
			`{"vhost":"push.example.com","app":"Live","groups":[{"name":"Main","servers":[` +
				`{"address":"origin.example.com:1935","protocol":"rtmp"}]}]}`,
		},
		{
			"A21 order of groups and servers stays, that of params does not matter",
			`{"vhost":"v","app":"a","groups":[
			  {"name":"z","servers":[{"address":"2","protocol":"flv","params":{"b":"<&>","a":""}},
			    {"address":"1","protocol":"rtmp"}]},
			  {"name":"a","servers":[{"address":"[2001:DB8::1]:80","protocol":"rtmp","params":null}]}]}`,
			`{"vhost":"v","app":"a","groups":[{"name":"z","servers":[` +
				`{"address":"2","protocol":"flv","params":{"a":"","b":"<&>"}},{"address":"1","protocol":"rtmp"}]},` +
				`{"name":"a","servers":[{"address":"[2001:db8::1]:80","protocol":"rtmp"}]}]}`,
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if got, err := normal(resource.Spec(tc.spec)); err != nil || got != resource.Spec(tc.want) {
				t.Errorf("normal form\n got %s (%v)\nwant %s", got, err, tc.want)
			}
		})
	}
}

func TestNormalRefuses(t *testing.T) {
	servers := `"servers":[{"address":"a","protocol":"rtmp"}]`
	cases := []struct{ name, spec, want string }{
		{"no vhost", `{"app":"a","groups":[{"name":"g",` + servers + `}]}`, "vhost: is empty"},
		{"no app", `{"vhost":"v","groups":[{"name":"g",` + servers + `}]}`, `app: "" stands for the whole vhost`},
		{"every app", `{"vhost":"v","app":"*","groups":[{"name":"g",` + servers + `}]}`, `app: "*" stands for`},
		{"no groups", `{"vhost":"v","app":"a","groups":[]}`, "groups: is empty"},
		{"no name", `{"vhost":"v","app":"a","groups":[{` + servers + `}]}`, "groups[0].name"},
		{
			"one name twice", `{"vhost":"v","app":"a","groups":[{"name":"g",` + servers + `},{"name":"g",` + servers + `}]}`,
			`groups[1].name: "g" is empty or stands twice`,
		},
		{"no servers", `{"vhost":"v","app":"a","groups":[{"name":"g"}]}`, "groups[0].servers: is empty"},
		{
			"unknown field", `{"vhost":"v","app":"a","groups":[{"name":"g","weight":1,` + servers + `}]}`,
			`unknown field "weight"`,
		},
		{"number for text", `{"vhost":"v","app":1}`, "decode spec"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if got, err := normal(resource.Spec(tc.spec)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s, error %v, want %q", got, err, tc.want)
			}
		})
	}
}

func FuzzNormal(f *testing.F) {
	f.Add(`{"vhost":"v","app":"a","groups":[{"name":"g",` +
		`"servers":[{"address":"A","protocol":"rtmp","params":{"k":"v"}}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		first, err := normal(resource.Spec(text))
		if err != nil {
			return
		}
		if again, err := normal(first); err != nil || again != first {
			t.Errorf("%q: %q then %q (%v)", text, first, again, err)
		}
	})
}

func BenchmarkNormal(b *testing.B) {
	spec := resource.Spec(`{"vhost":"push.example.com","app":"live","groups":[{"name":"main","servers":[` +
		`{"address":"a.example.net:1935","protocol":"rtmp"},{"address":"b.example.net","protocol":"flv"}]}]}`)
	for b.Loop() {
		if _, err := normal(spec); err != nil {
			b.Fatal(err)
		}
	}
}
