package source

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Selects reports whether a file of this name (its last element) is a manifest:
// *.yaml, *.yml and *.json in any case, but no dot-file and nothing an editor
// leaves behind.
func Selects(name string) bool {
	if Hidden(name) || Dropping(name) {
		return false
	}
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return false
	}
	switch strings.ToLower(name[dot:]) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// Hidden reports whether name is a dot-file or dot-folder, which no source
// reads.
func Hidden(name string) bool { return strings.HasPrefix(name, ".") }

// Dropping reports whether name is what an editor leaves beside the file it
// edits: backups (x~), swap files (.x.swp), autosaves (#x#) and vim's 4913.
func Dropping(name string) bool {
	if strings.HasSuffix(name, "~") || name == "4913" {
		return true
	}
	if strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#") {
		return true
	}
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return false
	}
	switch strings.ToLower(name[dot:]) {
	case ".swp", ".swo", ".swx":
		return true
	}
	return false
}

// The reasons why CheckName refuses a name.
var (
	errNotUTF8   = errors.New("the name is not valid UTF-8")
	errControl   = errors.New("the name has a control character")
	errInvisible = errors.New("the name has a character that is invisible or turns the direction of writing")
)

// CheckName says why a file or folder must not have this name (its last
// element), or nil. A refused name is one that a log, a terminal or a review
// would show as something else.
func CheckName(name string) error {
	if !utf8.ValidString(name) {
		return errNotUTF8
	}
	for _, r := range name {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return errControl
		case r >= utf8.RuneSelf && unicode.Is(unicode.Cf, r):
			return errInvisible
		}
	}
	return nil
}

// Fold returns a key that is equal for names that differ only in case, as file
// systems that ignore case compare them.
func Fold(name string) string { return strings.Map(foldRune, name) }

func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	if 'A' <= least && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}
