package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"weir/sync/manifest"
)

// The bytes to which an annotation's parts are cut.
const (
	annotatedTitle = 200
	annotatedText  = 500 // of a sentence
	annotatedValue = 120 // of a field's value
)

// annotation is a line of output that GitHub Actions shows beside a file.
type annotation struct {
	level     string // "error", "warning" or "notice"
	file      string // from the repository's root, "" for no file
	line, col int    // 0 for none
	title     string
	text      string
}

// String returns the workflow command. It is one line whatever the parts hold,
// so that no part of it is taken for a command of its own.
func (n annotation) String() string {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace
	var props []string
	if n.file != "" {
		props = append(props, "file="+property(filepath.ToSlash(n.file)))
	}
	if n.file != "" && n.line > 0 {
		props = append(props, fmt.Sprintf("line=%d", n.line))
	}
	if n.file != "" && n.col > 0 {
		props = append(props, fmt.Sprintf("col=%d", n.col))
	}
	props = append(props, "title="+property(visible(n.title, annotatedTitle, "")))
	return "::" + n.level + " " + strings.Join(props, ",") + "::" + data(n.text)
}

// problemAnnotation is a problem as GitHub Actions shows it in a pull request.
func problemAnnotation(p manifest.Problem) annotation {
	text := p.Message
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	return annotation{
		level: string(p.Severity), file: p.File, line: max(p.Line, 1), col: max(p.Column, 1),
		title: "weir " + p.Code, text: visible(text, annotatedText, ""),
	}
}
