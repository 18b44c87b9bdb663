package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxServers is how many origin addresses a request may name. The page does
// not say whether in all or for each group; here in all.
const maxServers = 10

// How long names may be (api/volcengine-live.md 1.2).
const (
	maxVhost = 60
	maxApp   = 30
)

// isName says whether a name has 1 to most characters, all of A-Za-z0-9_.-.
func isName(name string, most int) bool {
	for _, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune("_.-", r) {
			return false
		}
	}
	return name != "" && len(name) <= most
}

// relayRequest is the body of the three operations; Describe and Delete leave
// most of it out.
type relayRequest struct {
	Vhost        string
	App          string
	Group        string
	GroupDetails []relayGroup
}

type relayGroup struct {
	Group   string
	Servers []relayServer
}

type relayServer struct {
	RelaySourceProtocol string
	RelaySourceDomain   string
	RelaySourceParams   map[string]string `json:",omitempty"`
}

// relayList is the result of Describe, put together of what each entry prints:
// ten thousand entries are not encoded anew for every read.
func relayList(entries []json.RawMessage) json.RawMessage {
	return slices.Concat([]byte(`{"RelaySourceConfigList":[`), joined(entries), []byte(`]}`))
}

func joined(entries []json.RawMessage) []byte {
	size := len(entries)
	for _, e := range entries {
		size += len(e)
	}
	all := make([]byte, 0, size)
	for i, e := range entries {
		if i > 0 {
			all = append(all, ',')
		}
		all = append(all, e...)
	}
	return all
}

// relayEntry is an app's configuration, with the text that Describe prints.
type relayEntry struct {
	groups  []relayGroup
	printed json.RawMessage
}

func newRelayEntry(vhost, app string, groups []relayGroup) relayEntry {
	printed, _ := json.Marshal(struct {
		Vhost, App   string
		GroupDetails []relayGroup
	}{vhost, app, groups})
	return relayEntry{groups: groups, printed: printed}
}

// readRelay reads a body and finds its vhost.
func readRelay(h *held, c *apiCall) (*relayRequest, *failure) {
	req := &relayRequest{}
	if err := json.Unmarshal(c.body, req); err != nil {
		return nil, volcengineFailure("InvalidParam.BindError", bindProblem(err))
	}
	switch {
	case req.Vhost == "":
		return nil, volcengineFailure("InvalidParam.BindError", "Vhost is missing")
	case !isName(req.Vhost, maxVhost):
		return nil, volcengineFailure("InvalidParam", "Vhost is no name of a domain space")
	case req.App != "" && !isName(req.App, maxApp):
		return nil, volcengineFailure("InvalidParam", "App is no name of an app")
	}
	return req, h.vhostOf(req.Vhost, c.account)
}

// vhostOf refuses a vhost that nobody has (404) or another account has (403);
// the pages' words for the two codes overlap.
func (h *held) vhostOf(name, account string) *failure {
	v, declared := h.vhosts[name]
	switch {
	case !declared && !h.accepted(name):
		return volcengineFailure("ResourceNotFound", "no such Vhost")
	case v.Account != "" && v.Account != account:
		return volcengineFailure("RequestForbidden.AccountIDNotAllow", "the Vhost belongs to another account")
	}
	return nil
}

// bindProblem says what a JSON body has wrong, without its content.
func bindProblem(err error) string {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return wrong.Field + " is not of type " + wrong.Type.String()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the body ends too early"
	}
	return "the body is not JSON"
}

// updateRelay replaces the app's groups, or only those named: the page does
// not say which, see Settings.
func updateRelay(h *held, c *apiCall) (any, *failure) {
	req, f := readRelay(h, c)
	if f != nil {
		return nil, f
	}
	if f := checkGroups(req.GroupDetails); f != nil {
		return nil, f
	}
	table, groups := h.relays.in(req.Vhost), req.GroupDetails
	if h.settings.RelayIgnoresParams {
		dropParams(groups)
	}
	if old, held := table.get(req.App, c.at); held && h.settings.RelayUpdate == "merge" {
		groups = mergeGroups(old.groups, groups)
	}
	table.put(req.App, newRelayEntry(req.Vhost, req.App, groups), c.at)
	return nil, nil
}

// dropParams takes the parameters from all servers of groups just read.
func dropParams(groups []relayGroup) {
	for _, g := range groups {
		for i := range g.Servers {
			g.Servers[i].RelaySourceParams = nil
		}
	}
}

// mergeGroups puts groups in the places of the old ones of the same name and
// appends the others.
func mergeGroups(old, groups []relayGroup) []relayGroup {
	merged := slices.Clone(old)
	for _, g := range groups {
		i := slices.IndexFunc(merged, func(m relayGroup) bool { return m.Group == g.Group })
		if i < 0 {
			merged = append(merged, g)
			continue
		}
		merged[i] = g
	}
	return merged
}

// checkGroups holds groups against what the page says of them. That an empty
// list and a name given twice are refused is this emulator's reading.
func checkGroups(groups []relayGroup) *failure {
	if len(groups) == 0 {
		return volcengineFailure("InvalidParam.BindError", "GroupDetails is missing")
	}
	seen, servers := map[string]bool{}, 0
	for _, g := range groups {
		if g.Group == "" || seen[g.Group] || len(g.Servers) == 0 {
			return volcengineFailure("InvalidParam", "a group needs a name of its own and servers")
		}
		seen[g.Group] = true
		servers += len(g.Servers)
		for _, s := range g.Servers {
			if f := checkServer(s); f != nil {
				return f
			}
		}
	}
	if servers > maxServers {
		return volcengineFailure("InvalidParam", fmt.Sprintf("%d origin servers, at most %d", servers, maxServers))
	}
	return nil
}

func checkServer(s relayServer) *failure {
	switch {
	case s.RelaySourceDomain == "" || s.RelaySourceProtocol == "":
		return volcengineFailure("InvalidParam.BindError", "RelaySourceDomain or RelaySourceProtocol is missing")
	case s.RelaySourceProtocol != "rtmp" && s.RelaySourceProtocol != "flv":
		return volcengineFailure("InvalidParam", "RelaySourceProtocol is rtmp or flv")
	case len(s.RelaySourceDomain) > 255 || strings.ContainsAny(s.RelaySourceDomain, "/?#@ \t\r\n"):
		return volcengineFailure("InvalidParam", "RelaySourceDomain is a host, with a port or without")
	}
	return nil
}

// describeRelay lists the entries of a vhost, or of one app of it.
func describeRelay(h *held, c *apiCall) (any, *failure) {
	req, f := readRelay(h, c)
	if f != nil {
		return nil, f
	}
	entries := h.printedRelays(req, c)
	switch {
	case len(entries) > 0 || h.settings.RelayEmpty == "" || h.settings.RelayEmpty == "list":
		return relayList(entries), nil
	case h.settings.RelayEmpty == "notFound" && req.App != "":
		return nil, volcengineFailure("ResourceNotFound", "no relay source for this App")
	}
	return nil, nil
}

// printedRelays returns the matching entries, sorted by app, the global entry
// first.
func (h *held) printedRelays(req *relayRequest, c *apiCall) []json.RawMessage {
	list := []json.RawMessage{}
	table := h.relays[req.Vhost]
	if req.App != "" {
		if entry, held := table.get(req.App, c.view); held {
			list = appendRelay(list, req, req.App, entry)
		}
		return list
	}
	type row struct {
		app   string
		entry relayEntry
	}
	rows := make([]row, 0, table.size())
	for app, entry := range table.each(c.view) {
		rows = append(rows, row{app, entry})
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.app, b.app) })
	for _, r := range rows {
		list = appendRelay(list, req, r.app, r.entry)
	}
	return list
}

// appendRelay adds an entry, or only its group of the name asked for.
func appendRelay(list []json.RawMessage, req *relayRequest, app string, entry relayEntry) []json.RawMessage {
	if req.Group == "" {
		return append(list, entry.printed)
	}
	for _, g := range entry.groups {
		if g.Group == req.Group {
			return append(list, newRelayEntry(req.Vhost, app, []relayGroup{g}).printed)
		}
	}
	return list
}

// deleteRelay removes an app's entry or one group of it. Without App it
// removes the vhost's global entry only, one of the readings in
// api/volcengine-live.md 1.4. What is not there is not found.
func deleteRelay(h *held, c *apiCall) (any, *failure) {
	req, f := readRelay(h, c)
	if f != nil {
		return nil, f
	}
	table := h.relays.in(req.Vhost)
	entry, found := table.get(req.App, c.at)
	if !found {
		return nil, volcengineFailure("ResourceNotFound", "no relay source for this App")
	}
	if req.Group == "" {
		table.drop(req.App, c.at)
		return nil, nil
	}
	left := slices.DeleteFunc(slices.Clone(entry.groups), func(g relayGroup) bool { return g.Group == req.Group })
	if len(left) == len(entry.groups) {
		return nil, volcengineFailure("ResourceNotFound", "no such group")
	}
	if len(left) == 0 {
		table.drop(req.App, c.at)
		return nil, nil
	}
	table.put(req.App, newRelayEntry(req.Vhost, req.App, left), c.at)
	return nil, nil
}
