package emulator

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// The types of ApsaraVideo's domains, as DescribeLiveDomainMapping prints them.
const (
	typeMain   = "vhost"
	typeIngest = "publish"
	typePlay   = "play"
)

// The rule for domains that nobody declared, where *.example.com is accepted:
// one that begins with "push." or "push-" is an ingest domain whose main
// streaming domain has "live" in place of "push"; every other is ingest, main
// streaming and sub-streaming domain in one, and maps to itself.

// accepted says whether a name is one of the example domains.
func (h *held) accepted(name string) bool {
	return h.settings.AcceptExampleDomains && (name == "example.com" || strings.HasSuffix(name, ".example.com"))
}

// swap replaces a leading word before a dot or hyphen.
func swap(name, from, to string) (string, bool) {
	rest, found := strings.CutPrefix(name, from)
	if !found || rest == "" || rest[0] != '.' && rest[0] != '-' {
		return name, false
	}
	return to + rest, true
}

// is says whether a name is a domain of the type given.
func (h *held) is(name, kind string) bool {
	if d, declared := h.domains[name]; declared {
		return d.Type == kind
	}
	_, push := swap(name, "push", "live")
	return h.accepted(name) && (!push || kind == typeIngest)
}

// main returns the main streaming domain of a domain of any type, or "".
func (h *held) main(name string) string {
	if d, declared := h.domains[name]; declared {
		if d.Type == typeMain {
			return name
		}
		return d.Main
	}
	if !h.accepted(name) {
		return ""
	}
	main, _ := swap(name, "push", "live")
	return main
}

// mapped is a domain as DescribeLiveDomainMapping prints it.
type mapped struct {
	Type       string
	DomainName string
}

// mapping returns every domain that maps to a main streaming domain, that
// itself first.
func (h *held) mapping(main string) []mapped {
	all := []mapped{{typeMain, main}}
	if _, declared := h.domains[main]; !declared {
		if push, live := swap(main, "live", "push"); live && h.main(push) == main {
			all = append(all, mapped{typeIngest, push})
		}
		all = append(all, mapped{typeIngest, main}, mapped{typePlay, main})
	}
	var declared []mapped
	for name, d := range h.domains {
		if d.Main == main {
			declared = append(declared, mapped{d.Type, name})
		}
	}
	slices.SortFunc(declared, func(a, b mapped) int {
		return cmp.Or(-cmp.Compare(a.Type, b.Type), cmp.Compare(a.DomainName, b.DomainName))
	})
	return append(all, declared...)
}

// ingest returns the first ingest domain of a main streaming domain, or "".
func (h *held) ingest(main string) string {
	for _, m := range h.mapping(main) {
		if m.Type == typeIngest {
			return m.DomainName
		}
	}
	return ""
}

// find returns the main streaming domain for a parameter that names a domain
// of one of the types given. No page says what a domain of another type is
// answered; here it is not found, so that the mistake shows.
func (h *held) find(c *apiCall, param string, kinds ...string) (string, *failure) {
	name := c.param(param)
	owner := h.domains[name].Account
	for _, kind := range kinds {
		if h.is(name, kind) && (owner == "" || owner == c.account) {
			return h.main(name), nil
		}
	}
	return "", aliyunFailure("InvalidDomain.NotFound", "the account has no such "+strings.Join(kinds, " or ")+" domain")
}

type mappingReply struct {
	reply
	LiveDomainModels struct {
		LiveDomainModel []mapped
	}
}

func describeMapping(h *held, c *apiCall) (any, *failure) {
	if f := missing(c, "DomainName"); f != nil {
		return nil, f
	}
	main, f := h.find(c, "DomainName", typeMain, typeIngest, typePlay)
	if f != nil {
		return nil, f
	}
	r := &mappingReply{}
	r.LiveDomainModels.LiveDomainModel = h.mapping(main)
	return r, nil
}

// The dual-stream operations are documented for HTTPS only; over plain HTTP the
// emulator answers them all the same.

// multiStreamDomain finds the main streaming domain of a dual-stream call.
func multiStreamDomain(h *held, c *apiCall) (string, *failure) {
	if f := lacks("InvalidParameter", c, "Domain"); f != nil {
		return "", f
	}
	main, f := h.find(c, "Domain", typeMain)
	if f != nil {
		return "", f
	}
	if h.ingest(main) == "" {
		return "", aliyunFailure("CodeGetPushbackDomainError", "no ingest domain is mapped to this streaming domain")
	}
	return main, nil
}

func setMultiStream(h *held, c *apiCall) (any, *failure) {
	main, f := multiStreamDomain(h, c)
	if f != nil {
		return nil, f
	}
	to := c.param("Switch")
	if to != "on" && to != "off" {
		return nil, aliyunFailure("InvalidParameter", "Switch is on or off")
	}
	if h.multiStream(main, c.at) != to {
		h.multi.put(main, to, c.at)
	}
	return &reply{}, nil
}

type multiStreamReply struct {
	reply
	Switch string
}

func describeMultiStream(h *held, c *apiCall) (any, *failure) {
	main, f := multiStreamDomain(h, c)
	if f != nil {
		return nil, f
	}
	return &multiStreamReply{Switch: h.multiStream(main, c.view)}, nil
}

// multiStream returns the switch of a main streaming domain.
func (h *held) multiStream(main string, at time.Time) string {
	if to, set := h.multi.get(main, at); set {
		return to
	}
	return "off"
}
