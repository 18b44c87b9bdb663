package etcdstate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"weir/sync/state"
)

// The numbers that are read at once: more where they hold few entries.
const (
	firstWindow = 256
	mostWindow  = 16_384
	fewEntries  = 256
)

// Journal returns entries that match q, newest first unless q says otherwise.
func (s *Store) Journal(ctx context.Context, q state.Query) (entries []state.Entry, err error) {
	if err := checkTimes(q.Since, q.Until); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	if q.Limit <= 0 {
		q.Limit = state.DefaultLimit
	}
	err = s.whole(ctx, func() error {
		entries, err = s.query(ctx, q)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	return entries, nil
}

// query reads windows of numbers, the newest first unless q says otherwise: etcd gives
// keys in their order only. Blocks of which a sum says that nothing matches are left out.
func (s *Store) query(ctx context.Context, q state.Query) (out []state.Entry, err error) {
	h, b, err := s.ends(ctx, 0)
	if err != nil {
		return nil, err
	}
	chains := []state.Chain{state.Writes, state.Reads}
	if q.Writes {
		chains = chains[:1]
	}
	pruned := h.number // up to this number there are few
	for _, chain := range chains {
		pruned = min(pruned, b.anchors[chain].Pruned)
	}
	w := newWindows(q, pruned, h.number)
	m := newSums(s, q, chains, b.revision)
	for from, to, more := w.next(); more && len(out) < q.Limit; from, to, more = w.next() {
		if from >= pruned && m.useful() && blockOf(from+1) == blockOf(to) {
			if empty, err := m.empty(ctx, blockOf(to)); err != nil {
				return nil, err
			} else if empty {
				continue
			}
		}
		some, count, err := s.window(ctx, q, chains, b, from, to)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
		w.held(count)
	}
	return out[:min(len(out), q.Limit)], nil
}

// windows divides the numbers that a query asks for.
type windows struct {
	low, high int64 // what is left are numbers from low+1 to high
	pruned    int64 // up to this number is one window: there are few
	size      int64
	oldest    bool
	blocks    bool // a window is within one block
}

func newWindows(q state.Query, pruned, greatest int64) *windows {
	w := &windows{low: max(0, q.Above), high: greatest, pruned: pruned, size: firstWindow, oldest: q.Oldest}
	w.blocks = newSums(nil, q, nil, 0).useful()
	if q.Below > 0 {
		w.high = min(w.high, q.Below-1)
	}
	return w
}

// held is told how many entries there were in a window.
func (w *windows) held(entries int) {
	switch {
	case entries < fewEntries:
		w.size = min(4*w.size, mostWindow)
	case entries > pageKeys:
		w.size = max(w.size/2, firstWindow)
	}
}

// next returns the next window: the numbers from+1 to to.
func (w *windows) next() (from, to int64, more bool) {
	if w.low >= w.high {
		return 0, 0, false
	}
	if w.oldest {
		from = w.low
		to = min(w.high, from+w.size)
		if w.blocks {
			to = min(w.high, (blockOf(from+1)+1)*blockNumbers)
		}
		if from < w.pruned {
			to = min(w.high, w.pruned)
		}
		w.low = to
		return from, to, true
	}
	to = w.high
	from = max(w.low, to-w.size)
	if w.blocks {
		from = max(w.low, blockOf(to)*blockNumbers)
	}
	if from < w.pruned {
		if from = w.low; to > w.pruned {
			from = max(w.low, w.pruned)
		}
	}
	w.high = from
	return from, to, true
}

// window reads what matches q of the numbers from+1 to to, in q's order, and returns how
// many entries there are.
func (s *Store) window(
	ctx context.Context, q state.Query, chains []state.Chain, b *begins, from, to int64,
) (out []state.Entry, count int, err error) {
	for _, chain := range chains {
		p := pages{from: entryKey(chain, from+1), to: entryKey(chain, to+1), revision: b.revision}
		for k, err := range s.entries(ctx, chain, p) {
			if err != nil {
				return nil, 0, err
			}
			if count++; !matches(q, &k.Entry) {
				continue
			}
			e, err := k.entry()
			if q.Links {
				e, err = k.linked(b)
			}
			if err != nil {
				return nil, 0, err
			}
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b state.Entry) int {
		if q.Oldest {
			a, b = b, a
		}
		return int(b.Number - a.Number)
	})
	return out, count, nil
}

// matches reports whether an entry is one that q asks for.
func matches(q state.Query, e *state.Entry) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return is(q.Account, e.Account) && is(q.Operation, e.Operation) && is(q.Resource, e.Resource) && is(q.Plan, e.Plan) &&
		(q.Action == "" || e.Change != nil && q.Action == e.Change.Action) &&
		strings.HasPrefix(e.Origin.Commit, q.Commit) && is(q.RequestID, e.Outcome.RequestID) &&
		ended(q.Code, e.Outcome) &&
		(q.Since.IsZero() || !e.Opened.IsZero() && !e.Opened.Before(q.Since)) &&
		(q.Until.IsZero() || !e.Opened.IsZero() && e.Opened.Before(q.Until)) &&
		(!q.Writes || e.Write)
}

func ended(code string, o state.Outcome) bool {
	switch code {
	case "":
		return true
	case state.CodeOpen:
		return o.Closed.IsZero()
	case state.CodeFailed:
		return o.Code != state.CodeOK && !o.Closed.IsZero()
	}
	return o.Code == code && !o.Closed.IsZero()
}
