package schema

import (
	"strconv"
	"strings"
)

// Nearest returns the candidate most like s, or "" where none is like enough
// to be what was meant.
func Nearest(s string, candidates []string) string { return nearest(s, candidates) }

func nearest(s string, candidates []string) string {
	best, least := "", 1+max(1, len(s)/3)
	for _, c := range candidates {
		if strings.EqualFold(c, s) {
			return c
		}
		if d := distance(s, c, least); d < least {
			best, least = c, d
		}
	}
	return best
}

// nearCode returns the code nearest to s among codes of which some have
// names: the name itself also leads to its code. Where no code is like s, it
// is the one that begins alike: the list is too long to be printed.
func nearCode(s string, codes []string, names map[string]any) string {
	if near := nearest(s, codes); len(names) == 0 || strings.EqualFold(near, s) {
		return near
	}
	for _, code := range codes {
		if strings.EqualFold(text(names[code]), s) {
			return code
		}
	}
	folded := strings.ToUpper(s)
	best, least := "", 1<<20
	for _, code := range codes {
		if c := cost(folded, code); c < least {
			best, least = code, c
		}
	}
	return best
}

// cost ranks codes by distance, and those of one distance by a common start
// and length.
func cost(s, code string) int {
	c := 8 * distance(s, code, 1<<10)
	if s == "" || code[0] != s[0] {
		c += 2
	}
	if len(s) != len(code) {
		c++
	}
	return c
}

// distance is the number of insertions, deletions, substitutions and swaps of
// neighbours that lead from a to b; at least limit where it would reach that.
func distance(a, b string, limit int) int {
	if abs(len(a)-len(b)) >= limit || len(a) > 1<<10 {
		return limit
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+differ(a[i-1], b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

func differ(a, b byte) int {
	if a == b {
		return 0
	}
	return 1
}

func abs(n int) int { return max(n, -n) }

// nearType returns how a value of another type is probably meant.
func nearType(want string, v any) string {
	s, isText := v.(string)
	switch want {
	case "boolean":
		return nearBool(strings.ToLower(s))
	case "integer":
		if n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil {
			return strconv.FormatInt(n, 10)
		}
	case "array":
		if isText && s != "" && len(s) <= maxShown {
			return "[" + s + "]"
		}
	}
	return ""
}

func nearBool(s string) string {
	switch s {
	case "on", "yes", "y", "true", "1", "enabled":
		return "true"
	case "off", "no", "n", "false", "0", "disabled":
		return "false"
	default:
		return ""
	}
}
