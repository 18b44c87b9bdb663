// Package manifest turns the files of a source into resources. It reads YAML
// (and so JSON) strictly: what could be meant in two ways is refused, what a
// plain scalar means is decided by its field, and every problem is told with
// its place, a code and, where there is one, the right value nearest by.
//
// A file that has not changed since the last call is not parsed again.
package manifest

import (
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"weir/schema"
	"weir/sync/resource"
	"weir/sync/source"
)

// DefaultFileBytes is the size above which a file is refused unless Limits say
// otherwise.
const DefaultFileBytes = 1 << 20

// Limits bounds what is read.
type Limits struct {
	FileBytes int // of one file; 0 for DefaultFileBytes
}

// Options says what a Loader knows of weir's config.
type Options struct {
	// Accounts holds the names of the accounts by the apiVersion of the
	// resources they can own. Where it is nil nothing is known of accounts:
	// then a document's metadata.account holds, or else its provider's name.
	Accounts map[string][]string
	Limits   Limits

	// Owns holds patterns of the identities that the source may declare, as
	// weir.yaml has them; without any it may declare all.
	Owns []string
}

// Loader loads the snapshots of one source. Its methods may be called by
// several goroutines.
type Loader struct {
	options Options
	owner   owner
	kinds   []schema.Ref
	parse   func(sourceName string, file source.File) parsed

	labels labelSets

	mu     sync.Mutex
	files  []known // of the last snapshot, ordered by path
	merged merged  // what they came to together
}

// known is what a file came to when its content had that hash.
type known struct {
	path, hash string
	result     *parsed // nil for what is no manifest by its name
}

// New returns a Loader for one source.
func New(o Options) *Loader {
	if o.Limits.FileBytes <= 0 {
		o.Limits.FileBytes = DefaultFileBytes
	}
	l := &Loader{
		options: o, owner: newOwner(o.Owns), kinds: schema.Kinds(), labels: labelSets{sets: map[string]map[string]string{}},
	}
	l.parse = l.read
	return l
}

// Result is what a snapshot came to. Where Errors is not zero the revision
// must be refused as a whole; Set then holds what could be read.
type Result struct {
	Set       resource.Set
	Documents int
	Problems  []Problem // ordered by file and place, the first of each file
	Errors    int       // problems of severity error, also those not listed
	Warnings  int       // likewise
	Parsed    int       // files that were parsed in this call
	Panics    int       // files that could not be read because of a fault of weir's own
}

// Matches reports whether a file is a manifest by its name.
func Matches(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml", ".json":
	default:
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") {
			return false
		}
	}
	return true
}

// Load reads a snapshot. Files that are no manifests by their name are left
// out. The result depends on nothing but the snapshot and the options.
func (l *Loader) Load(snap *source.Snapshot) Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	files := ordered(snap.Files)
	now, todo, news := l.compare(files)
	l.labels.reset()
	l.parseAll(snap.Source, files, todo, now)
	for i, at := range todo {
		news[i].after = now[at].result
	}
	l.files = now
	out := l.merged.put(now, news)
	out.Parsed = len(todo)
	return out
}

// ordered returns files ordered by path.
func ordered(files []source.File) []source.File {
	byPath := func(a, b source.File) int { return strings.Compare(a.Path, b.Path) }
	if slices.IsSortedFunc(files, byPath) {
		return files
	}
	files = slices.Clone(files)
	slices.SortStableFunc(files, byPath)
	return files
}

// news is what a file came to before and now, nil where it was not or is not there.
type news struct{ before, after *parsed }

// compare holds files against those of the last snapshot. It returns what is known
// of them, the positions of those that are to be parsed, and what has changed: of
// these in their order, and then of files that are gone.
func (l *Loader) compare(files []source.File) (now []known, todo []int, changed []news) {
	now = make([]known, len(files))
	var gone []news
	rest := l.files
	for i, f := range files {
		for len(rest) > 0 && rest[0].path < f.Path {
			gone, rest = left(gone, rest[0]), rest[1:]
		}
		now[i] = known{path: f.Path, hash: f.Hash}
		var before *parsed
		if len(rest) > 0 && rest[0].path == f.Path {
			before = rest[0].result
			if rest[0].hash == f.Hash {
				now[i], rest = rest[0], rest[1:]
				continue
			}
			rest = rest[1:]
		}
		if Matches(f.Path) {
			todo, changed = append(todo, i), append(changed, news{before: before})
		}
	}
	for _, k := range rest {
		gone = left(gone, k)
	}
	return now, todo, append(changed, gone...)
}

func left(gone []news, k known) []news {
	if k.result == nil {
		return gone
	}
	return append(gone, news{before: k.result})
}

// parseAll parses the files at the positions todo, as many at a time as there
// are processors.
func (l *Loader) parseAll(name string, files []source.File, todo []int, now []known) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(todo)) {
		workers.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(todo) {
					return
				}
				result := l.parse(name, files[todo[n]])
				now[todo[n]].result = &result
			}
		})
	}
	workers.Wait()
}
