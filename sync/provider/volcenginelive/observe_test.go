package volcenginelive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/call"
	"weir/sync/resource"
)

// script answers DescribeRelaySourceV3 by "vhost" or "vhost/app" with a body or
// an error, several in turn, the last for ever.
type script struct {
	answers map[string][]any // string: a Result; error

	mu    sync.Mutex
	asked []string
	at    []time.Time
}

func (s *script) Call(ctx context.Context, req *call.Request) (*call.Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, &call.Error{Code: call.Canceled, Operation: req.Operation, Err: err}
	}
	key, _ := req.Params["Vhost"].(string)
	if app, ok := req.Params["App"].(string); ok {
		key += "/" + app
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.at = append(s.asked, key), append(s.at, time.Now())
	turns := s.answers[key]
	if len(turns) == 0 {
		return nil, &call.Error{Code: call.Denied, Operation: req.Operation, CloudCode: "RequestForbidden"}
	}
	if len(turns) > 1 {
		s.answers[key] = turns[1:]
	}
	if err, failed := turns[0].(error); failed {
		return nil, err
	}
	body := `{"ResponseMetadata":{"RequestId":"r1"}` + turns[0].(string) + `}`
	return &call.Response{RequestID: "r1", Body: []byte(body)}, nil
}

func notFound() error {
	return &call.Error{Code: call.NotFound, Operation: opDescribe, CloudCode: "ResourceNotFound", Status: 404}
}

func wanted(keys ...string) []resource.Resource {
	var out []resource.Resource
	for _, k := range keys {
		out = append(out, resource.Resource{ID: resource.ID{Account: "volc-main", Kind: KindRelaySource, Key: k}})
	}
	return out
}

// listed returns a Result that holds the entries.
func listed(entries ...string) string {
	return `,"Result":{"RelaySourceConfigList":[` + strings.Join(entries, ",") + `]}`
}

// app returns an entry with one group of one server.
func app(vhost, name string) string {
	return fmt.Sprintf(`{"Vhost":%q,"App":%q,"GroupDetails":[{"Group":"g","Servers":[`+
		`{"RelaySourceProtocol":"RTMP","RelaySourceDomain":"Origin.example.net","RelaySourceParams":null}]}]}`, vhost, name)
}

func specOf(vhost, name string) resource.Spec {
	return resource.Spec(fmt.Sprintf(`{"vhost":%q,"app":%q,"groups":[{"name":"g","servers":[`+
		`{"address":"origin.example.net","protocol":"rtmp"}]}]}`, vhost, name))
}

// brief tells an observation in one line.
func brief(o resource.Observation) string {
	switch {
	case o.Unreadable != "":
		return o.ID.Key + " unreadable: " + o.Unreadable
	case !o.Exists && o.Spec == "":
		return o.ID.Key + " absent"
	case o.Exists && o.Spec == specOf(o.ID.Part(0), o.ID.Part(1)):
		return o.ID.Key + " there"
	}
	return fmt.Sprintf("%s odd: %t %s", o.ID.Key, o.Exists, o.Spec)
}

// observed runs Observe and returns the lines, what was asked, and how long it
// took by the bubble's clock.
func observed(t *testing.T, s *script, want []resource.Resource) ([]string, []string, time.Duration) {
	t.Helper()
	start := time.Now()
	out, err := New().Observe(t.Context(), s, want)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, o := range out {
		lines = append(lines, brief(o))
	}
	slices.Sort(s.asked)
	return lines, s.asked, time.Since(start)
}

func TestObserve(t *testing.T) {
	cases := []struct {
		name    string
		answers map[string][]any
		want    []string
		lines   []string
		asked   []string
		took    time.Duration
	}{
		{
			name: "one call a vhost",
			answers: map[string][]any{
				"a": {listed(app("a", "2"), app("a", "1"), app("a", "other"))}, "b": {listed(app("b", "1"), app("B", "2"))},
			},
			want:  []string{"a/1", "b/2", "a/2", "b/1", "a/3"},
			lines: []string{"a/1 there", "b/2 there", "a/2 there", "b/1 there", "a/3 absent"},
			asked: []string{"a", "b"},
		},
		{
			name:    "one app of a vhost is asked by name",
			answers: map[string][]any{"a/1": {listed(app("a", "1"))}, "b/1": {listed()}},
			want:    []string{"a/1", "b/1"},
			lines:   []string{"a/1 there", "b/1 absent"},
			asked:   []string{"a/1", "b/1"},
		},
		{
			name:    "global entries are nobody's",
			answers: map[string][]any{"a": {listed(app("a", ""), app("a", "*"))}},
			want:    []string{"a/1", "a/2"},
			lines:   []string{"a/1 absent", "a/2 absent"},
			asked:   []string{"a"},
		},
		{
			name:    "another vhost's entry is not ours",
			answers: map[string][]any{"a/1": {listed(app("z", "1"))}},
			want:    []string{"a/1"}, lines: []string{"a/1 absent"}, asked: []string{"a/1"},
		},
		{
			name:    "Failure A10: 404 stands for 5 seconds",
			answers: map[string][]any{"a/1": {notFound()}},
			want:    []string{"a/1"}, lines: []string{"a/1 absent"}, asked: []string{"a/1", "a/1"}, took: 5 * time.Second,
		},
		{
			name:    "Failure A10: 404 that passes",
			answers: map[string][]any{"a/1": {notFound(), listed(app("a", "1"))}},
			want:    []string{"a/1"}, lines: []string{"a/1 there"}, asked: []string{"a/1", "a/1"}, took: 5 * time.Second,
		},
		{
			name: "Failure A10: 404 of a vhost is asked app by app",
			answers: map[string][]any{
				"a": {notFound()}, "a/1": {notFound()}, "a/2": {listed(app("a", "2"))},
				"a/3": {&call.Error{Code: call.Unavailable, Operation: opDescribe, CloudCode: "InternalError"}},
			},
			want:  []string{"a/1", "a/2", "a/3"},
			lines: []string{"a/1 absent", "a/2 there", "a/3 unreadable: DescribeRelaySourceV3: InternalError"},
			asked: []string{"a", "a/1", "a/2", "a/3"}, took: 5 * time.Second,
		},
		{
			name:    "one vhost in trouble",
			answers: map[string][]any{"a/1": {listed(app("a", "1"))}},
			want:    []string{"b/1", "a/1", "b/2"},
			lines: []string{
				"b/1 unreadable: DescribeRelaySourceV3: RequestForbidden", "a/1 there",
				"b/2 unreadable: DescribeRelaySourceV3: RequestForbidden",
			},
			asked: []string{"a/1", "b"},
		},
		{
			name: "ids that name nothing",
			want: []string{"a", "a/*", "/x"},
			lines: []string{
				"a unreadable: the id does not name a vhost and an app", "a/* unreadable: the id does not name a vhost and an app",
				"/x unreadable: the id does not name a vhost and an app",
			},
		},
	}
	for _, tc := range cases {
		t.Run(strings.ReplaceAll(tc.name, ": ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lines, asked, took := observed(t, &script{answers: tc.answers}, wanted(tc.want...))
				if !slices.Equal(lines, tc.lines) || !slices.Equal(asked, tc.asked) || took != tc.took {
					t.Errorf("after %s\n got %q asked %q\nwant %q asked %q", took, lines, asked, tc.lines, tc.asked)
				}
			})
		})
	}
}

func TestObserveAnswers(t *testing.T) {
	group := func(inside string) string {
		return listed(`{"Vhost":"a","App":"1","GroupDetails":[{"Group":"g","Servers":[` +
			`{"RelaySourceProtocol":"rtmp","RelaySourceDomain":"origin.example.net"` + inside + `}]}]}`)
	}
	top := func(inside string) string {
		return listed(strings.TrimSuffix(app("a", "1"), "}") + inside + "}")
	}
	const drops = "a/1 unreadable: holds settings weir would drop: "
	cases := []struct{ name, result, want string }{
		// Nothing configured, in every form that the documents leave open.
		{"no result", ``, "a/1 absent"},
		{"null result", `,"Result":null`, "a/1 absent"},
		{"empty result", `,"Result":{}`, "a/1 absent"},
		{"null list", `,"Result":{"RelaySourceConfigList":null}`, "a/1 absent"},
		{"empty list", listed(), "a/1 absent"},
		{"entry without groups", listed(`{"Vhost":"a","App":"1"}`), "a/1 absent"},
		{"entry with null groups", listed(`{"Vhost":"a","App":"1","GroupDetails":null}`), "a/1 absent"},
		// One thing in several forms.
		{"empty params", group(`,"RelaySourceParams":{}`), "a/1 there"},
		{"vhost left out", listed(strings.Replace(app("a", "1"), `"Vhost":"a",`, "", 1)), "a/1 there"},
		{"times", top(`,"CreateTime":"2024-01-01","UpdateTime":5`), "a/1 there"},
		// A29: what weir does not know it must not drop.
		{"A29 balancing", top(`,"LBType":"rand"`), drops + "LBType"},
		{"A29 default of balancing", top(`,"LBType":"order","RetryInterval":1,"RetryTimes":0`), "a/1 there"},
		{"A29 more tries", top(`,"RetryTimes":7`), drops + "RetryTimes"},
		{
			"A29 of a server, sorted, once", group(`,"Weight":5,"Host":"x","OutboundConfig":{"a":1}`),
			drops + "Host, OutboundConfig, Weight",
		},
		{
			"A29 empty values are no settings", group(`,"Weight":0,"Host":"","OutboundConfig":{},"Backup":false,"X":null`),
			"a/1 there",
		},
		{"A29 of a group", listed(`{"App":"1","GroupDetails":[{"Group":"g","Backup":true,"Servers":[]}]}`), drops + "Backup"},
		// A30: types that change.
		{"A30 number for a param", group(`,"RelaySourceParams":{"n":10}`), "a/1 odd: true " +
			`{"vhost":"a","app":"1","groups":[{"name":"g","servers":[` +
			`{"address":"origin.example.net","protocol":"rtmp","params":{"n":"10"}}]}]}`},
		{"A30 list for a param", group(`,"RelaySourceParams":{"n":[]}`), drops + "something that cannot be read"},
		{"A30 text for groups", listed(`{"App":"1","GroupDetails":"none"}`), drops + "something that cannot be read"},
		{"A30 number for the app", listed(`{"App":1}`), "a/1 unreadable: an entry of the list has no readable app"},
		{"A30 null entry", listed(`null`), "a/1 unreadable: an entry of the list has no readable app"},
		{"A30 broken entry beside ours", listed(`7`, app("a", "1")), "a/1 there"},
		{"A15 app twice", listed(app("a", "1"), app("a", "1")), "a/1 unreadable: the list holds the app 2 times"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			lines, _, _ := observed(t, &script{answers: map[string][]any{"a/1": {tc.result}}}, wanted("a/1"))
			if lines[0] != tc.want {
				t.Errorf("\n got %s\nwant %s", lines[0], tc.want)
			}
		})
	}
	for name, result := range map[string]string{
		"list is a text": `,"Result":{"RelaySourceConfigList":"x"}`, "result is a list": `,"Result":[]`,
	} {
		t.Run(name, func(t *testing.T) {
			lines, _, _ := observed(t, &script{answers: map[string][]any{"a/1": {result}}}, wanted("a/1"))
			if !strings.HasPrefix(lines[0], "a/1 unreadable: DescribeRelaySourceV3: the list cannot be read: ") ||
				!strings.HasSuffix(lines[0], "(request r1)") {
				t.Errorf("got %s", lines[0])
			}
		})
	}
}

// The wait for a second look ends with the context, and nothing is then called
// absent.
func TestObserveGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s := &script{answers: map[string][]any{"a/1": {notFound()}, "b/1": {listed(app("b", "1"))}}}
		out, err := New().Observe(ctx, s, wanted("a/1", "b/1"))
		if !errors.Is(err, context.DeadlineExceeded) || len(out) != 2 {
			t.Fatalf("%v, %v", out, err)
		}
		const gaveUp = "a/1 unreadable: DescribeRelaySourceV3: ResourceNotFound"
		if a, b := brief(out[0]), brief(out[1]); a != gaveUp || b != "b/1 there" {
			t.Errorf("%s; %s", a, b)
		}
	})
}

// The time of an observation is when it was asked, not when it was answered.
func TestObservationTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		slow := call.Func(func(context.Context, *call.Request) (*call.Response, error) {
			time.Sleep(3 * time.Second)
			return &call.Response{Body: []byte(`{}`)}, nil
		})
		out, err := New().Observe(t.Context(), slow, wanted("a/1"))
		if err != nil || !out[0].At.Equal(start) {
			t.Errorf("at %s, want %s (%v)", out[0].At, start, err)
		}
	})
}

// Vhosts are read side by side, but not more than a few at a time.
func TestObserveInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most int
		var mu sync.Mutex
		slow := call.Func(func(context.Context, *call.Request) (*call.Response, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			now--
			mu.Unlock()
			return &call.Response{Body: []byte(`{}`)}, nil
		})
		var keys []string
		for i := range parallel * 5 / 2 {
			keys = append(keys, fmt.Sprintf("v%d/live", i))
		}
		start := time.Now()
		if _, err := New().Observe(t.Context(), slow, wanted(keys...)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); most != parallel || took != 300*time.Millisecond {
			t.Errorf("%d at a time, took %s", most, took)
		}
	})
}

func FuzzListing(f *testing.F) {
	f.Add([]byte(`{"Result":{"RelaySourceConfigList":[`+app("a", "1")+`,{"App":"2","LBType":"x"},null]}}`), "1")
	f.Fuzz(func(t *testing.T, body []byte, name string) {
		l, err := parseListing(body)
		if err != nil {
			return
		}
		spec, why := l.of("a", name)
		if spec == "" {
			return
		}
		var r RelaySource
		if why != "" || json.Unmarshal([]byte(spec), &r) != nil || r.Vhost != "a" || len(r.Groups) == 0 {
			t.Errorf("%q: %s %q", body, spec, why)
		}
	})
}

func BenchmarkParseListing(b *testing.B) {
	var entries []string
	for i := range 1000 {
		entries = append(entries, app("push.example.com", fmt.Sprintf("app%d", i)))
	}
	body := []byte(`{"ResponseMetadata":{"RequestId":"r1"}` + listed(entries...) + `}`)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := parseListing(body); err != nil {
			b.Fatal(err)
		}
	}
}
