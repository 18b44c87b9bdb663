package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// book serves pages of a list; a page may be served differently each time.
type book struct {
	asked int
	page  func(asked, n int) (Page[string], error)
}

func (b *book) read(n int) (Page[string], error) {
	b.asked++
	return b.page(b.asked, n)
}

func of(total int, entries ...string) Page[string] {
	n := Count(total)
	return Page[string]{Total: &n, Entries: entries}
}

// pages serves fixed pages and an empty one of the same total behind them.
func pages(total int, list ...[]string) func(int, int) (Page[string], error) {
	return func(_, n int) (Page[string], error) {
		if n > len(list) {
			return of(total), nil
		}
		return of(total, list[n-1]...), nil
	}
}

func TestReadList(t *testing.T) {
	tests := []struct {
		name  string
		page  func(asked, n int) (Page[string], error)
		want  []string
		err   string
		asked int
	}{
		{"empty", pages(0), nil, "", 1},
		{"one page", pages(2, []string{"a", "b"}), []string{"a", "b"}, "", 1},
		{"two pages", pages(3, []string{"a", "b"}, []string{"c"}), []string{"a", "b", "c"}, "", 2},
		{"twin on one page", pages(2, []string{"a", "a"}), []string{"a", "a"}, "", 1},
		{"failing", func(int, int) (Page[string], error) { return Page[string]{}, errors.New("gone") }, nil, "gone", 1},
		{"without a total", func(int, int) (Page[string], error) {
			return Page[string]{Entries: []string{"a"}}, nil
		}, nil, "answer has no total", 1},
		{"changing once", func(asked, n int) (Page[string], error) {
			if asked == 2 {
				return of(4, "c"), nil
			}
			return pages(3, []string{"a", "b"}, []string{"c"})(asked, n)
		}, []string{"a", "b", "c"}, "", 4},
		{"without end", func(_, n int) (Page[string], error) {
			return of(1_000_000, fmt.Sprint(n)), nil
		}, nil, "the list has more than 100 pages", MaxPages},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &book{page: tt.page}
			got, err := ReadList(b.read)
			if fmt.Sprint(err) != tt.err && (err != nil || tt.err != "") {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if !slices.Equal(got, tt.want) || b.asked != tt.asked {
				t.Errorf("got %v after %d pages, want %v after %d", got, b.asked, tt.want, tt.asked)
			}
		})
	}
}

func TestFailure_A15_PagesThatDoNotFit(t *testing.T) {
	tests := []struct {
		name  string
		page  func(asked, n int) (Page[string], error)
		asked int
	}{
		{"total grows", func(asked, n int) (Page[string], error) {
			return of(2+asked, fmt.Sprint("e", asked)), nil
		}, 4},
		{"page comes again", func(int, int) (Page[string], error) { return of(6, "a", "b"), nil }, 4},
		{"an earlier page comes again", pages(6, []string{"a", "b"}, []string{"c", "d"}, []string{"b", "a"}), 6},
		{"list ends early", pages(3, []string{"a", "b"}), 4},
		{"first page is empty", pages(3), 2},
		{"more than there are", pages(1, []string{"a", "b"}), 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &book{page: tt.page}
			got, err := ReadList(b.read)
			if !errors.Is(err, ErrChanged) || got != nil {
				t.Errorf("got %v, %v; want nothing but %v", got, err, ErrChanged)
			}
			if b.asked != tt.asked {
				t.Errorf("asked for %d pages, want %d: twice and no more", b.asked, tt.asked)
			}
		})
	}
}

func TestFailure_A30_CountAsText(t *testing.T) {
	tests := []struct {
		text string
		want Count
		ok   bool
	}{
		{`10`, 10, true},
		{`"10"`, 10, true},
		{`0`, 0, true},
		{`-1`, 0, false},
		{`1.5`, 0, false},
		{`"ten"`, 0, false},
		{`[]`, 0, false},
		{`99999999999999999999`, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			var got Count
			err := json.Unmarshal([]byte(tt.text), &got)
			if got != tt.want || (err == nil) != tt.ok {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}
