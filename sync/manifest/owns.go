package manifest

import (
	"fmt"
	"regexp"
	"strings"

	"weir/sync/resource"
)

// owner knows which identities a source may declare; without patterns all.
type owner struct {
	patterns []string
	forms    []*regexp.Regexp
}

func newOwner(patterns []string) owner {
	o := owner{patterns: patterns}
	for _, p := range patterns {
		o.forms = append(o.forms, form(foldPattern(p)))
	}
	return o
}

// form translates a pattern: "**" is any run of characters, "*" any run
// without a slash, and all else is itself. The time of such an expression grows
// with the length of the identity only, however many stars it has.
func form(pattern string) *regexp.Regexp {
	var b strings.Builder
	for i, wide := range strings.Split(strings.ToValidUTF8(pattern, "?"), "**") {
		if i > 0 {
			b.WriteString(`.*`)
		}
		for k, plain := range strings.Split(wide, "*") {
			if k > 0 {
				b.WriteString(`[^/]*`)
			}
			b.WriteString(regexp.QuoteMeta(plain))
		}
	}
	return regexp.MustCompile(`(?s)\A` + b.String() + `\z`)
}

// foldPattern writes the part that stands for a host as Fold does. Behind "**"
// it cannot be told which part that is; then the pattern holds as written.
func foldPattern(pattern string) string {
	parts := strings.SplitN(pattern, "/", 3)
	if len(parts) < 3 || strings.Contains(parts[0]+parts[1], "**") {
		return pattern
	}
	id := Fold(resource.ID{Account: parts[0], Kind: parts[1], Key: parts[2]})
	return id.String()
}

// owns reports whether the source may declare id.
func (o owner) owns(id resource.ID) bool {
	if len(o.forms) == 0 {
		return true
	}
	written, folded := id.String(), Fold(id).String()
	for _, f := range o.forms {
		if f.MatchString(folded) || f.MatchString(written) {
			return true
		}
	}
	return false
}

// refusal says that the source may not declare id.
func (o owner) refusal(id resource.ID) string {
	const most = 4
	listed := strings.Join(o.patterns[:min(most, len(o.patterns))], ", ")
	if more := len(o.patterns) - most; more > 0 {
		listed += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("this source may not declare %s; it owns %s", id, listed)
}
