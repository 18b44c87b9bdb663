package gitsource

import (
	"bytes"
	"crypto/sha256"
	"strings"
)

// digest stands for the text of a document; the zero digest for none.
type digest [16]byte

// document is a part of a file.
type document struct {
	line int // its first, that of the --- included
	text digest
}

// cut returns the documents of a file that have any text. In YAML a line that
// begins with --- begins one; JSON is one. Empty lines at both ends and blank
// space at the end are not part of the text, nor is the ---.
func cut(name string, data []byte) []document {
	var all []document
	if strings.HasSuffix(strings.ToLower(name), ".json") {
		return add(all, 1, data)
	}
	line, first, start, at := 0, 1, 0, 0
	for text := range bytes.Lines(data) {
		line++
		if bytes.HasPrefix(text, []byte("---")) {
			all = add(all, first, data[start:at])
			first, start = line, at+len("---")
		}
		at += len(text)
	}
	return add(all, first, data[start:])
}

func add(all []document, line int, text []byte) []document {
	text = bytes.TrimRight(text, " \t\r\n")
	for {
		head, rest, more := bytes.Cut(text, []byte("\n"))
		if !more || len(bytes.TrimSpace(head)) > 0 {
			break
		}
		text = rest
	}
	if len(text) == 0 {
		return all
	}
	sum := sha256.Sum256(text)
	return append(all, document{line, digest(sum[:])})
}

// standsAt returns the text of the document that a line is in, zero for none.
func standsAt(all []document, line int) digest {
	var found digest
	for _, d := range all {
		if d.line <= line {
			found = d.text
		}
	}
	return found
}

// has reports whether one of the documents has this text.
func has(all []document, text digest) bool {
	for _, d := range all {
		if d.text == text {
			return true
		}
	}
	return false
}
