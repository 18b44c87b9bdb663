package main

import (
	"fmt"
	"io"
)

// style is how text looks where it is shown. The zero value is plain text that
// ends nowhere, for pipes and files: nothing is coloured, wrapped or shortened.
type style struct {
	colored bool
	width   int // columns of a terminal, 0 for no terminal
}

// The colours, as SGR codes: those of the sixteen that a terminal's own theme
// makes readable, whether it is light or dark.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
	loud   = "1;31" // what must not be missed
)

// leastWidth is the width below which nothing is laid out any narrower.
const leastWidth = 24

// style returns how results look.
func (a *app) style() style { return a.styleOf(a.out) }

// styleOf returns how text on w looks.
func (a *app) styleOf(w io.Writer) style {
	width := terminal(w)
	if width > 0 {
		width = max(width, leastWidth)
	}
	return style{colored: a.colored(w), width: width}
}

func (s style) paint(code, text string) string {
	if !s.colored || text == "" || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// heading begins a part of what is shown.
func (s style) heading(w io.Writer, text string) { fmt.Fprintf(w, "\n%s\n", s.paint(bold, text)) }

// fits reports whether so many columns are there.
func (s style) fits(columns int) bool { return s.width == 0 || columns <= s.width }

// clip shortens text to a terminal's end, indent columns after its beginning.
func (s style) clip(text string, indent int) string {
	if s.width == 0 {
		return text
	}
	return clip(text, max(s.width-indent, 1))
}
