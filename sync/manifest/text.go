package manifest

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// maxSeparators bounds the characters in one document that can begin another
// value. A YAML node takes some 200 times the bytes of a short value, so this
// is decided before there are nodes.
const maxSeparators = 100_000

// fault is a problem in a text, before it has a file or a path.
type fault struct {
	line, column  int
	code, message string
}

// checkText refuses what is not plain UTF-8 text, and returns the text without
// its byte order mark.
func checkText(data []byte, most int) ([]byte, *fault) {
	if len(data) > most {
		msg := fmt.Sprintf("the file has %d bytes; at most %d are read (limits.fileBytes in weir.yaml)",
			len(data), most)
		return nil, &fault{code: CodeFileTooLarge, message: msg}
	}
	if utf16(data) {
		return nil, &fault{1, 1, CodeBadEncoding, "the file is UTF-16; save it as UTF-8"}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	return data, scan(data)
}

// utf16 recognises UTF-16 by its byte order mark or by the zero in one half of
// the first character. Reviewers and grep cannot read such files.
func utf16(data []byte) bool {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return true
	}
	return len(data) >= 4 && (data[0] == 0) != (data[1] == 0) && (data[2] == 0) == (data[0] == 0)
}

// scan looks at every character once.
func scan(data []byte) *fault {
	line, start, separators := 1, 0, 0
	for i := 0; i < len(data); {
		r, size := rune(data[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(data[i:])
		}
		if code, message := refused(r, size); code != "" {
			return &fault{line, utf8.RuneCount(data[start:i]) + 1, code, message}
		}
		if separates(data, i) {
			separators++
		}
		if separators > maxSeparators {
			msg := fmt.Sprintf("the document has more than %d values and keys", maxSeparators)
			return &fault{line, utf8.RuneCount(data[start:i]) + 1, CodeTooManyValues, msg}
		}
		i += size
		if r == '\n' {
			line, start = line+1, i
			if bytes.HasPrefix(data[i:], []byte("---")) {
				separators = 0
			}
		}
	}
	return nil
}

// separates reports whether another value may begin after data[i].
func separates(data []byte, i int) bool {
	switch data[i] {
	case ',', ':', '\n', '[', '{':
		return true
	case '-', '?':
		return i+1 < len(data) && (data[i+1] == ' ' || data[i+1] == '\t')
	default:
		return false
	}
}

// refused names what is wrong with a character: some end lines in one program
// and not in the next, others turn round what a reader sees.
func refused(r rune, size int) (code, message string) {
	switch {
	case r == utf8.RuneError && size == 1:
		return CodeBadEncoding, "this byte is not UTF-8"
	case r < 0x20 && r != '\t' && r != '\n' && r != '\r', r >= 0x7f && r < 0xa0:
		return CodeBadCharacter, fmt.Sprintf("control character %U is not allowed", r)
	case r == '\u2028' || r == '\u2029' || r == '\ufeff':
		return CodeBadCharacter, fmt.Sprintf("character %U is invisible and not allowed", r)
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r == '\u200e' || r == '\u200f':
		return CodeBadCharacter, fmt.Sprintf("character %U changes the direction of text and is not allowed", r)
	default:
		return "", ""
	}
}
