package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"weir/sync/manifest"
)

// excerptBytes bounds the files of which lines are shown.
const excerptBytes = 4 << 20

// problemText writes problems. Into a pipe each is one line that editors know; a
// terminal also gets the line of the file, with a mark where it is wrong.
type problemText struct {
	style
	w     io.Writer
	files bool                // the problems' files are those of the working directory
	read  map[string][]string // lines by file
}

func (t *problemText) write(p manifest.Problem) {
	if t.width == 0 {
		fmt.Fprintln(t.w, problemLine(p))
		return
	}
	color := severityColor(p)
	place := legible(p.File)
	if p.Line > 0 {
		place += fmt.Sprintf(":%d:%d", p.Line, p.Column)
	}
	parts := []cell{{place, bold}, {": ", ""}, {string(p.Severity) + ": ", color}}
	if p.Path != "" {
		parts = append(parts, cell{legible(p.Path) + ": ", ""})
	}
	t.line(t.w, 4, append(parts, cell{legible(p.Message) + " ", ""}, cell{"[" + p.Code + "]", dim})...)
	t.excerpt(p, color)
}

// excerpt shows the line of a problem, where the file is at hand and nothing in the
// line is to stay hidden.
func (t *problemText) excerpt(p manifest.Problem, color string) {
	lines := t.lines(p.File)
	if p.Line < 1 || p.Line > len(lines) || p.Code == manifest.CodeSecretInText {
		return
	}
	text := []rune(strings.TrimRight(lines[p.Line-1], "\r"))
	before := legible(string(text[:min(max(p.Column-1, 0), len(text))]))
	number := fmt.Sprintf("  %d | ", p.Line)
	fmt.Fprintln(t.w, t.paint(dim, number)+t.clip(legible(string(text)), len(number)))
	if at := len(number) + columns(before); t.fits(at + 1) {
		fmt.Fprintln(t.w, strings.Repeat(" ", at)+t.paint(color, "^"))
	}
}

// lines returns the lines of a file, none where it cannot be read.
func (t *problemText) lines(name string) []string {
	if lines, known := t.read[name]; known || !t.files {
		return lines
	}
	var lines []string
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && info.Size() <= excerptBytes {
		if b, err := os.ReadFile(name); err == nil {
			lines = strings.Split(string(b), "\n")
		}
	}
	if t.read == nil {
		t.read = map[string][]string{}
	}
	t.read[name] = lines
	return lines
}

// severityColor is that of an error or a warning.
func severityColor(p manifest.Problem) string {
	if p.Severity == manifest.Error {
		return red
	}
	return yellow
}

func problemLine(p manifest.Problem) string {
	if p.Severity == manifest.Error {
		return p.String()
	}
	return string(p.Severity) + ": " + p.String()
}

// printProblems prints problems beside a command's results.
func (a *app) printProblems(problems []manifest.Problem) {
	t := &problemText{style: a.styleOf(a.errs), w: a.errs}
	for _, p := range problems {
		t.write(p)
	}
}
