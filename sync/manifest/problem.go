package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Severity says what a problem means for the revision.
type Severity string

// The severities: only an error keeps a revision from being taken.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Notice  Severity = "notice"
)

// Failed reports whether any of problems is an error.
func Failed(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Severity == Error })
}

// Problem is one thing to be said about a file, at its place.
type Problem struct {
	File     string   `json:"file"`
	Line     int      `json:"line"`   // from 1; 0 where the file as a whole is meant
	Column   int      `json:"column"` // from 1, in characters
	Path     string   `json:"path"`   // "spec.groups[0].name", "" for a document or file
	Code     string   `json:"code"`   // what Explain knows
	Message  string   `json:"message"`
	Severity Severity `json:"severity"`
}

// The lengths, in characters, to which String cuts what came from outside. In
// bytes they are at most double, so that all that is shown of one file stays
// below 64 KiB.
const (
	maxPathShown    = 150
	maxMessageShown = 300
)

// String returns "file:line:column: path: message [code]" on one line, with
// every character that a terminal may act upon escaped.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(printable(p.File, maxPathShown))
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	if p.Path != "" {
		b.WriteString(": " + printable(p.Path, maxPathShown))
	}
	b.WriteString(": " + printable(p.Message, maxMessageShown) + " [" + p.Code + "]")
	return b.String()
}

// printable escapes what is not printed as itself and cuts s to most characters.
func printable(s string, most int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > most || b.Len() > 2*most-len(`\U0010ffff...`) {
			b.WriteString("...")
			break
		}
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// compareProblems orders problems of one file by place.
func compareProblems(a, b Problem) int {
	return cmp.Or(
		cmp.Compare(a.Line, b.Line),
		cmp.Compare(a.Column, b.Column),
		cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.Code, b.Code),
		cmp.Compare(a.Message, b.Message),
	)
}

const (
	maxShown = 50  // problems of one file that are shown
	maxKept  = 500 // problems of one file that are kept until they are sorted
)

// tally collects the problems of one file: all are counted, the first are kept.
type tally struct {
	list             []Problem
	errors, warnings int
	total            int
}

func (t *tally) add(p Problem) {
	t.total++
	switch p.Severity {
	case Error:
		t.errors++
	case Warning:
		t.warnings++
	}
	if len(t.list) < maxKept {
		t.list = append(t.list, p)
	}
}

// shown returns the first problems by place, and one more that counts the rest.
func (t *tally) shown() []Problem {
	slices.SortFunc(t.list, compareProblems)
	if t.total <= maxShown {
		return t.list
	}
	out := slices.Clone(t.list[:maxShown])
	last := out[maxShown-1]
	rest := Problem{File: last.File, Line: last.Line, Column: last.Column, Code: CodeMoreProblems, Severity: Notice}
	rest.Message = fmt.Sprintf("%d more problems in this file are not shown", t.total-maxShown)
	if t.errors > countErrors(out) {
		rest.Severity = Error
	}
	return append(out, rest)
}

func countErrors(list []Problem) int {
	n := 0
	for _, p := range list {
		if p.Severity == Error {
			n++
		}
	}
	return n
}
