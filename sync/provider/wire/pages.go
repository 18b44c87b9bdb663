package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// MaxPages is the number of pages at which a list is given up.
const MaxPages = 100

// ErrChanged says that a list changed while its pages were read, or that pages
// came twice.
var ErrChanged = errors.New("the list changed while its pages were read")

// Count is a number of entries, which may come as a number or as a text.
type Count int

var _ json.Unmarshaler = (*Count)(nil)

// UnmarshalJSON reads 10 and "10".
func (n *Count) UnmarshalJSON(b []byte) error {
	v, err := strconv.Atoi(strings.Trim(string(b), `"`))
	if err != nil || v < 0 {
		return fmt.Errorf("%.20s is not a count", b)
	}
	*n = Count(v)
	return nil
}

// Page is one page of a list.
type Page[E comparable] struct {
	Total   *Count // of all pages; nil where the answer has none
	Entries []E
}

// ReadList reads every page of a list, from 1 on, and reads it once more where
// it changed meanwhile: a snapshot with a hole would hide what stands there.
func ReadList[E comparable](page func(n int) (Page[E], error)) ([]E, error) {
	list, err := readPages(page)
	if errors.Is(err, ErrChanged) {
		list, err = readPages(page)
	}
	return list, err
}

func readPages[E comparable](page func(n int) (Page[E], error)) ([]E, error) {
	var all []E
	met := map[E]bool{}
	var total Count
	for n := 1; n <= MaxPages; n++ {
		p, err := page(n)
		switch {
		case err != nil:
			return nil, err
		case p.Total == nil:
			return nil, errors.New("answer has no total")
		case n > 1 && (*p.Total != total || len(p.Entries) == 0 || repeats(met, p.Entries)):
			return nil, ErrChanged
		}
		total = *p.Total
		for _, e := range p.Entries {
			met[e] = true
		}
		all = append(all, p.Entries...)
		if len(all) == int(total) {
			return all, nil
		}
		if len(all) > int(total) || len(p.Entries) == 0 {
			return nil, ErrChanged
		}
	}
	return nil, fmt.Errorf("the list has more than %d pages", MaxPages)
}

// repeats reports whether a page holds nothing that was not met before.
func repeats[E comparable](met map[E]bool, entries []E) bool {
	for _, e := range entries {
		if !met[e] {
			return false
		}
	}
	return true
}
