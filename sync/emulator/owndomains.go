package emulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What an account has is listed by DescribeLiveUserDomains and by
// ListDomainDetail (1126815). Neither page says in which order; here by name.
// An example domain that nobody declared is listed once it holds something.

// The bounds of a page of DescribeLiveUserDomains.
const (
	defaultDomainPage = 20
	maxDomainPage     = 50
	maxDomainNumber   = 100_000
)

// The values of LiveDomainType: a streaming domain, main or sub, and an ingest
// domain.
const (
	liveVideo = "liveVideo"
	liveEdge  = "liveEdge"
)

// ownDomain is a domain as DescribeLiveUserDomains prints it.
type ownDomain struct {
	DomainName       string
	LiveDomainType   string
	LiveDomainStatus string
}

type ownDomainsReply struct {
	reply
	PageNumber int
	PageSize   int
	TotalCount int
	Domains    struct {
		PageData []ownDomain
	}
}

func describeUserDomains(h *held, c *apiCall) (any, *failure) {
	num, okNum := number(c.param("PageNumber"), 1)
	size, okSize := number(c.param("PageSize"), defaultDomainPage)
	kind := c.param("LiveDomainType")
	switch {
	case !okNum || num < 1 || num > maxDomainNumber:
		return nil, aliyunFailure("InvalidPageNumber", "PageNumber is 1 to 100000")
	case !okSize || size < 1 || size > maxDomainPage:
		return nil, aliyunFailure("InvalidPageSize", "PageSize is 1 to 50")
	case kind != "" && kind != liveVideo && kind != liveEdge:
		return nil, aliyunFailure("InvalidLiveDomainType", "LiveDomainType is liveVideo or liveEdge")
	}
	all := h.ownDomains(c)
	p := page{PageNum: num, PageSize: size}
	from, to := p.cut(len(all))
	r := &ownDomainsReply{PageNumber: num, PageSize: size, TotalCount: len(all)}
	r.Domains.PageData = all[from:to]
	return r, nil
}

// ownDomains returns the account's domains that match the call's filters.
func (h *held) ownDomains(c *apiCall) []ownDomain {
	all := []ownDomain{}
	for name := range h.domainNames(c) {
		d := ownDomain{DomainName: name, LiveDomainType: liveVideo, LiveDomainStatus: "online"}
		if h.is(name, typeIngest) && !h.is(name, typeMain) {
			d.LiveDomainType = liveEdge
		}
		kind, status := c.param("LiveDomainType"), c.param("DomainStatus")
		if (kind == "" || kind == d.LiveDomainType) && (status == "" || status == d.LiveDomainStatus) && searched(c, name) {
			all = append(all, d)
		}
	}
	by(all, func(d ownDomain) string { return d.DomainName })
	return all
}

// searched says whether a name passes the filter DomainName.
func searched(c *apiCall, name string) bool {
	want := strings.Trim(c.param("DomainName"), "*")
	switch c.param("DomainSearchType") {
	case "pre_match":
		return strings.HasPrefix(name, want)
	case "suf_match":
		return strings.HasSuffix(name, want)
	case "full_match":
		return name == want
	}
	return strings.Contains(name, want)
}

// domainNames returns the account's declared domains, and the example domains
// that hold something.
func (h *held) domainNames(c *apiCall) map[string]bool {
	names := map[string]bool{}
	for name, d := range h.domains {
		names[name] = d.Account == "" || d.Account == c.account
	}
	example := func(name string) {
		if _, declared := h.domains[name]; !declared && h.accepted(name) {
			names[name] = true
		}
	}
	for name := range h.multi.each(c.view) {
		example(name)
	}
	for main := range h.streams {
		example(main)
	}
	for main, table := range h.blocks {
		example(main)
		for _, b := range table.each(c.view) {
			example(b.ingest)
		}
	}
	maps.DeleteFunc(names, func(_ string, own bool) bool { return !own })
	return names
}

// maxVhostPage bounds both numbers of a page of ListDomainDetail.
const maxVhostPage = 1000

// statusNormal is the Status of a domain that is in use.
const statusNormal = 0

// vhostRequest is the body of ListDomainDetail.
type vhostRequest struct {
	PageNum, PageSize int
	VhostList         []string
	DomainStatusList  []int
	DomainTypeList    []string
	DomainRegionList  []string
	DomainNameList    []string
}

// vhostDomain is a domain as ListDomainDetail prints it.
type vhostDomain struct {
	Vhost, Domain string
	Status        int
	Type          string // push or pull-flv
	Region        string
	CNAME         string
}

func listDomainDetail(h *held, c *apiCall) (any, *failure) {
	req := &vhostRequest{}
	if err := json.Unmarshal(c.body, req); err != nil {
		return nil, volcengineFailure("InvalidParam.BindError", bindProblem(err))
	}
	if min(req.PageNum, req.PageSize) < 1 || max(req.PageNum, req.PageSize) > maxVhostPage {
		return nil, volcengineFailure("InvalidParam", fmt.Sprintf("PageNum and PageSize are 1 to %d", maxVhostPage))
	}
	all := h.vhostDomains(c.account, req)
	p := page{PageNum: req.PageNum, PageSize: req.PageSize}
	from, to := p.cut(len(all))
	result, err := json.Marshal(struct {
		DomainList []vhostDomain
		Total      int
	}{all[from:to], len(all)})
	if err != nil {
		return nil, volcengineFailure("InternalError", err.Error())
	}
	return json.RawMessage(result), nil
}

// vhostDomains returns the account's domains that match req. The first domain
// of a vhost is for pushing, the others for playing.
func (h *held) vhostDomains(account string, req *vhostRequest) []vhostDomain {
	all := []vhostDomain{}
	for _, v := range h.ownVhosts(account) {
		for i, name := range v.Domains {
			d := vhostDomain{
				Vhost: v.Name, Domain: name, Status: statusNormal, Type: "push", Region: "cn", CNAME: name + ".bytefcdn.com",
			}
			if i > 0 {
				d.Type = "pull-flv"
			}
			if req.wants(d) {
				all = append(all, d)
			}
		}
	}
	by(all, func(d vhostDomain) string { return place(d.Vhost, d.Domain) })
	return all
}

func (r *vhostRequest) wants(d vhostDomain) bool {
	return within(r.VhostList, d.Vhost) && within(r.DomainStatusList, d.Status) && within(r.DomainTypeList, d.Type) &&
		within(r.DomainRegionList, d.Region) && within(r.DomainNameList, d.Domain)
}

// within says whether v passes a filter; one without entries lets all through.
func within[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

// ownVhosts returns the account's vhosts, each with its domains: the declared
// ones, and the example vhosts that hold a relay source.
func (h *held) ownVhosts(account string) []Vhost {
	var all []Vhost
	for _, v := range h.vhosts {
		if v.Account != "" && v.Account != account {
			continue
		}
		if len(v.Domains) == 0 {
			v.Domains = []string{v.Name}
		}
		all = append(all, v)
	}
	for name, table := range h.relays {
		if _, declared := h.vhosts[name]; !declared && h.accepted(name) && table.size() > 0 {
			all = append(all, Vhost{Name: name, Domains: []string{name}})
		}
	}
	return all
}
