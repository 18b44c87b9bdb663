package web

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"weir/sync/daemon/view"
	"weir/sync/reconcile"
)

// prose is a page as it reads: without its tags.
func prose(page string) string {
	text := html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, ""))
	return strings.Join(strings.Fields(text), " ")
}

// TestFollowerSaysWhoLeads: in both languages, with a way to the one that leads.
func TestFollowerSaysWhoLeads(t *testing.T) {
	v := full("weir-b")
	v.over.Cluster.Accounts = append(v.over.Cluster.Accounts, view.Lead{Account: "lost"})
	h := handler(t, v)
	for lang, sentences := range map[string][]string{
		"en": {
			"weir-b leads volc; shown is what it has seen 4 s ago",
			"Nobody leads the sources, lost: nothing of it is read or changed until somebody does.",
			"leads weir-b, ali-2, ali-3, ali-4 and 1 more", "leads nothing, stands by",
			"The state is written in format 1, since weir-b writes no newer one yet.",
			"For 12 s nothing has shown that this is still so:",
		},
		"zh": {"weir-b 负责 volc，此处显示其观测结果，更新于 4 秒前", "目前没有成员负责 配置源、lost", "待命，未负责任何账号"},
	} {
		page := body(t, h, "/?lang="+lang, http.StatusOK)
		for _, want := range sentences {
			if !strings.Contains(prose(page), want) {
				t.Errorf("%s: the page does not say %q\n%s", lang, want, prose(page))
			}
		}
		if !strings.Contains(page, `<a href="https://github.com/example/live/" rel="noreferrer">weir-b</a>`) {
			t.Errorf("%s: no way to the one that leads", lang)
		}
	}
	v.over.Cluster.Accounts[2].Seen = v.over.Cluster.Accounts[1].Seen // zero
	v.over.Now = v.over.Now.Add(1)                                    // another overview
	fresh := handler(t, v)
	if text := prose(body(t, fresh, "/?lang=en", http.StatusOK)); !strings.Contains(text, "weir-b leads volc; nothing that it has seen is known here yet.") {
		t.Errorf("of what was never seen the page says\n%s", text)
	}
}

// TestChangeOfAnotherMemberIsItsOwn: list, resource and plan say who makes it.
func TestChangeOfAnotherMemberIsItsOwn(t *testing.T) {
	v := full("x")
	for i := range v.list.Resources {
		v.list.Resources[i].LedBy = "weir-b"
	}
	v.one.LedBy = "weir-b"
	for i := range v.plan.Changes {
		v.plan.Changes[i].Withheld, v.plan.Changes[i].Note = "", reconcile.LeadNote("weir-b")
	}
	v.over.Cluster.Accounts[1].Member, v.over.Cluster.Accounts[1].Name = "b", "weir-b"
	h := handler(t, v)
	for _, path := range pages[1:] {
		if text := prose(body(t, h, path+"?lang=en", http.StatusOK)); !strings.Contains(text, "made by weir-b, which leads the account") {
			t.Errorf("%s does not say who makes the change\n%s", path, text)
		} else if strings.Contains(text, reconcile.LeadNote("weir-b")) {
			t.Errorf("%s says it twice\n%s", path, text)
		}
	}
}

// TestOnlyAddressesOfPagesAreLinks: what another member calls its address is a text of
// others.
func TestOnlyAddressesOfPagesAreLinks(t *testing.T) {
	var p page
	for address, link := range map[string]bool{
		"https://weir-b.example.com:8180/": true, "http://10.0.0.2:8180": true, "": false, "weir-b:8180": false,
		"javascript:alert(1)": false, "https://": false, "//weir-b": false, "http://a:b@weir-b/": false, "http://[": false,
	} {
		if got := p.Elsewhere(address); (got != "") != link || link && got != address {
			t.Errorf("%q leads to %q", address, got)
		}
	}
}
