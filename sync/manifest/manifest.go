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

	mu    sync.Mutex
	cache map[string]cached // by path
}

// cached is what a file came to when its content had that hash.
type cached struct {
	hash   string
	result *parsed
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
	files := manifests(snap.Files)
	results := make([]*parsed, len(files))
	var todo []int
	for i, f := range files {
		if c, ok := l.cache[f.Path]; ok && c.hash == f.Hash {
			results[i] = c.result
			continue
		}
		todo = append(todo, i)
	}
	l.labels.reset()
	l.parseAll(snap.Source, files, todo, results)
	l.remember(files, todo, results)
	out := merge(results)
	out.Parsed = len(todo)
	return out
}

// manifests returns the files to be read, ordered by path.
func manifests(files []source.File) []source.File {
	out := make([]source.File, 0, len(files))
	for _, f := range files {
		if Matches(f.Path) {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b source.File) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// parseAll parses the files at the positions todo, as many at a time as there
// are processors.
func (l *Loader) parseAll(name string, files []source.File, todo []int, results []*parsed) {
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
				results[todo[n]] = &result
			}
		})
	}
	workers.Wait()
}

// remember replaces the cache by what this snapshot holds.
func (l *Loader) remember(files []source.File, todo []int, results []*parsed) {
	if len(todo) == 0 && len(files) == len(l.cache) {
		return
	}
	cache := make(map[string]cached, len(files))
	for i, f := range files {
		cache[f.Path] = cached{f.Hash, results[i]}
	}
	l.cache = cache
}
