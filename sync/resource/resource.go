// Package resource holds weir's words: what a thing is, how it is named, where
// it was declared, what was last made true of it and what a cloud says of it.
// Every stage of a pass speaks in these types; the package knows no cloud, no
// file format and no store.
package resource

import (
	"cmp"
	"fmt"
	"strings"
)

// ID names a resource. Its text form is "<account>/<kind>/<key>", for example
// "volc-main/RelaySource/push.example.com/live": nobody invents it, it follows
// from the fields that identify the thing in its cloud.
type ID struct {
	Account string // name of the account in weir's config; holds no slash
	Kind    string // for example "RelaySource"; holds no slash
	Key     string // natural key, its parts joined by slashes
}

// String returns the text form of id.
func (id ID) String() string { return id.Account + "/" + id.Kind + "/" + id.Key }

// Part returns the i-th part of the natural key, or "" where there is none.
func (id ID) Part(i int) string {
	parts := strings.Split(id.Key, "/")
	if i < 0 || i >= len(parts) {
		return ""
	}
	return parts[i]
}

// ParseID reads the text form of an ID.
func ParseID(s string) (ID, error) {
	parts := strings.SplitN(s, "/", 3)
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return ID{}, fmt.Errorf("resource id %q: want <account>/<kind>/<key>", s)
	}
	return ID{Account: parts[0], Kind: parts[1], Key: parts[2]}, nil
}

// Compare orders IDs by account, kind and key.
func Compare(a, b ID) int {
	return cmp.Or(
		cmp.Compare(a.Account, b.Account),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Key, b.Key),
	)
}

// MarshalText writes the text form.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the text form.
func (id *ID) UnmarshalText(b []byte) error {
	parsed, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// Origin says who asked for a resource: the place of its document in a source
// and, where the source has a history, the commit that last changed it.
type Origin struct {
	Source string `json:"source"`
	File   string `json:"file"` // path below the source's root, with slashes
	Line   int    `json:"line"` // first line of the document's content, from 1
	Commit string `json:"commit"`
	Author string `json:"author"`
}

// String returns "file:line", or "" for an unknown origin. What is no document
// has no line.
func (o Origin) String() string {
	if o.File == "" || o.Line == 0 {
		return o.File
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

// Resource is one declared thing.
type Resource struct {
	ID     ID
	Spec   Spec
	Labels map[string]string
	Origin Origin
}
