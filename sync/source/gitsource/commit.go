package gitsource

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"weir/sync/source"
)

var (
	_ source.Chronicle = (*Source)(nil)
	_ source.Housed    = (*Source)(nil)
)

// longestSubject is what is kept of the first line of a commit's message, in bytes.
const longestSubject = 200

// Repository returns the URL and the path of the options.
func (s *Source) Repository() (url, folder string) { return s.opt.URL, s.opt.Path }

// Commit returns the commit of a revision from the mirror.
func (s *Source) Commit(ctx context.Context, revision string) (source.Commit, error) {
	out := source.Commit{Hash: revision}
	err := s.with(ctx, func(m *mirror) error {
		data, err := m.read(plumbing.CommitObject, plumbing.NewHash(revision), commitBytes)
		if err != nil {
			return err
		}
		c := parseCommit(data)
		out.Author, out.When, out.Subject = c.author, time.Unix(c.when, 0).UTC(), subject(data)
		return nil
	})
	if err != nil {
		return source.Commit{}, fmt.Errorf("source %s: commit %s: %w", s.opt.Name, revision, err)
	}
	return out, nil
}

// subject returns the first line of a commit's message, fit for a log.
func subject(data []byte) string {
	_, message, _ := bytes.Cut(data, []byte("\n\n"))
	first, _, _ := bytes.Cut(bytes.TrimLeft(message, "\n"), []byte("\n"))
	return strings.TrimSpace(plain(string(first), longestSubject))
}
