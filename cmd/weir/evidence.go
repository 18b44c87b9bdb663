package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"weir/schema"
	"weir/sync/apply"
	"weir/sync/blame"
	"weir/sync/call"
	"weir/sync/config"
	"weir/sync/resource"
	"weir/sync/state"
)

// inquiry gathers what is known of one resource.
type inquiry struct {
	cfg    *config.Config
	store  memory
	b      *builder
	id     resource.ID
	normal func(resource.Spec) (resource.Spec, error)
	known  map[string]bool // ids that were met
}

// inquire begins an inquiry. The caller must close it.
func (a *app) inquire(ctx context.Context, name string) (*inquiry, error) {
	id, err := resource.ParseID(name)
	if err != nil {
		return nil, err
	}
	log, err := a.logger()
	if err != nil {
		return nil, err
	}
	cfg, err := a.readConfig()
	if err != nil {
		return nil, err
	}
	q := &inquiry{cfg: cfg, id: id, known: map[string]bool{}}
	q.b = &builder{log: log, dryRun: true, limiters: call.Limiters{}}
	if q.normal, err = normalOf(cfg, id); err != nil {
		return nil, err
	}
	q.store, err = q.b.openMemory(ctx, cfg)
	return q, err
}

// close ends the inquiry.
func (q *inquiry) close(ctx context.Context) { _ = errors.Join(q.store.Shut(), q.b.fleet.leave(ctx)) }

// normalOf returns what makes specs of the resource's kind normal.
func normalOf(cfg *config.Config, id resource.ID) (func(resource.Spec) (resource.Spec, error), error) {
	var accounts []string
	for _, acc := range cfg.Accounts {
		accounts = append(accounts, acc.Name)
		if acc.Name != id.Account {
			continue
		}
		kinds := clouds()[acc.Provider].provider.Kinds()
		kind, ok := kinds[id.Kind]
		if !ok {
			what := fmt.Sprintf("account %s has no kind %q", acc.Name, id.Kind)
			return nil, unknown(what, id.Kind, slices.Sorted(maps.Keys(kinds)))
		}
		return kind.Normal, nil
	}
	return nil, unknown(fmt.Sprintf("weir.yaml has no account %q", id.Account), id.Account, accounts)
}

// unknown says what is not known, and the nearest of what is.
func unknown(what, name string, known []string) error {
	if near := schema.Nearest(name, known); near != "" {
		return fmt.Errorf("%s; did you mean %s?", visible(what, 200, ""), near)
	}
	return errors.New(visible(what, 200, ""))
}

// evidence gathers what sources and store know; with whole also what was
// before the resource was declared last.
func (q *inquiry) evidence(ctx context.Context, whole bool) (blame.Evidence, error) {
	e := blame.Evidence{ID: q.id}
	var errs []error
	for _, s := range q.cfg.Sources {
		d, err := q.declared(ctx, s, whole)
		if err != nil {
			errs = append(errs, fmt.Errorf("source %s: %w", s.Name, err))
		}
		if rivals(d, e.Declared) {
			e.Declared = d
		}
	}
	if err := errors.Join(errs...); err != nil {
		e.Unasked = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	if err := q.remembered(ctx, &e); err != nil {
		return e, err
	}
	if !e.Known() {
		return e, errors.Join(append(errs, q.unheard())...)
	}
	return e, nil
}

// rivals reports whether one declaration tells more than another: it is in
// force, or was changed later.
func rivals(d, than blame.Declaration) bool {
	switch {
	case d.Spec != "" || than.Spec != "":
		return than.Spec == ""
	case len(d.History.List) > 0 && len(than.History.List) > 0:
		return d.History.List[0].At.After(than.History.List[0].At)
	}
	return len(d.History.List) > 0 || than.NoHistory == ""
}

func (q *inquiry) declared(ctx context.Context, s config.Source, whole bool) (blame.Declaration, error) {
	p, err := q.past(ctx, s)
	if err != nil {
		return blame.Declaration{}, err
	}
	defer func() { _ = p.close() }()
	d, err := p.declaration(ctx, q.id, whole)
	if d.Spec == "" && len(d.History.List) == 0 {
		for res := range p.loader.Load(p.now).Set.All() {
			q.known[res.ID.String()] = true
		}
	}
	return d, err
}

// mostCalls is how many calls of one resource are looked at.
const mostCalls = 100_000

// remembered adds what the store knows.
func (q *inquiry) remembered(ctx context.Context, e *blame.Evidence) error {
	records, err := q.store.Applied(ctx)
	if err != nil {
		return err
	}
	for _, rec := range records {
		q.known[rec.ID.String()] = true
		if rec.ID == q.id {
			e.Applied = &rec
		}
	}
	acts, err := q.store.Acts(ctx)
	if err != nil {
		return err
	}
	for _, act := range acts {
		if act.ID == q.id {
			e.Acts = append(e.Acts, act)
		}
	}
	if err := q.calls(ctx, e); err != nil {
		return err
	}
	oldest, err := q.store.Journal(ctx, state.Query{Oldest: true, Limit: 1})
	for _, first := range oldest {
		e.Journal, e.Pruned = first.Opened, first.Number > 1
	}
	return err
}

func (q *inquiry) calls(ctx context.Context, e *blame.Evidence) error {
	ask := state.Query{Resource: q.id.String(), Writes: true}
	for len(e.Calls) < mostCalls {
		page, err := q.store.Journal(ctx, ask)
		if err != nil || len(page) == 0 {
			return err
		}
		e.Calls = append(e.Calls, page...)
		ask.Below = page[len(page)-1].Number
	}
	return nil
}

// unheard says that there is no such resource, and which one may be meant.
func (q *inquiry) unheard() error {
	name := q.id.String()
	return unknown("nothing was ever heard of "+name, name, slices.Sorted(maps.Keys(q.known)))
}

// observe adds what the account holds now. No call with an effect gets out.
func (q *inquiry) observe(ctx context.Context, e *blame.Evidence) error {
	targets, err := q.b.targets(ctx, q.cfg, apply.NewRecorder(q.store))
	if err != nil {
		return err
	}
	target := targets[q.id.Account]
	seen, err := target.Provider.Observe(ctx, target.Caller, []resource.Resource{{ID: q.id, Spec: e.Last()}})
	if err != nil {
		return err
	}
	if len(seen) == 1 {
		e.Seen = &seen[0]
	}
	return nil
}
