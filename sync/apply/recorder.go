package apply

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"weir/sync/call"
	"weir/sync/resource"
	"weir/sync/state"
)

// Recorder writes calls into a store's journal.
type Recorder struct {
	store   state.Store
	process string
	trouble atomic.Pointer[error]
}

var _ call.Recorder = (*Recorder)(nil)

// NewRecorder returns the recorder of this process.
func NewRecorder(store state.Store) *Recorder { return &Recorder{store: store, process: Process()} }

// Process names this process to others that use the store: "host:pid".
func Process() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}

// Open writes that req is about to be sent.
func (r *Recorder) Open(ctx context.Context, req *call.Request) (int64, error) {
	n, err := r.store.Open(ctx, state.Entry{
		Opened: time.Now(), Account: req.Account, Operation: req.Operation, Params: req.Params, Write: req.Write,
		Resource: req.Cause.Resource, Revision: req.Cause.Revision, Plan: req.Cause.Plan, Process: r.process,
		Origin: resource.Origin{
			Source: req.Cause.Source, File: req.Cause.File, Line: req.Cause.Line, Commit: req.Cause.Commit,
			Author: req.Cause.Author,
		},
		Change: changeOf(req),
	})
	if ctx.Err() == nil && !call.Lapsed(err) {
		r.trouble.Store(&err)
	}
	return n, err
}

// Trouble says why the last call could not be written down, and so was not made;
// nil where it could.
func (r *Recorder) Trouble() error {
	if err := r.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// changeOf returns what a write was made for, nil for a read.
func changeOf(req *call.Request) *state.Change {
	if !req.Write || req.Cause.Action == "" {
		return nil
	}
	return &state.Change{
		Action: req.Cause.Action, Reason: req.Cause.Reason,
		Before: resource.Spec(req.Cause.Before), After: resource.Spec(req.Cause.After),
	}
}

// Close writes how the call of entry n ended.
func (r *Recorder) Close(ctx context.Context, n int64, resp *call.Response, err error) error {
	out := state.Outcome{Closed: time.Now(), Code: string(call.CodeOf(err))}
	if resp != nil {
		out.Status, out.RequestID = resp.Status, resp.RequestID
	}
	if e := asError(err); e != nil {
		out.Status, out.RequestID, out.CloudCode, out.Message = e.Status, e.RequestID, e.CloudCode, e.Message
	}
	return r.store.Close(ctx, n, out)
}
