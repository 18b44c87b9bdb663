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
// keys in their order only.
func (s *Store) query(ctx context.Context, q state.Query) (out []state.Entry, err error) {
	h, b, err := s.ends(ctx)
	if err != nil {
		return nil, err
	}
	chains := []state.Chain{state.Writes, state.Reads}
	if q.Writes {
		chains = chains[:1]
	}
	low, high := h.number, h.number // numbers from low+1 to high
	for _, chain := range chains {
		low = min(low, b.anchors[chain].Pruned)
	}
	low = max(low, q.Above)
	if q.Below > 0 {
		high = min(high, q.Below-1)
	}
	for size := int64(firstWindow); low < high && len(out) < q.Limit; {
		from, to := max(low, high-size), high
		if q.Oldest {
			from, to = low, min(high, low+size)
			low = to
		} else {
			high = from
		}
		some, count, err := s.window(ctx, q, chains, b.revision, from, to)
		if err != nil {
			return nil, err
		}
		if out = append(out, some...); count < fewEntries {
			size = min(4*size, mostWindow)
		} else if count > pageKeys {
			size = max(size/2, firstWindow)
		}
	}
	return out[:min(len(out), q.Limit)], nil
}

// window reads what matches q of the numbers from+1 to to, in q's order, and returns how
// many entries there are.
func (s *Store) window(
	ctx context.Context, q state.Query, chains []state.Chain, revision, from, to int64,
) (out []state.Entry, count int, err error) {
	for _, chain := range chains {
		p := pages{from: entryKey(chain, from+1), to: entryKey(chain, to+1), revision: revision}
		for k, err := range s.entries(ctx, chain, p) {
			if err != nil {
				return nil, 0, err
			}
			if count++; !matches(q, &k.Entry) {
				continue
			}
			e, err := k.entry(q.Links)
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
