package volcenginelive

import (
	"fmt"
	"slices"

	"weir/sync/call"
	"weir/sync/plan"
	"weir/sync/resource"
)

// calls returns the one call of a change. An update always carries every
// group, so that it ends the same whether the cloud replaces or merges; what a
// merge leaves over, repair removes.
//
// A removal names vhost and app, as the sample of page 1126873 does: the
// application goes in one step and not group by group, in which its channels
// would play from half a configuration. Without App the call may mean the
// entry of the whole vhost, so none is ever made or sent that way.
func calls(c plan.Change) ([]*call.Request, error) {
	if c.Action == plan.Delete {
		return deletion(c)
	}
	r, err := relaySource(c.After)
	if err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return []*call.Request{update(c.ID, r)}, nil
}

// deletion returns no call for what is gone already.
func deletion(c plan.Change) ([]*call.Request, error) {
	if c.Before == "" {
		return nil, nil
	}
	r, err := relaySource(c.Before)
	if err != nil {
		return nil, err
	}
	if r.Vhost == "" || global(r.App) {
		return nil, fmt.Errorf("remove %s: a removal without an app may hit the whole vhost", c.ID)
	}
	return []*call.Request{write(c.ID, opDelete, map[string]any{"Vhost": r.Vhost, "App": r.App})}, nil
}

func update(id resource.ID, r RelaySource) *call.Request {
	return write(id, opUpdate, map[string]any{"Vhost": r.Vhost, "App": r.App, "GroupDetails": groupDetails(r.Groups)})
}

// write returns a request that may be made twice: each of the three operations
// leaves the same behind.
func write(id resource.ID, operation string, params map[string]any) *call.Request {
	return &call.Request{Account: id.Account, Operation: operation, Params: params, Write: true, Repeatable: true}
}

// groupDetails returns groups under the names of page 1126872.
func groupDetails(groups []Group) []any {
	out := make([]any, len(groups))
	for i, g := range groups {
		servers := make([]any, len(g.Servers))
		for j, s := range g.Servers {
			servers[j] = server(s)
		}
		out[i] = map[string]any{"Group": g.Name, "Servers": servers}
	}
	return out
}

func server(s Server) map[string]any {
	m := map[string]any{"RelaySourceDomain": s.Address, "RelaySourceProtocol": s.Protocol}
	if len(s.Params) > 0 {
		params := make(map[string]any, len(s.Params))
		for k, v := range s.Params {
			params[k] = v
		}
		m["RelaySourceParams"] = params
	}
	return m
}

// verify returns the read that shows what became of an update.
func verify(c plan.Change) []*call.Request {
	r, err := relaySource(c.After)
	if c.Action == plan.Delete || err != nil {
		return nil
	}
	return []*call.Request{describe(c.ID.Account, r.Vhost, r.App)}
}

// repair returns what a merging cloud leaves to do: removing groups that are
// not wanted, and, where all that is wanted is there in another order, removing
// those out of place and sending the update again, which puts them at the end.
// At least one group stays throughout.
func repair(c plan.Change, seen resource.Observation) []*call.Request {
	want, err := relaySource(c.After)
	if err != nil || c.Action == plan.Delete || !seen.Exists || seen.Unreadable != "" {
		return nil
	}
	held, err := relaySource(seen.Spec)
	if err != nil {
		return nil
	}
	var out []*call.Request
	for _, name := range leftover(want.Groups, held.Groups) {
		out = append(out, removeGroup(c.ID, want, name))
	}
	misplaced := outOfPlace(want.Groups, held.Groups)
	for _, name := range misplaced {
		out = append(out, removeGroup(c.ID, want, name))
	}
	if len(misplaced) > 0 {
		out = append(out, update(c.ID, want))
	}
	return out
}

func removeGroup(id resource.ID, r RelaySource, group string) *call.Request {
	return write(id, opDelete, map[string]any{"Vhost": r.Vhost, "App": r.App, "Group": group})
}

// leftover returns the names of held groups that are not wanted. A group
// without a name stays: a removal that names no group takes the whole app.
func leftover(want, held []Group) []string {
	var out []string
	for _, h := range held {
		if h.Name != "" && !named(want, h.Name) && !slices.Contains(out, h.Name) {
			out = append(out, h.Name)
		}
	}
	return out
}

func named(groups []Group, name string) bool {
	return slices.ContainsFunc(groups, func(g Group) bool { return g.Name == name })
}

// outOfPlace returns the wanted groups that must go and come back for the order
// to be right: all but the longest beginning of want that held already has in
// that order. It returns none where something wanted is missing, differs or is
// there twice, since then the update did not work and removing would make it
// worse. A read that still shows the old order leads to the same calls; they
// end right then too.
func outOfPlace(want, held []Group) []string {
	for _, w := range want {
		at := slices.IndexFunc(held, func(h Group) bool { return h.Name == w.Name })
		if at < 0 || !equalGroups(w, held[at]) || named(held[at+1:], w.Name) {
			return nil
		}
	}
	var out []string
	kept := 0
	for _, h := range held {
		switch {
		case kept < len(want) && h.Name == want[kept].Name:
			kept++
		case named(want, h.Name):
			out = append(out, h.Name)
		}
	}
	return out
}

func equalGroups(a, b Group) bool {
	left, _ := resource.NewSpec(a) // a struct of texts always encodes
	right, _ := resource.NewSpec(b)
	return left == right
}
