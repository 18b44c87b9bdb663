package volcenginelive

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"weir/sync/call"
	"weir/sync/provider"
)

// told tells a listing in lines: "key" for what is as app makes it, "# key:
// obstacle" for what may not be declared, "! vhost: why" for what could not be
// read, with "absent" before the why of a vhost that is not the account's.
func told(l provider.Listing) string {
	var lines []string
	for _, f := range l.Found {
		switch {
		case f.Obstacle != "":
			lines = append(lines, "# "+f.ID.Key+": "+f.Obstacle)
		case f.Spec == specOf(f.ID.Part(0), f.ID.Part(1)):
			lines = append(lines, f.ID.Key)
		default:
			lines = append(lines, f.ID.Key+" odd: "+string(f.Spec))
		}
	}
	for _, u := range l.Unread {
		lines = append(lines, fmt.Sprint("! ", u.Domain, ": ", strings.Repeat("absent ", map[bool]int{true: 1}[u.Absent]), u.Why))
	}
	return strings.Join(lines, "\n")
}

// domainList answers ListDomainDetail with vhosts, and lets the rest pass.
func domainList(next call.Caller, answer string) call.Caller {
	return call.Func(func(ctx context.Context, req *call.Request) (*call.Response, error) {
		if req.Operation != opDomains {
			return next.Call(ctx, req)
		}
		if answer == "" {
			return nil, errors.New("ListDomainDetail: no permission")
		}
		return &call.Response{Body: []byte(answer)}, nil
	})
}

func TestList(t *testing.T) {
	const strange = `{"Vhost":"a","App":"odd","LBType":"rand","GroupDetails":[{"Group":"g","Servers":[` +
		`{"RelaySourceProtocol":"rtmp","RelaySourceDomain":"x"}]}]}`
	const twice = `{"Vhost":"a","App":"dup","GroupDetails":[{"Group":"g","Servers":[{"RelaySourceProtocol":"rtmp",` +
		`"RelaySourceDomain":"x"}]},{"Group":"g","Servers":[{"RelaySourceProtocol":"rtmp","RelaySourceDomain":"y"}]}]}`
	const empty = `{"Vhost":"a","App":"none","GroupDetails":[]}`
	const vhosts = `{"Result":{"Total":"4","DomainList":[{"Vhost":"a","Domain":"push.a","Status":0},` +
		`{"Vhost":"a","Domain":"pull.a","Status":2},{"Vhost":"b","Domain":"b","Status":0},{"Vhost":"old","Domain":"old","Status":3}]}}`
	for name, tc := range map[string]struct {
		answers map[string][]any
		domains string
		search  provider.Search
		want    string
	}{
		"all vhosts": {
			map[string][]any{"a": {listed(app("a", "2"), app("a", "1"))}, "b": {listed(app("B", "live"))}},
			vhosts,
			provider.Search{},
			"a/1\na/2\nb/live",
		},
		"what may not be declared": {
			map[string][]any{"a": {listed(app("a", ""), app("a", "*"), strange, twice, empty, app("other", "x"), app("a", "on"))}},
			"",
			provider.Search{Domains: []string{"a"}},
			"# a/: this is the entry of the whole vhost, which weir does not manage\n" +
				"# a/*: this is the entry of the whole vhost, which weir does not manage\n" +
				"# a/dup: groups[1].name: \"g\" is empty or stands twice\n" +
				"# a/odd: holds settings weir would drop: LBType\na/on",
		},
		"nothing configured":   {map[string][]any{"a": {listed()}, "b": {notFound()}}, vhosts, provider.Search{}, ""},
		"not the account's":    {nil, "", provider.Search{Domains: []string{"x"}}, "! x: absent DescribeRelaySourceV3: RequestForbidden"},
		"heard of":             {map[string][]any{"a": {listed(app("a", "1"))}, "b": {listed()}}, vhosts, provider.Search{Known: []string{"x"}}, "a/1"},
		"an unreadable entry":  {map[string][]any{"a": {listed(`7`, app("a", "1"))}}, "", provider.Search{Domains: []string{"a"}}, "a/1\n! a: an entry of the list has no readable app"},
		"no list of vhosts":    {map[string][]any{"a": {listed(app("a", "1"))}}, "", provider.Search{Known: []string{"a"}}, "a/1\n! : ListDomainDetail: no permission"},
		"a list without total": {nil, `{"Result":{}}`, provider.Search{}, "! : answer has no total"},
	} {
		tc.search.Account = "volc-main"
		l, err := New().List(t.Context(), domainList(&script{answers: tc.answers}, tc.domains), tc.search)
		if err != nil {
			t.Fatal(err)
		}
		if got := told(l); got != tc.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, tc.want)
		}
	}
}
