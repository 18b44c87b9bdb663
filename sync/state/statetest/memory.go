// Package statetest holds what every state.Store has to satisfy: Run is its
// test suite, and Memory a store that passes it without a disk, for tests of
// the packages above.
package statetest

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

// Memory is a state.Store that forgets with its process. It starts no
// goroutine and waits for nothing but its own lock, so that it may be used in
// a testing/synctest bubble. Its journal has no bound: it is for tests.
type Memory struct {
	mu      sync.Mutex
	applied map[resource.ID]resource.Applied
	acts    map[actKey]resource.Act
	marks   map[markKey]state.Mark
	given   map[string]state.Consent
	claims  map[string]state.Claimed
	changes []resource.ID // of which something was written, in that order
	number  int64         // the greatest that was given to an entry
	journal []memoryEntry // ordered by number
	anchors map[state.Chain]state.Anchor
	links   map[state.Chain][]state.Link
	name    string // the store's identity
	moved   string // where the content was taken, "" for nowhere
	posts   map[resource.ID]resource.Observation
	posted  []resource.ID // of which something was posted, in that order
	written chan struct{} // closed with the next write, nil where nobody watches
}

type markKey struct {
	source string
	role   state.Role
}

type actKey struct {
	id   resource.ID
	name string
}

// memoryEntry keeps parameters as text, as a real store does: nothing handed
// in or out can be changed through another's map.
type memoryEntry struct {
	state.Entry
	params string
}

var _ state.Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		applied: map[resource.ID]resource.Applied{}, acts: map[actKey]resource.Act{}, marks: map[markKey]state.Mark{},
		given: map[string]state.Consent{}, claims: map[string]state.Claimed{},
		anchors: map[state.Chain]state.Anchor{}, links: map[state.Chain][]state.Link{}, name: strings.ToLower(rand.Text()),
		posts: map[resource.ID]resource.Observation{},
	}
}

// Applied returns every record, ordered by ID.
func (m *Memory) Applied(ctx context.Context) ([]resource.Applied, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.records(), nil
}

// records is Applied while m.mu is held, as are those below.
func (m *Memory) records() []resource.Applied {
	var out []resource.Applied
	for _, r := range m.applied {
		r.Heals = slices.Clone(r.Heals)
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b resource.Applied) int { return resource.Compare(a.ID, b.ID) })
	return out
}

// Save writes records, all or none.
func (m *Memory) Save(ctx context.Context, records ...resource.Applied) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, r := range records {
		if err := state.CheckID(r.ID); err != nil {
			return fmt.Errorf("save record: %w", err)
		}
	}
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, r := range records {
		r.At, r.Heals = stored(r.At), slices.Clone(r.Heals)
		for i := range r.Heals {
			r.Heals[i].At = stored(r.Heals[i].At)
		}
		m.applied[r.ID] = r
		m.changes = append(m.changes, r.ID)
	}
	m.wrote()
	return nil
}

// Forget removes the record and the acts of each ID.
func (m *Memory) Forget(ctx context.Context, ids ...resource.ID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	gone := map[resource.ID]bool{}
	for _, id := range ids {
		gone[id] = true
		delete(m.applied, id)
	}
	m.changes = append(m.changes, ids...)
	m.wrote()
	maps.DeleteFunc(m.acts, func(k actKey, _ resource.Act) bool { return gone[k.id] })
	return nil
}

// Changes returns what was written of records and acts after a cursor.
func (m *Memory) Changes(ctx context.Context, since state.Cursor) (state.Changes, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := state.Changes{Next: state.Cursor(len(m.changes)) + 1}
	wanted := map[resource.ID]bool{}
	if c.Whole = since < 1 || since > c.Next; !c.Whole {
		for _, id := range m.changes[since-1:] {
			wanted[id] = true
		}
	}
	if c.Whole || len(wanted) > 0 {
		c.Known = m.known(func(id resource.ID) bool { return c.Whole || wanted[id] }, slices.Collect(maps.Keys(wanted))...)
	}
	return c, ctx.Err()
}

// known returns what is known of the resources that are wanted, and of ids. The
// caller holds m.mu.
func (m *Memory) known(wanted func(resource.ID) bool, ids ...resource.ID) []state.Known {
	var records []resource.Applied
	for id, r := range m.applied {
		if wanted(id) {
			r.Heals = slices.Clone(r.Heals)
			records = append(records, r)
		}
	}
	var acts []resource.Act
	for k, a := range m.acts {
		if wanted(k.id) {
			acts = append(acts, a)
		}
	}
	slices.SortFunc(acts, func(a, b resource.Act) int { return cmp.Compare(a.Name, b.Name) })
	return state.KnownOf(records, acts, ids...)
}

// Acts returns every act, ordered by ID and name.
func (m *Memory) Acts(ctx context.Context) ([]resource.Act, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.everyAct(), nil
}

func (m *Memory) everyAct() []resource.Act {
	return slices.SortedFunc(maps.Values(m.acts), func(a, b resource.Act) int {
		return cmp.Or(resource.Compare(a.ID, b.ID), cmp.Compare(a.Name, b.Name))
	})
}

// Begin writes that act a is about to happen; see state.Store.
func (m *Memory) Begin(ctx context.Context, a resource.Act) error {
	if err := cmp.Or(ctx.Err(), state.CheckBegin(a)); err != nil {
		return err
	}
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	last, found := m.acts[actKey{a.ID, a.Name}]
	if found && last.Token == a.Token {
		if !last.Done.IsZero() {
			return fmt.Errorf("begin %q of %s: %w", a.Name, a.ID, state.ErrDone)
		}
		if !a.Repeatable {
			return fmt.Errorf("begin %q of %s: %w", a.Name, a.ID, state.ErrInDoubt)
		}
	}
	a.Begun, a.Done, a.Ends = stored(a.Begun), time.Time{}, stored(a.Ends)
	m.acts[actKey{a.ID, a.Name}] = a
	m.changes = append(m.changes, a.ID)
	m.wrote()
	return nil
}

// Settle writes how an act ended; see state.Store.
func (m *Memory) Settle(ctx context.Context, a resource.Act) error {
	if err := cmp.Or(ctx.Err(), state.CheckAct(a)); err != nil {
		return err
	}
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	key := actKey{a.ID, a.Name}
	last, found := m.acts[key]
	m.changes = append(m.changes, a.ID)
	m.wrote()
	switch {
	case !found || last.Token != a.Token:
		return fmt.Errorf("settle %q of %s: %w", a.Name, a.ID, state.ErrNoAct)
	case a.Done.IsZero() && !last.Done.IsZero():
		return fmt.Errorf("settle %q of %s: %w", a.Name, a.ID, state.ErrDone)
	case a.Done.IsZero():
		delete(m.acts, key)
		return nil
	}
	last.Done, last.Ends = stored(a.Done), stored(a.Ends)
	m.acts[key] = last
	return nil
}

// Marks returns every mark, ordered by source and role.
func (m *Memory) Marks(ctx context.Context) ([]state.Mark, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.everyMark(), nil
}

func (m *Memory) everyMark() []state.Mark {
	return slices.SortedFunc(maps.Values(m.marks), func(a, b state.Mark) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Role, b.Role))
	})
}

// SetMark writes a mark in place of the one of that source and role.
func (m *Memory) SetMark(ctx context.Context, mark state.Mark) error {
	if err := cmp.Or(ctx.Err(), state.CheckMark(mark)); err != nil {
		return err
	}
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	mark.At = stored(mark.At)
	m.wrote()
	key := markKey{mark.Source, mark.Role}
	if m.marks[key] = mark; mark.Revision == "" {
		delete(m.marks, key)
	}
	return nil
}

// Open writes the intent of a call and returns its entry's number.
func (m *Memory) Open(ctx context.Context, e state.Entry) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	params, err := state.EncodeParams(e.Params)
	if err != nil {
		return 0, fmt.Errorf("open entry: %w", err)
	}
	if err := m.lock(); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	m.number++
	e.Number, e.Params = m.number, nil
	e.Opened, e.Outcome.Closed = stored(e.Opened), stored(e.Outcome.Closed)
	e.Change, e.Links = copied(e.Change), nil
	m.journal = append(m.journal, memoryEntry{e, params})
	m.link(e, state.Intent, state.IntentDigest(e, params))
	if !e.Outcome.Closed.IsZero() {
		m.link(e, state.Ending, state.OutcomeDigest(e.Outcome))
	}
	return e.Number, nil
}

// Close writes the outcome of the call numbered n.
func (m *Memory) Close(ctx context.Context, n int64, o state.Outcome) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	e := m.entry(n)
	if e == nil {
		return fmt.Errorf("close entry %d: %w", n, state.ErrNoEntry)
	}
	o.Closed = stored(o.Closed)
	e.Outcome = o
	m.link(e.Entry, state.Ending, state.OutcomeDigest(o))
	return nil
}

// entry returns the entry numbered n, nil for none. The caller holds m.mu.
func (m *Memory) entry(n int64) *memoryEntry {
	i, found := slices.BinarySearchFunc(m.journal, n, func(e memoryEntry, n int64) int { return cmp.Compare(e.Number, n) })
	if !found {
		return nil
	}
	return &m.journal[i]
}

// Journal returns entries that match q, newest first unless q says otherwise.
func (m *Memory) Journal(ctx context.Context, q state.Query) ([]state.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if q.Limit <= 0 {
		q.Limit = state.DefaultLimit
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	order := slices.Backward(m.journal)
	if q.Oldest {
		order = slices.All(m.journal)
	}
	var out []state.Entry
	for _, e := range order {
		if len(out) == q.Limit {
			break
		}
		if !matches(q, e.Entry) {
			continue
		}
		read, err := e.read()
		if err != nil {
			return nil, err
		}
		if q.Links {
			read.Links = m.linksOf(e.Entry)
		}
		out = append(out, read)
	}
	return out, nil
}

// read returns an entry that shares nothing with the store.
func (e memoryEntry) read() (state.Entry, error) {
	params, err := state.DecodeParams(e.params)
	e.Params, e.Change = params, copied(e.Change)
	return e.Entry, err
}

func copied(c *state.Change) *state.Change {
	if c == nil {
		return nil
	}
	other := *c
	return &other
}

func matches(q state.Query, e state.Entry) bool {
	return (q.Account == "" || q.Account == e.Account) &&
		(q.Operation == "" || q.Operation == e.Operation) &&
		(q.Action == "" || e.Change != nil && q.Action == e.Change.Action) &&
		(q.Resource == "" || q.Resource == e.Resource) &&
		(q.Plan == "" || q.Plan == e.Plan) &&
		strings.HasPrefix(e.Origin.Commit, q.Commit) &&
		(q.RequestID == "" || q.RequestID == e.Outcome.RequestID) &&
		ended(q.Code, e.Outcome) &&
		(q.Since.IsZero() || !e.Opened.Before(q.Since)) &&
		(q.Until.IsZero() || (!e.Opened.IsZero() && e.Opened.Before(q.Until))) &&
		e.Number > q.Above && (q.Below == 0 || e.Number < q.Below) &&
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

// stored is t as it comes back: in UTC, without a monotonic clock's reading.
func stored(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.Unix(0, t.UnixNano()).UTC()
}
