package volcenginelive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"weir/sync/resource"
)

// wouldDrop begins the reason why an app is left alone that holds what no call
// of weir's could carry: settings that it does not know, or values of those it
// does.
const wouldDrop = "holds settings weir would drop: "

// listing is what a DescribeRelaySourceV3 says, app by app.
type listing struct {
	entries map[string][]entry
	// broken says why an entry could not be told to be any app's, "" for none:
	// then no app may be called absent.
	broken string
}

// entry is one member of RelaySourceConfigList. The fields of its parts that
// weir knows are decoded, the rest is kept to see whether something would be
// lost.
type entry struct {
	Vhost, App             string
	GroupDetails           []wireGroup
	CreateTime, UpdateTime json.RawMessage // seen from an SDK, on no page
	extra                  []string
}

type wireGroup struct {
	Group   string
	Servers []wireServer
}

type wireServer struct {
	RelaySourceDomain, RelaySourceProtocol string
	RelaySourceParams                      map[string]text
}

// text reads a JSON text, and a number as its digits: the values are texts by
// the document, and a server that prints 10 for "10" is still understood.
type text string

// UnmarshalJSON reads b.
func (t *text) UnmarshalJSON(b []byte) error {
	var n json.Number
	if err := json.Unmarshal(b, &n); err == nil && len(b) > 0 && b[0] != '"' {
		*t = text(n.String())
		return nil
	}
	return json.Unmarshal(b, (*string)(t))
}

// parseListing reads an answer. "Nothing configured" is not documented, so no
// Result, null, {} and an absent, null or empty list all stand for it.
func parseListing(body []byte) (listing, error) {
	var answer struct {
		Result *struct{ RelaySourceConfigList []json.RawMessage }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return listing{}, fmt.Errorf("the list cannot be read: %w", err)
	}
	l := listing{entries: map[string][]entry{}}
	if answer.Result == nil {
		return l, nil
	}
	for _, raw := range answer.Result.RelaySourceConfigList {
		l.add(raw)
	}
	return l, nil
}

// add parses one entry on its own, so that one that cannot be read spoils only
// its own app.
func (l *listing) add(raw json.RawMessage) {
	var name struct{ Vhost, App string }
	if err := json.Unmarshal(raw, &name); err != nil || string(raw) == "null" {
		l.broken = "an entry of the list has no readable app"
		return
	}
	e := parseEntry(raw)
	e.Vhost = name.Vhost
	l.entries[name.App] = append(l.entries[name.App], e)
}

// parseEntry looks for settings that weir does not know only where a strict
// reading finds something unknown, which is seldom.
func parseEntry(raw json.RawMessage) entry {
	var e entry
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if strict.Decode(&e) == nil {
		e.extra = e.protocols()
		return e
	}
	e = entry{}
	if err := json.Unmarshal(raw, &e); err != nil {
		return entry{extra: []string{"something that cannot be read"}}
	}
	e.extra = append(unknownFields(raw, len(e.GroupDetails)), e.protocols()...)
	return e
}

// protocols names the protocols of an entry that are none of the two documented.
func (e entry) protocols() []string {
	var out []string
	for _, g := range e.GroupDetails {
		for _, s := range g.Servers {
			odd := "RelaySourceProtocol " + s.RelaySourceProtocol
			if !slices.Contains([]string{"rtmp", "flv"}, strings.ToLower(s.RelaySourceProtocol)) && !slices.Contains(out, odd) {
				out = append(out, odd)
			}
		}
	}
	return out
}

// of returns the spec of an app in normal form, "" where it is absent, and why
// it cannot be known. The entry of the whole vhost is nobody's, and an entry
// without groups configures nothing.
func (l listing) of(vhost, app string) (resource.Spec, string) {
	var found []entry
	for _, e := range l.entries[app] {
		if e.Vhost == "" || strings.EqualFold(e.Vhost, vhost) {
			found = append(found, e)
		}
	}
	switch {
	case len(found) == 0 && l.broken != "":
		return "", l.broken
	case len(found) == 0:
		return "", ""
	case len(found) > 1:
		return "", fmt.Sprintf("the list holds the app %d times", len(found))
	case len(found[0].extra) > 0:
		return "", wouldDrop + strings.Join(found[0].extra, ", ")
	case len(found[0].GroupDetails) == 0:
		return "", ""
	}
	spec, err := found[0].source(vhost, app).spec()
	if err != nil {
		return "", err.Error()
	}
	return spec, ""
}

func (e entry) source(vhost, app string) RelaySource {
	r := RelaySource{Vhost: vhost, App: app, Groups: make([]Group, len(e.GroupDetails))}
	for i, g := range e.GroupDetails {
		r.Groups[i] = Group{Name: g.Group, Servers: make([]Server, len(g.Servers))}
		for j, s := range g.Servers {
			r.Groups[i].Servers[j] = Server{s.RelaySourceDomain, s.RelaySourceProtocol, params(s.RelaySourceParams)}
		}
	}
	return r
}

// params makes null and {} the same.
func params(m map[string]text) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = string(v)
	}
	return out
}

// unknownFields names the settings of an entry that an update from weir would
// not carry: the vendor's support can make such, and they are on no page.
// Empty values and the defaults that the vendor's SDKs name are no settings.
func unknownFields(raw json.RawMessage, groups int) []string {
	retries := fmt.Sprint(max(groups-1, 0))
	f := &fields{defaults: map[string]string{"LBType": `"order"`, "RetryInterval": "1", "RetryTimes": retries}}
	top := f.object(raw, "Vhost", "App", "GroupDetails", "CreateTime", "UpdateTime")
	for _, g := range list(top["GroupDetails"]) {
		group := f.object(g, "Group", "Servers")
		for _, s := range list(group["Servers"]) {
			f.object(s, "RelaySourceDomain", "RelaySourceProtocol", "RelaySourceParams")
		}
	}
	slices.Sort(f.unknown)
	return slices.Compact(f.unknown)
}

type fields struct {
	defaults map[string]string
	unknown  []string
}

// object notes the fields of raw that are not known and returns all.
func (f *fields) object(raw json.RawMessage, known ...string) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	for name, value := range m {
		if !slices.Contains(known, name) && !empty(value) && string(value) != f.defaults[name] {
			f.unknown = append(f.unknown, name)
		}
	}
	return m
}

func empty(value json.RawMessage) bool {
	return slices.Contains([]string{"null", `""`, "0", "false", "[]", "{}"}, string(value))
}

func list(raw json.RawMessage) []json.RawMessage {
	var l []json.RawMessage
	_ = json.Unmarshal(raw, &l) // the entry decoded, so it is a list or null
	return l
}
