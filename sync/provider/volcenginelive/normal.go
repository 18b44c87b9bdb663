package volcenginelive

import (
	"encoding/json"
	"fmt"
	"strings"

	"weir/sync/resource"
)

// RelaySource is the spec of the kind. In normal form addresses and protocols
// are in lower case and empty params are left out; the order of groups and
// servers is the order in which the cloud tries them.
type RelaySource struct {
	Vhost  string  `json:"vhost"`
	App    string  `json:"app"`
	Groups []Group `json:"groups"`
}

// Group is a named list of origins.
type Group struct {
	Name    string   `json:"name"`
	Servers []Server `json:"servers"`
}

// Server is one origin.
type Server struct {
	Address  string            `json:"address"`  // host or IP, with ":port" where it is not the usual one
	Protocol string            `json:"protocol"` // "rtmp" or "flv"
	Params   map[string]string `json:"params,omitempty"`
}

// normal returns spec in normal form.
func normal(spec resource.Spec) (resource.Spec, error) {
	dec := json.NewDecoder(strings.NewReader(string(spec)))
	dec.DisallowUnknownFields()
	var r RelaySource
	if err := dec.Decode(&r); err != nil {
		return "", fmt.Errorf("decode spec: %w", err)
	}
	if err := r.check(); err != nil {
		return "", err
	}
	return r.spec()
}

// spec encodes r in normal form; r is not changed.
func (r RelaySource) spec() (resource.Spec, error) {
	out := RelaySource{Vhost: r.Vhost, App: r.App, Groups: make([]Group, len(r.Groups))}
	for i, g := range r.Groups {
		out.Groups[i] = Group{Name: g.Name, Servers: make([]Server, len(g.Servers))}
		for j, s := range g.Servers {
			out.Groups[i].Servers[j] = Server{
				Address: strings.ToLower(s.Address), Protocol: strings.ToLower(s.Protocol), Params: s.Params,
			}
		}
	}
	return resource.NewSpec(out)
}

// check refuses what the calls could not carry out, whoever made the spec; the
// schema has told the user more kindly before.
func (r RelaySource) check() error {
	switch {
	case r.Vhost == "":
		return fmt.Errorf("vhost: is empty")
	case global(r.App):
		return fmt.Errorf("app: %q stands for the whole vhost, which weir does not manage", r.App)
	case len(r.Groups) == 0:
		return fmt.Errorf("groups: is empty")
	}
	seen := map[string]bool{}
	for i, g := range r.Groups {
		if g.Name == "" || seen[g.Name] {
			return fmt.Errorf("groups[%d].name: %q is empty or stands twice", i, g.Name)
		}
		if len(g.Servers) == 0 {
			return fmt.Errorf("groups[%d].servers: is empty", i)
		}
		seen[g.Name] = true
	}
	return nil
}

// global reports whether app names the entry of the whole vhost: the console
// writes "*", the API documents "".
func global(app string) bool { return app == "" || app == "*" }

// relaySource decodes a spec in normal form.
func relaySource(spec resource.Spec) (RelaySource, error) {
	var r RelaySource
	err := spec.Decode(&r)
	return r, err
}
