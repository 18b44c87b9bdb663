package reconcile

import (
	"context"
	"errors"

	"weir/sync/apply"
	"weir/sync/manifest"
	"weir/sync/plan"
	"weir/sync/resource"
	"weir/sync/trace"
)

// A pass is one trace. What it hands out, reads and runs, is told below it, also
// where that ends long after it; what nobody handed out is a trace of its own.

// tracedStep is a pass, told.
func (r *Reconciler) tracedStep(ctx context.Context) error {
	ctx, span := r.opts.Tracer.Begin(ctx, "pass")
	err := r.step(ctx)
	span.Text("weir.revision", r.desired.revision)
	span.Flag("weir.dry_run", r.opts.DryRun)
	span.End(err)
	return err
}

// tracePlan tells what a plan came to.
func tracePlan(span *trace.Span, p *plan.Plan) {
	span.Text("weir.plan", p.Hash)
	span.Number("weir.changes", len(p.Changes))
	span.Number("weir.resources", p.Len())
	for _, h := range p.Held {
		span.Text("weir.held", h.Guard)
	}
}

// traceFetched tells how the newest revision of a feed was fetched, which was before
// anybody could know that a pass would come of it, and that it is loaded now.
func traceFetched(ctx context.Context, f *feed) *trace.Span {
	_, span := trace.Begin(ctx, "load")
	if span != nil {
		source := trace.Attr{Key: "weir.source", Value: f.Name}
		revision := trace.Attr{Key: "weir.revision", Value: f.loaded.Revision}
		trace.Past(ctx, "fetch", f.loaded.Looked, f.loaded.Found, source, revision,
			trace.Attr{Key: "weir.files", Value: int64(len(f.loaded.Files))})
	}
	return span
}

// traceLoaded tells what became of the newest revision of a feed.
func traceLoaded(span *trace.Span, f *feed) {
	if span == nil {
		return
	}
	span.Text("weir.source", f.Name)
	span.Text("weir.revision", f.loaded.Revision)
	span.Number("weir.documents", f.documents)
	span.Number("weir.problems", len(f.problems))
	var err error
	if manifest.Failed(f.problems) {
		err = errors.New(firstError(f.problems))
	}
	span.End(err)
}

// tracedRead is readAll, told.
func (r *Reconciler) tracedRead(ctx context.Context, j *job) []resource.Observation {
	ctx, span := r.opts.Tracer.Begin(ctx, "observe")
	span.Text("weir.account", j.account)
	span.Number("weir.resources", len(j.want))
	span.Flag("weir.first", j.first)
	span.Flag("weir.scan", j.scan)
	seen := r.readAll(ctx, j)
	span.End(ctx.Err())
	return seen
}

// tracedRun is the carrying out of a lane, told.
func tracedRun(ctx context.Context, l *lane) *apply.Report {
	ctx, span := trace.Begin(ctx, "apply")
	rep := l.aside.Run(ctx)
	span.Text("weir.account", l.account)
	span.Text("weir.revision", rep.Revision)
	span.Text("weir.plan", rep.Plan)
	span.Number("weir.applied", rep.Summary[apply.Done])
	span.Number("weir.failed", rep.Summary[apply.Failed])
	span.Number("weir.refused", rep.Summary[apply.Refused])
	if rep.Failed() {
		span.Fail("not all of it was applied")
	}
	span.End(nil)
	return rep
}
