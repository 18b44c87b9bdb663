package gitsource

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"weir/sync/source"
)

// TestTrace_AsLog compares with git's own answer. Only lines are changed here,
// so that both mean the same by a document.
func TestTrace_AsLog(t *testing.T) {
	r := newRepo(t)
	random := rand.New(rand.NewPCG(1, 2))
	const documents, lines = 6, 4
	text := make([]string, documents*lines)
	for i := range text {
		text[i] = fmt.Sprintf("key%d: first", i)
	}
	write := func() string {
		var b strings.Builder
		for i, line := range text {
			if i%lines == 0 {
				b.WriteString("---\n")
			}
			b.WriteString(line + "\n")
		}
		return r.save("a.yaml", b.String())
	}
	write()
	f := r.follow(t, nil)
	for n := range 40 {
		for range 1 + random.IntN(2) {
			i := random.IntN(len(text))
			text[i] = fmt.Sprintf("key%d: %d-%d", i, n, i)
		}
		write()
		if n%10 != 9 {
			continue
		}
		f.take()
		for d := range documents {
			first := d*(lines+1) + 2
			out := r.git("log", "-s", "--format=%H", fmt.Sprintf("-L%d,%d:a.yaml", first, first+lines-1))
			commit, _, _ := strings.Cut(out, "\n")
			f.says(fmt.Sprintf("a.yaml:%d", first), commit)
		}
	}
}

// past is a history as the test made it: what each commit had.
type past struct {
	parents map[string][]string
	texts   map[string]map[string]bool // by commit, the documents of the file
}

// may returns the commits that may have made the document: those that have it
// while no parent has, and from which it was handed on to the head.
func (p *past) may(head, text string) map[string]bool {
	found, seen := map[string]bool{}, map[string]bool{}
	for todo := []string{head}; len(todo) > 0; todo = todo[1:] {
		c := todo[0]
		if seen[c] {
			continue
		}
		seen[c] = true
		handed := false
		for _, parent := range p.parents[c] {
			if p.texts[parent][text] {
				handed = true
				todo = append(todo, parent)
			}
		}
		if !handed {
			found[c] = true
		}
	}
	return found
}

// TestTrace_AsDefined makes histories with merges at random and compares with
// the plain definition, with answers remembered and not.
func TestTrace_AsDefined(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := newRepo(t)
			random := rand.New(rand.NewPCG(seed, 7))
			p := &past{map[string][]string{}, map[string]map[string]bool{}}
			var f *traced
			for n := range 30 {
				p.grow(r, random, n)
				if n%6 != 5 {
					continue
				}
				if f == nil {
					f = r.follow(t, nil)
				} else {
					f.take()
				}
				p.compare(f)
				f.src.tracer.known = known{}
				p.compare(f)
			}
		})
	}
}

// grow adds a commit, or a branch of two and its merge.
func (p *past) grow(r *repo, random *rand.Rand, n int) {
	if n == 0 || random.IntN(4) > 0 {
		p.commit(r, random)
		return
	}
	base := r.head()
	r.branch(fmt.Sprintf("b%d", n), base)
	p.commit(r, random)
	p.commit(r, random)
	r.git("checkout", "-q", "main")
	p.commit(r, random)
	r.git("merge", "-q", "--no-ff", "--no-commit", "-s", "ours", fmt.Sprintf("b%d", n))
	p.commit(r, random, strings.TrimSpace(r.git("rev-parse", fmt.Sprintf("b%d", n))))
}

// commit commits a file of a few documents of few texts, so that texts come
// and go and come again.
func (p *past) commit(r *repo, random *rand.Rand, merged ...string) {
	var parents []string
	if len(p.parents) > 0 {
		parents = append([]string{r.head()}, merged...)
	}
	var docs []string
	texts := map[string]bool{}
	for i := range 8 {
		if random.IntN(3) > 0 {
			text := fmt.Sprintf("x: %d", i)
			docs, texts[text] = append(docs, text), true
		}
	}
	random.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
	c := r.save("a.yaml", "# always\n---\n"+strings.Join(docs, "\n---\n")+"\n")
	p.parents[c], p.texts[c] = parents, texts
}

func (p *past) compare(f *traced) {
	f.t.Helper()
	data := string(f.got.Files[0].Data)
	for i, line := range strings.Split(data, "\n") {
		if !strings.HasPrefix(line, "x: ") {
			continue
		}
		got, err := f.src.Trace(context.Background(), f.got.Revision, []source.Place{{File: "a.yaml", Line: i + 1}})
		must(f.t, err)
		if may := p.may(f.got.Revision, line); !may[got[0].Commit] {
			f.t.Errorf("%s: %q came with %v, want one of %v", f.got.Revision, line, got[0], may)
		}
	}
}

// TestTrace_WhileNext asks all the time while commits come, and while the
// mirror is cloned afresh.
func TestTrace_WhileNext(t *testing.T) {
	for _, disk := range []bool{false, true} {
		t.Run(fmt.Sprint("disk ", disk), func(t *testing.T) {
			r := newRepo(t)
			first := r.save("b.yaml", "x: 1\n")
			r.save("a.yaml", "x: 1\n")
			f := r.follow(t, func(o *Options) {
				if disk {
					o.Mirror = t.TempDir()
				}
			})
			ctx, stop := context.WithCancel(t.Context())
			var asking sync.WaitGroup
			for range 3 {
				asking.Go(func() { askOn(ctx, t, f.src, f.got.Revision, first) })
			}
			for i := range 12 {
				r.save("a.yaml", fmt.Sprintf("x: %d\n", i+2))
				if i == 6 {
					f.src.use.Lock()
					f.src.discard()
					f.src.use.Unlock()
				}
				f.take()
			}
			stop()
			asking.Wait()
		})
	}
}

func askOn(ctx context.Context, t *testing.T, src *Source, revision, first string) {
	for ctx.Err() == nil {
		src.tracer.turn <- struct{}{}
		src.tracer.known = known{}
		<-src.tracer.turn
		got, err := src.Trace(ctx, revision, []source.Place{{File: "b.yaml", Line: 1}})
		if err != nil || got[0].Commit != first && got[0] != (source.Change{}) {
			t.Errorf("got %v, %v", got, err)
		}
		if _, err := src.At(ctx, revision); err != nil && !errors.Is(err, errNoMirror) && ctx.Err() == nil {
			t.Errorf("at: %v", err)
		}
		_ = src.Checked()
	}
}
