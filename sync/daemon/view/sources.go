package view

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/sync/manifest"
	"weir/sync/reconcile"
	"weir/sync/source"
)

// What of the problems of a revision is shown with the lines round them.
const (
	problemsShown = 50
	linesAround   = 2
	lineLength    = 200 // in characters; the rest is cut
)

// commitTime bounds how long a commit is asked for: the source may be busy. It is
// remembered, and asked for again at the next look where it did not come.
const commitTime = 200 * time.Millisecond

// commitsKept bounds the commits that are remembered. Then all are dropped.
const commitsKept = 1000

// commits remembers commits by hash, which never change.
type commits struct {
	mu sync.Mutex
	of map[string]*Commit
}

// commit returns the commit of a revision of a feed, nil where there is none.
func (v *Viewer) commit(ctx context.Context, f reconcile.FeedView, revision string) *Commit {
	c, ok := f.Source.(source.Chronicle)
	if !ok || revision == "" {
		return nil
	}
	v.commits.mu.Lock()
	known := v.commits.of[revision]
	v.commits.mu.Unlock()
	if known != nil {
		return known
	}
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	found, err := c.Commit(ctx, revision)
	if err != nil {
		return nil
	}
	v.commits.mu.Lock()
	defer v.commits.mu.Unlock()
	if v.commits.of == nil || len(v.commits.of) >= commitsKept {
		v.commits.of = map[string]*Commit{}
	}
	v.commits.of[revision] = &found
	return &found
}

func (v *Viewer) sources(ctx context.Context) []Source {
	feeds := v.Loop.Feeds()
	out := make([]Source, 0, len(feeds))
	for _, f := range feeds {
		s := Source{SourceStatus: f.SourceStatus, InForceSince: f.Since.UTC(), Problems: problems(f)}
		s.InForceCommit = v.commit(ctx, f, f.InForce)
		if h, ok := f.Source.(source.Housed); ok {
			s.URL, s.Folder = h.Repository()
		}
		if f.Revision != f.InForce {
			s.NewestCommit = v.commit(ctx, f, f.Revision)
		}
		out = append(out, s)
	}
	return out
}

// Problems returns what stands against the newest revision of each source.
func (v *Viewer) Problems() []SourceProblems {
	out := []SourceProblems{}
	for _, f := range v.Loop.Feeds() {
		if len(f.Problems) > 0 {
			out = append(out, SourceProblems{
				Source: f.Name, Revision: f.Revision, InForce: f.InForce,
				Total: len(f.Problems), Problems: problems(f),
			})
		}
	}
	return out
}

// problems returns the first problems of a feed with the lines round them.
func problems(f reconcile.FeedView) []Problem {
	list := f.Problems[:min(len(f.Problems), problemsShown)]
	out := make([]Problem, 0, len(list))
	for _, p := range list {
		out = append(out, Problem{Problem: p, Excerpt: excerpt(f.Loaded, p)})
	}
	return out
}

// excerpt returns the lines round a problem, none where the revision has no such
// place.
func excerpt(snap *source.Snapshot, p manifest.Problem) []Line {
	out := []Line{}
	if snap == nil || p.Line == 0 {
		return out
	}
	byPath := func(f source.File, path string) int { return cmp.Compare(f.Path, path) }
	i, ok := slices.BinarySearchFunc(snap.Files, p.File, byPath)
	if !ok {
		return out
	}
	number := 0
	for line := range bytes.Lines(snap.Files[i].Data) {
		if number++; number > p.Line+linesAround {
			break
		}
		if number >= p.Line-linesAround {
			out = append(out, Line{number, cut(strings.ToValidUTF8(string(bytes.TrimRight(line, "\r\n")), "\uFFFD"))})
		}
	}
	return out
}

// cut shortens a line that is too long to be read.
func cut(s string) string {
	n := 0
	for i := range s {
		if n++; n > lineLength {
			return s[:i] + "…"
		}
	}
	return s
}
