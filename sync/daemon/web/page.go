package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"weir/sync/daemon/view"
)

// page is what every page has, and what templates call: the texts of one
// language, and links that keep it. Everything embeds it.
type page struct {
	h     *Handler
	lang  int
	asked bool     // the language is the address's choice, so that links keep it
	here  *url.URL // what was asked for
	root  string   // way to "/" from here, so that a proxy may serve the page below another path
	over  view.Overview
	holds []view.Condition
	name  string // of the page: "overview", "resources", "resource", "plan"
}

func (h *Handler) page(r *http.Request, name string, depth int) *page {
	p := &page{h: h, here: r.URL, root: "./", name: name}
	if depth > 0 {
		p.root = strings.Repeat("../", depth)
	}
	p.lang, p.asked = speak(r)
	p.over = h.now(r.Context())
	p.holds = p.over.Conditions()
	return p
}

// item is a page and one thing of it: what a template within a template is
// given.
type item struct {
	*page
	It any
}

// With joins the page with one thing of it.
func (p *page) With(it any) item { return item{p, it} }

// T returns a text in the page's language.
func (p *page) T(key string, args ...any) string { return p.h.texts.say(p.lang, key, args...) }

// N returns a text that counts, in the form of its number. That of one may leave the
// number out.
func (p *page) N(key string, n int) string {
	if row, has := p.h.texts[key+".one"]; has && n == 1 {
		if !strings.Contains(row[p.lang], "%") {
			return p.T(key + ".one")
		}
		return p.T(key+".one", "1")
	}
	return p.T(key, Number(n))
}

// Num writes a number for people.
func (p *page) Num(n int) string { return Number(n) }

// Tag is the language for HTML.
func (p *page) Tag() string { return languages[p.lang].tag }

// Is reports whether the page has that name, for the navigation.
func (p *page) Is(name string) bool { return p.name == name }

// Overview is the state of everything.
func (p *page) Overview() view.Overview { return p.over }

// Condition is the most urgent that holds.
func (p *page) Condition() view.Condition { return p.holds[0] }

// Also are the others that hold.
func (p *page) Also() []view.Condition { return p.holds[1:] }

// Asset returns the address of a file of the page.
func (p *page) Asset(name string) string { return p.root + "assets/" + p.h.assets.names[name] }

// Favicon returns the address of the tab's picture.
func (p *page) Favicon() string { return p.Asset(iconName(p.Condition())) }

// Raw links to what is no page: metrics, API.
func (p *page) Raw(path string) string { return p.root + path }

// Link returns the address of a page with its query, given as keys and values;
// empty values are left out.
func (p *page) Link(path string, query ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		if query[i+1] != "" {
			q.Set(query[i], query[i+1])
		}
	}
	return p.link(path, q)
}

func (p *page) link(path string, q url.Values) string {
	if p.asked {
		q.Set("lang", languages[p.lang].code)
	}
	address := p.root + path
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	return address
}

// To returns the address of a resource's page.
func (p *page) To(id string) string { return p.Link("resources/" + id) }

// Here returns the address of this page with one value of its query changed.
func (p *page) Here(key, value string) string {
	q := p.here.Query()
	q.Set(key, value)
	if value == "" {
		q.Del(key)
	}
	return p.link(strings.TrimPrefix(p.here.Path, "/"), q)
}

// Other is a language that the page can be read in.
type Other struct {
	Name, Tag, Link string
	Current         bool
}

// Languages are all, with the page's own marked.
func (p *page) Languages() []Other {
	out := make([]Other, 0, len(languages))
	for i, l := range languages {
		q := p.here.Query()
		q.Set("lang", l.code)
		address := p.root + strings.TrimPrefix(p.here.Path, "/") + "?" + q.Encode()
		out = append(out, Other{Name: l.name, Tag: l.tag, Link: address, Current: i == p.lang})
	}
	return out
}

// Lang is what a form sends along so that the choice of language stays, "" where
// the browser chose.
func (p *page) Lang() string {
	if !p.asked {
		return ""
	}
	return languages[p.lang].code
}

// Now is the time of what is shown.
func (p *page) Now() time.Time { return p.over.Now }

// Commit returns the address of a commit where its host is known, "" elsewhere.
func (p *page) Commit(source, commit string) string {
	repo, _ := hosted(p.named(source).URL)
	return repo.commit(commit)
}

// File returns the address of a line of a commit where its host is known, ""
// elsewhere.
func (p *page) File(source, commit, file string, line int) string {
	s := p.named(source)
	repo, _ := hosted(s.URL)
	return repo.file(commit, s.Folder, file, line)
}

func (p *page) named(source string) view.Source {
	return p.source(func(s view.Source) bool { return s.Name == source })
}

// source returns the first source that is so, an empty one where none is.
func (p *page) source(is func(view.Source) bool) view.Source {
	for _, s := range p.over.Sources {
		if is(s) {
			return s
		}
	}
	return view.Source{}
}
