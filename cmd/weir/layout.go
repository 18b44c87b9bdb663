package main

import (
	"io"
	"strings"

	"github.com/rivo/uniseg"
)

// columns is how many columns of a terminal a text takes: two for a Chinese
// character, none for a mark that goes onto the character before it.
func columns(text string) int {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return uniseg.StringWidth(text)
		}
	}
	return len(text)
}

// clip shortens text to so many columns, with a sign where something was left out.
func clip(text string, width int) string {
	if columns(text) <= width {
		return text
	}
	kept, used, state := 0, 0, -1
	for rest := text; rest != ""; {
		var cluster string
		var w int
		if cluster, rest, w, state = uniseg.FirstGraphemeClusterInString(rest, state); used+w > width-1 {
			break
		}
		kept, used = kept+len(cluster), used+w
	}
	return text[:kept] + "…"
}

// pad fills text up with spaces to so many columns.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-columns(text)))
}

// parted is how many characters that two texts begin with alike are shown where
// there is no room for all of them.
const parted = 6

// apart leaves out what two texts begin with alike, as far as they are too long
// to be shown: cut at their end they would look the same.
func apart(a, b string, width int) (string, string) {
	if columns(a) <= width && columns(b) <= width {
		return a, b
	}
	ra, rb := []rune(a), []rune(b)
	same := 0
	for same < min(len(ra), len(rb)) && ra[same] == rb[same] {
		same++
	}
	if same <= parted+1 {
		return a, b
	}
	return "…" + string(ra[same-parted:]), "…" + string(rb[same-parted:])
}

// cell is a text and its colour: a part of a line, or of a table.
type cell struct{ text, color string }

func widthOf(parts []cell) int {
	all := 0
	for _, p := range parts {
		all += columns(p.text)
	}
	return all
}

// line writes parts side by side. On a terminal it goes on below, at the hanging
// indent, where a word would cross the edge. A word is never cut, so that what
// has to be copied can be.
func (s style) line(w io.Writer, hanging int, parts ...cell) {
	f, fits := flow{style: s, hanging: hanging}, s.fits(widthOf(parts))
	for _, p := range parts {
		if fits {
			f.out.WriteString(s.paint(p.color, p.text))
		} else {
			f.words(p)
		}
	}
	f.out.WriteByte('\n')
	_, _ = io.WriteString(w, f.out.String()) // w says itself what is wrong with it
}

// flow is a line that is longer than a terminal is wide.
type flow struct {
	style
	out     strings.Builder
	hanging int
	column  int
	spaces  int // that come before the next word, if it is on the same line
}

// words adds the words of a part.
func (f *flow) words(p cell) {
	run := "" // of words that are painted at once
	for i, word := range strings.Split(p.text, " ") {
		if i > 0 {
			f.spaces++
		}
		if word == "" {
			continue
		}
		n := columns(word)
		if !f.fits(f.column+f.spaces+n) && f.column > f.hanging {
			f.out.WriteString(f.paint(p.color, run) + "\n" + strings.Repeat(" ", f.hanging))
			run, f.column, f.spaces = "", f.hanging, 0
		}
		run += strings.Repeat(" ", f.spaces) + word
		f.column, f.spaces = f.column+f.spaces+n, 0
	}
	f.out.WriteString(f.paint(p.color, run))
}
