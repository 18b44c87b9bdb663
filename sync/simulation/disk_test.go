package simulation

import (
	"context"
	"errors"
	"time"

	"weir/sync/resource"
	"weir/sync/state"
)

var (
	errDead = errors.New("the process is dead")
	errFull = &state.Error{Fault: state.Full, Path: "weir.db", Err: errors.New("no space left on device")}
	errRead = &state.Error{Fault: state.Unusable, Path: "weir.db", Err: errors.New("input/output error")}
)

// disk is the store as one process sees it: slow, sometimes full, and gone with
// the process.
type disk struct {
	state.Store
	p *process
}

// write does one write of the store, unless the process dies before it, or
// learns nothing of it as it dies after it.
func (d *disk) write(ctx context.Context, what, key string, do func() error) error {
	p := d.p
	text := what + " " + key
	p.pause(context.WithoutCancel(ctx), p.luck("disk "+text).within(time.Microsecond, p.run.diskTime()))
	if p.cut("before write") || p.dead.Load() {
		return errDead
	}
	if p.run.struck("disk-full", p.luck("full "+text)) {
		return errFull
	}
	err := do()
	p.run.note("store: %s: %s: %v", p.name, text, err)
	if p.cut("after write") {
		return errDead
	}
	return err
}

// read does one read of the store.
func (d *disk) read(what string) error {
	if d.p.dead.Load() {
		return errDead
	}
	if d.p.run.struck("disk-unreadable", d.p.luck("unreadable "+what)) {
		return errRead
	}
	return nil
}

func (d *disk) Applied(ctx context.Context) ([]resource.Applied, error) {
	if err := d.read("applied"); err != nil {
		return nil, err
	}
	return d.Store.Applied(ctx)
}

func (d *disk) Changes(ctx context.Context, since state.Cursor) (state.Changes, error) {
	if err := d.read("changes"); err != nil {
		return state.Changes{}, err
	}
	return d.Store.Changes(ctx, since)
}

func (d *disk) Acts(ctx context.Context) ([]resource.Act, error) {
	if err := d.read("acts"); err != nil {
		return nil, err
	}
	return d.Store.Acts(ctx)
}

func (d *disk) Save(ctx context.Context, records ...resource.Applied) error {
	key := ""
	for _, r := range records {
		key += " " + r.ID.String()
	}
	return d.write(ctx, "save", key, func() error {
		err := d.Store.Save(ctx, records...)
		if err == nil {
			d.p.run.saved(d.p, records...)
		}
		return err
	})
}

func (d *disk) Forget(ctx context.Context, ids ...resource.ID) error {
	key := ""
	for _, id := range ids {
		key += " " + id.String()
	}
	return d.write(ctx, "forget", key, func() error {
		err := d.Store.Forget(ctx, ids...)
		if err == nil {
			d.p.run.forgotten(ids...)
		}
		return err
	})
}

func (d *disk) Begin(ctx context.Context, a resource.Act) error {
	return d.write(ctx, "begin", a.ID.String()+" "+a.Name, func() error {
		err := d.Store.Begin(ctx, a)
		if err == nil {
			d.p.run.begins(a)
		}
		return err
	})
}

func (d *disk) Settle(ctx context.Context, a resource.Act) error {
	return d.write(ctx, "settle", a.ID.String()+" "+a.Name, func() error { return d.Store.Settle(ctx, a) })
}

func (d *disk) SetMark(ctx context.Context, m state.Mark) error {
	return d.write(ctx, "mark", m.Source+" "+string(m.Role), func() error { return d.Store.SetMark(ctx, m) })
}

func (d *disk) Consent(ctx context.Context, c state.Consent) error {
	return d.write(ctx, "consent", c.Plan, func() error {
		err := d.Store.Consent(ctx, c)
		if err == nil {
			d.p.run.consented(c.Plan)
		}
		return err
	})
}

func (d *disk) UseConsent(ctx context.Context, plan string, at time.Time, by string) error {
	return d.write(ctx, "use consent", plan, func() error {
		err := d.Store.UseConsent(ctx, plan, at, by)
		if err == nil {
			d.p.run.released(plan)
		}
		return err
	})
}

func (d *disk) Claim(ctx context.Context, name string, at time.Time, by string) error {
	return d.write(ctx, "claim", name, func() error { return d.Store.Claim(ctx, name, at, by) })
}

func (d *disk) Open(ctx context.Context, e state.Entry) (number int64, err error) {
	err = d.write(ctx, "open", e.Operation+" "+e.Resource, func() error {
		number, err = d.Store.Open(ctx, e)
		return err
	})
	return number, err
}

func (d *disk) Close(ctx context.Context, n int64, o state.Outcome) error {
	return d.write(ctx, "close", o.Code, func() error { return d.Store.Close(ctx, n, o) })
}
