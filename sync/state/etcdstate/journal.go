package etcdstate

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"weir/sync/etcd"
	"weir/sync/state"
)

// word is one word about a call: its intent, or its outcome.
type word struct {
	open    *kept // the entry to open, nil for an outcome
	fence   *etcd.Fence
	number  int64 // of the entry
	outcome state.Outcome
	err     error
	done    chan struct{}
}

// Open writes the intent of a call and returns its entry's number.
func (s *Store) Open(ctx context.Context, e state.Entry) (int64, error) {
	k, err := newKept(e)
	if err != nil {
		return 0, fmt.Errorf("open entry: %w", err)
	}
	w := &word{open: k}
	if w.fence, err = s.fenceEntry(e); err == nil {
		err = s.journal.say(ctx, w)
	}
	if err != nil {
		return 0, fmt.Errorf("open entry: %w", s.fault(ctx, err))
	}
	return w.number, nil
}

// fenceEntry is the fence of an entry that writes, nil for none. What became of a call is
// written without one: it is true whoever leads by then.
func (s *Store) fenceEntry(e state.Entry) (*etcd.Fence, error) {
	if s.options.Fence == nil || !e.Write {
		return nil, nil
	}
	f, ok := s.options.Fence(e.Account)
	switch {
	case !ok:
		return nil, faulty(state.Fenced, fmt.Errorf("this process does not lead account %s", e.Account))
	case f.Key == "":
		return nil, nil
	}
	return &f, nil
}

// Close writes the outcome of the call numbered n.
func (s *Store) Close(ctx context.Context, n int64, o state.Outcome) error {
	err := checkTimes(o.Closed)
	if err == nil {
		err = s.journal.say(ctx, &word{number: n, outcome: o})
	}
	if err != nil {
		return fmt.Errorf("close entry %d: %w", n, s.fault(ctx, err))
	}
	return nil
}

// mostWords is how many words share a transaction at most, each with its key, its fence
// and perhaps an orphan.
const mostWords = 50

// journal writes words. One goroutine takes them in turn; those that arrive while a
// transaction is on its way go together in the next, since all of the journal's
// transactions rest on its head.
type journal struct {
	s     *Store
	queue chan *word // unbuffered: who gives up waiting has not been taken
	head  *head      // as it was last seen, nil before that
	open  map[int64]*kept
	begin chan struct{} // holds one until the goroutine is started
}

func newJournal(s *Store) *journal {
	j := &journal{s: s, queue: make(chan *word), open: map[int64]*kept{}, begin: make(chan struct{}, 1)}
	j.begin <- struct{}{}
	return j
}

// say has a word written, and returns when it is. Where ctx ends before it was taken
// there is no effect; afterwards it is awaited.
func (j *journal) say(ctx context.Context, w *word) error {
	if err := errors.Join(ctx.Err(), j.s.shut()); err != nil {
		return err
	}
	select {
	case <-j.begin:
		j.s.aside(j.run)
	default:
	}
	w.done = make(chan struct{})
	select {
	case j.queue <- w:
		<-w.done
		return w.err
	case <-ctx.Done():
		return ctx.Err()
	case <-j.s.run.Done():
		return j.s.shut()
	}
}

func (j *journal) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-j.queue:
			words := j.gather(first)
			if err := j.write(context.WithoutCancel(ctx), words); err != nil {
				j.head = nil // nobody knows what is there
				for _, w := range words {
					w.end(err)
				}
			}
		}
	}
}

// gather adds the words that wait to first.
func (j *journal) gather(first *word) []*word {
	words := []*word{first}
	runtime.Gosched() // lets those just answered come with their next word
	for len(words) < mostWords {
		select {
		case w := <-j.queue:
			words = append(words, w)
		default:
			return words
		}
	}
	return words
}

// end answers a word, once.
func (w *word) end(err error) {
	select {
	case <-w.done:
	default:
		w.err = err
		close(w.done)
	}
}

// over reports whether a word was answered.
func (w *word) over() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}
