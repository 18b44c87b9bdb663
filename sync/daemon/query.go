package daemon

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// query reads the parameters of a request. The first that is wrong stands in err.
type query struct {
	values url.Values
	err    error
}

// readQuery returns the parameters of a request, of which only those named may be
// there, each once.
func readQuery(r *http.Request, names []string) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values, err: err}
	for name, list := range values {
		switch {
		case !slices.Contains(names, name) && len(names) == 0:
			q.fail("parameter %q: none is known here", name)
		case !slices.Contains(names, name):
			q.fail("parameter %q: known are %s", name, strings.Join(names, ", "))
		case len(list) > 1:
			q.fail("parameter %q is given %d times", name, len(list))
		}
	}
	return q
}

func (q *query) fail(format string, args ...any) {
	if q.err == nil {
		q.err = fmt.Errorf(format, args...)
	}
}

func (q *query) text(name string) string { return q.values.Get(name) }

// number returns a whole number from least to most, or def where none is given.
func (q *query) number(name string, def, least, most int) int {
	s := q.values.Get(name)
	if !q.values.Has(name) {
		return def
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		q.fail("parameter %q: want a whole number from %d to %d", name, least, most)
		return def
	}
	return n
}

// choice returns one of several words, or "" where none is given.
func choice[T ~string](q *query, name string, known []T) T {
	s := T(q.values.Get(name))
	if s != "" && !slices.Contains(known, s) {
		words := make([]string, len(known))
		for i, k := range known {
			words[i] = string(k)
		}
		q.fail("parameter %q: want one of %s", name, strings.Join(words, ", "))
		return ""
	}
	return s
}
