package call

import "context"

// Priority says which of the calls that wait for one quota goes first: the higher
// one. The zero value is that of what the daemon writes.
type Priority int8

// The priorities.
const (
	Urgent   Priority = 2  // forbids a stream or stops a recording
	Person   Priority = 1  // is part of a change that a person asked for
	Routine  Priority = 0  // is part of a change of the daemon's own
	Planning Priority = -1 // a read that plans changes
	Scrub    Priority = -2 // a read that looks for drift
)

// priorityKey is where a context has the priority of the calls made under it.
type priorityKey struct{}

// WithPriority returns a context for calls of a priority.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p)
}

// PriorityOf returns the priority of a call: the request's own or that of what it
// is part of, whichever is higher. A read that is part of nothing plans.
func PriorityOf(ctx context.Context, req *Request) Priority {
	p, part := ctx.Value(priorityKey{}).(Priority)
	if !part && !req.Write {
		p = Planning
	}
	if req.Write {
		p = max(p, req.Priority)
	}
	return p
}

// String returns the priority's name.
func (p Priority) String() string {
	switch {
	case p >= Urgent:
		return "urgent"
	case p == Person:
		return "person"
	case p == Routine:
		return "routine"
	case p == Planning:
		return "planning"
	default:
		return "scrub"
	}
}
