package wire

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"weir/sync/secret"
)

// MaxText is the most of a cloud's message that is kept, in bytes.
const MaxText = 512

// MaxDepth is how deep arrays and objects of an answer may be nested.
const MaxDepth = 64

// Clean makes a text from outside fit for logs and terminals: the key's
// secrets are replaced, control and other unprintable characters escaped, and
// the rest cut to MaxText bytes at the border of a character.
func Clean(text string, key secret.Key) string {
	for _, s := range []secret.Secret{key.Secret, key.Token} {
		text = hide(text, s)
	}
	var b strings.Builder
	for i, r := range text {
		piece := escape(text[i:], r)
		if b.Len()+len(piece) > MaxText-len("…") {
			b.WriteString("…")
			break
		}
		b.WriteString(piece)
	}
	return b.String()
}

// hide replaces s as it is and as it looks inside a query or a JSON text.
func hide(text string, s secret.Secret) string {
	if s.Empty() {
		return text
	}
	plain := s.Reveal()
	quoted := strconv.Quote(plain)
	for _, form := range []string{plain, url.QueryEscape(plain), url.PathEscape(plain), quoted[1 : len(quoted)-1]} {
		text = strings.ReplaceAll(text, form, secret.Redacted)
	}
	return text
}

// escape returns the rune at the start of rest as it may be printed.
func escape(rest string, r rune) string {
	if r == utf8.RuneError {
		if _, size := utf8.DecodeRuneInString(rest); size == 1 {
			return fmt.Sprintf(`\x%02x`, rest[0])
		}
	}
	if r == ' ' || strconv.IsPrint(r) {
		return string(r)
	}
	quoted := strconv.QuoteRune(r)
	return quoted[1 : len(quoted)-1]
}

// CheckDepth reports JSON nested deeper than MaxDepth, before anything recurses
// into it.
func CheckDepth(body []byte) error {
	depth, inText := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return fmt.Errorf("JSON is nested deeper than %d levels", MaxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
