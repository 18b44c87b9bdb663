package commitstatus

import (
	"fmt"
	"strings"

	"weir/sync/delivery"
)

// Summary is a plan in numbers of resources.
type Summary struct {
	Create, Update, Delete int
	Unchanged              int // as declared
	Waiting                int // for a precondition
	Unknown                int // cannot be read
	Withheld               int // differ, and are left alone
}

// changes lists the changes, each with the word given, "" for none.
func (s Summary) changes(create, update, remove string) string {
	return list([]counted{{s.Create, create}, {s.Update, update}, {s.Delete, remove}})
}

// rest lists what is not a change, "" for nothing.
func (s Summary) rest() string {
	return list([]counted{
		{s.Unchanged, "in sync"}, {s.Waiting, "waiting"}, {s.Unknown, "unreadable"}, {s.Withheld, "left alone"},
	})
}

type counted struct {
	n    int
	word string
}

func list(counts []counted) string {
	var parts []string
	for _, c := range counts {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	return strings.Join(parts, ", ")
}

// Applied returns the text of a success: "applied: 2 created, 1 updated; 40 in
// sync".
func (s Summary) Applied() string {
	changes := s.changes("created", "updated", "removed")
	if changes == "" {
		changes = "nothing to change"
	}
	return join("applied: "+changes, s.rest())
}

// Applying returns the text of a commit under way: "applying: 2 to create; 40
// in sync".
func (s Summary) Applying() string {
	changes := s.changes("to create", "to update", "to remove")
	if changes == "" {
		changes = "nothing to change"
	}
	return join("applying: "+changes, s.rest())
}

// Failed returns the text of calls that failed: "failed: 2 of 3 changes: live/a:
// QuotaExceeded". First is the first failure; s counts all changes.
func (s Summary) Failed(failures int, first string) string {
	all := s.Create + s.Update + s.Delete
	text := fmt.Sprintf("failed: %d of %s", failures, plural(max(all, failures), "change"))
	if first == "" {
		return text
	}
	return text + ": " + first
}

// Held returns the text of a plan that waits for a person: "held [removals]: 7
// removals, 5 allowed (7 to remove)". By names what holds it; reason may be "".
func (s Summary) Held(by, reason string) string {
	text := HeldBy(by, reason)
	if changes := s.changes("to create", "to update", "to remove"); changes != "" {
		return text + " (" + changes + ")"
	}
	return text
}

// HeldBy returns the text of a commit that waits for a person before there is a
// plan: "held [history]: does not descend from 1a2b3c".
func HeldBy(by, reason string) string {
	text := "held"
	if by != "" {
		text += " [" + by + "]"
	}
	if reason != "" {
		text += ": " + reason
	}
	return text
}

// Refused returns the text of documents with problems: "refused: live/a.yaml:3:9:
// unknown field (2 problems)". First is the first problem with its place; it is
// cut so that the number is seen on every host.
func Refused(first string, problems int) string {
	const room = shortest - len("refused:  (1000000 problems)")
	if problems <= 1 {
		return "refused: " + first
	}
	return fmt.Sprintf("refused: %s (%d problems)", delivery.OneLine(first, room), problems)
}

func join(text, rest string) string {
	if rest == "" {
		return text
	}
	return text + "; " + rest
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
