package reconcile

import (
	"bytes"
	"encoding/json"
	"slices"
)

// MarshalJSON writes lists without entries as empty ones, so that a reader
// need not expect null.
func (s Status) MarshalJSON() ([]byte, error) {
	type plain Status // without this method
	p := plain(s)
	p.Sources = listed(slices.Clone(s.Sources))
	for i := range p.Sources {
		p.Sources[i].Problems = listed(p.Sources[i].Problems)
	}
	p.Counts, p.Failures, p.Unread = listed(s.Counts), listed(s.Failures), listed(s.Unread)
	p.UnderWay = listed(s.UnderWay)
	p.Plan.Held, p.Fights, p.Scrub = listed(s.Plan.Held), listed(s.Fights), listed(s.Scrub)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // as the rest of the answer is written
	err := enc.Encode(p)
	return b.Bytes(), err
}

// listed returns l, or an empty list for none.
func listed[L ~[]E, E any](l L) L {
	if l == nil {
		return L{}
	}
	return l
}
