package main

import (
	"io"
	"slices"
	"strings"
)

// gap is what stands between the columns of a table, leastLast the room that its
// last one has to have.
const (
	gap       = 2
	leastLast = 20
)

// table is what is compared row by row.
type table struct {
	indent int
	head   []string // "" for a table without one
	rows   [][]cell
	below  map[int]func(io.Writer) // what is written below a row, by its number
}

func (t *table) row(cells ...cell) { t.rows = append(t.rows, cells) }

// text adds a row without colours.
func (t *table) text(cells ...string) {
	row := make([]cell, len(cells))
	for i, c := range cells {
		row[i].text = c
	}
	t.rows = append(t.rows, row)
}

// write lays the columns out side by side, or, on a terminal that is not wide
// enough for that, each row as lines of its own with the columns' names.
func (t *table) write(w io.Writer, s style) {
	if s.width > 0 {
		t.dropEmpty()
	}
	widths, total := t.widths()
	if !s.fits(t.indent + total - max(0, last(widths)-leastLast)) {
		t.writeTall(w, s)
		return
	}
	if t.head != nil {
		head := make([]cell, len(t.head))
		for i, name := range t.head {
			head[i] = cell{name, bold}
		}
		t.writeRow(w, head, widths, s)
	}
	for i, row := range t.rows {
		t.writeRow(w, row, widths, s)
		if below := t.below[i]; below != nil {
			below(w)
		}
	}
}

// dropEmpty leaves out columns in which nothing stands.
func (t *table) dropEmpty() {
	for i := range slices.Backward(t.head) {
		if !slices.ContainsFunc(t.rows, func(row []cell) bool { return row[i].text != "" && row[i].text != "-" }) {
			t.head = slices.Delete(t.head, i, i+1)
			for j, row := range t.rows {
				t.rows[j] = slices.Delete(row, i, i+1)
			}
		}
	}
}

// widths are those of the columns, of which the last ends where it ends, and of
// all of them.
func (t *table) widths() (widths []int, total int) {
	for _, name := range t.head {
		widths = append(widths, columns(name))
	}
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(c.text))
		}
	}
	for _, n := range widths {
		total += n + gap
	}
	return widths, total - gap
}

// writeRow writes cells side by side; the last goes on below itself where it is
// too long.
func (t *table) writeRow(w io.Writer, row []cell, widths []int, s style) {
	end := len(row) - 1
	for end > 0 && row[end].text == "" {
		end--
	}
	parts, column := []cell{{strings.Repeat(" ", t.indent), ""}}, t.indent
	for i, c := range row[:end] {
		parts = append(parts, c, cell{strings.Repeat(" ", widths[i]-columns(c.text)+gap), ""})
		column += widths[i] + gap
	}
	s.line(w, column, append(parts, row[end])...)
}

func last(widths []int) int {
	if len(widths) == 0 {
		return 0
	}
	return widths[len(widths)-1]
}

// writeTall writes each row as a block: its first column as its title.
func (t *table) writeTall(w io.Writer, s style) {
	names := 0
	for _, name := range t.head {
		names = max(names, columns(name))
	}
	indent := cell{strings.Repeat(" ", t.indent), ""}
	for i, row := range t.rows {
		if t.head == nil {
			s.line(w, t.indent+2, append([]cell{indent}, spaced(row)...)...)
			continue
		}
		s.line(w, t.indent+2, indent, cell{row[0].text, bold})
		for j, c := range row[1:] {
			if c.text != "" && c.text != "-" {
				name := pad(strings.ToLower(t.head[j+1]), names)
				s.line(w, t.indent+4, indent, cell{"  " + name + "  ", dim}, c)
			}
		}
		if below := t.below[i]; below != nil {
			below(w)
		}
	}
}

// spaced puts a gap between cells.
func spaced(row []cell) []cell {
	var out []cell
	for i, c := range row {
		if i > 0 && c.text != "" {
			out = append(out, cell{strings.Repeat(" ", gap), ""})
		}
		out = append(out, c)
	}
	return out
}
