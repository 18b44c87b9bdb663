package main

import (
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"weir/sync/config"
	"weir/sync/resource"
)

// The bytes to which parts of an origin are cut.
const (
	commitShown = 7
	authorShown = 40
)

// originText says where something is declared and, where that is known, by
// which commit and whom.
func originText(o resource.Origin) string {
	parts := []string{legible(o.String())}
	if o.Commit != "" {
		parts = append(parts, strings.TrimSpace(commitText(o)+" "+authorText(o)))
	}
	return strings.TrimSpace(strings.Join(parts, "  "))
}

func commitText(o resource.Origin) string {
	return visible(o.Commit[:min(len(o.Commit), commitShown)], 40, "")
}

// authorText returns an author's name without the address.
func authorText(o resource.Origin) string {
	return authorOf(o.Author)
}

func authorOf(author string) string {
	name, _, _ := strings.Cut(author, "<")
	name, _, _ = strings.Cut(name, "@")
	return visible(strings.TrimSpace(name), authorShown, "")
}

// visible returns s on one line of at most most bytes in which each character
// shows as itself: what is not printed, or turns the writing round, is escaped,
// and so is what stands in also.
func visible(s string, most int, also string) string {
	if len(s) <= most && isPlain(s) && !strings.ContainsAny(s, also) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		part := string(r)
		if !unicode.IsPrint(r) || strings.ContainsRune(also, r) {
			part = escaped(r)
		}
		if b.Len()+len(part) > most {
			return b.String() + "…"
		}
		b.WriteString(part)
	}
	return b.String()
}

// legible is visible for a text of which nothing is cut.
func legible(s string) string { return visible(s, math.MaxInt, "") }

// isPlain reports whether s is of printable ASCII alone, as nearly all is.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// escaped writes r as a string of JSON may, with digits even where it has a
// shorter form: what escapes must not need escaping.
func escaped(r rune) string {
	switch {
	case r == '\n', r == '\r', r == '\t':
		quoted := strconv.QuoteRuneToASCII(r)
		return quoted[1 : len(quoted)-1]
	case r > 0xffff:
		return `\U` + hexDigits(r, 8)
	}
	return `\u` + hexDigits(r, 4)
}

func hexDigits(r rune, digits int) string {
	text := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", max(0, digits-len(text))) + text
}

// places returns what finds the path of an origin's file: from the process's
// folder, which in CI is the repository's root.
func places(cfg *config.Config) func(resource.Origin) string {
	dirs := map[string]string{}
	for _, s := range cfg.Sources {
		if dirs[s.Name] = s.Directory; s.Git != nil {
			dirs[s.Name] = s.Git.Path
		}
	}
	return func(o resource.Origin) string {
		if o.File == "" {
			return ""
		}
		return filepath.ToSlash(filepath.Join(dirs[o.Source], filepath.FromSlash(o.File)))
	}
}
