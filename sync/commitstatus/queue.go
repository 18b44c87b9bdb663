package commitstatus

import (
	"slices"
	"time"
)

// job is a status that waits or is under way.
type job struct {
	status Status
	first  time.Time // of the first try
	due    time.Time // not to be tried before
	tries  int
}

// queue holds what waits, at most one job a commit, and what was sent.
type queue struct {
	waiting []*job // in the order of arrival
	active  *job   // the one under way, which is not in waiting
	sent    map[string]Status
	order   []string // commits in sent, oldest first
}

func newQueue() queue { return queue{sent: map[string]Status{}} }

// put adds a status unless it is what was last said of its commit. It returns
// whether another was dropped to make room.
func (q *queue) put(s Status) (dropped bool) {
	i := slices.IndexFunc(q.waiting, func(j *job) bool { return j.status.Commit == s.Commit })
	switch {
	case q.last(s.Commit) == s:
		q.forget(s.Commit)
		return false
	case i >= 0 && q.waiting[i].status == s:
		return false
	case i >= 0:
		// It keeps its place, and its pause: the host's trouble is not over.
		q.waiting[i] = &job{status: s, due: q.waiting[i].due}
		return false
	}
	if len(q.waiting) == maxWaiting {
		q.waiting = slices.Delete(q.waiting, 0, 1)
		dropped = true
	}
	q.waiting = append(q.waiting, &job{status: s})
	return dropped
}

// last returns what was last said of a commit that does not wait.
func (q *queue) last(commit string) Status {
	if q.active != nil && q.active.status.Commit == commit {
		return q.active.status
	}
	return q.sent[commit]
}

// next returns the job that is due first, nil for none.
func (q *queue) next() *job {
	var first *job
	for _, j := range q.waiting {
		if first == nil || j.due.Before(first.due) {
			first = j
		}
	}
	return first
}

// take makes j the one under way.
func (q *queue) take(j *job) {
	q.waiting = slices.DeleteFunc(q.waiting, func(o *job) bool { return o == j })
	q.active = j
}

// forget drops what waits of a commit.
func (q *queue) forget(commit string) {
	q.waiting = slices.DeleteFunc(q.waiting, func(j *job) bool { return j.status.Commit == commit })
}

// back has the job under way wait again, unless a newer one of its commit does.
// It returns whether there was no room for it.
func (q *queue) back() (dropped bool) {
	j := q.active
	q.active = nil
	if slices.ContainsFunc(q.waiting, func(o *job) bool { return o.status.Commit == j.status.Commit }) {
		return false
	}
	if len(q.waiting) == maxWaiting {
		return true
	}
	q.waiting = append(q.waiting, j)
	return false
}

// finish forgets the job under way; what was sent is remembered.
func (q *queue) finish(sent bool) {
	s := q.active.status
	q.active = nil
	if !sent {
		return
	}
	q.order = append(slices.DeleteFunc(q.order, func(c string) bool { return c == s.Commit }), s.Commit)
	q.sent[s.Commit] = s
	if len(q.order) > maxRemember {
		delete(q.sent, q.order[0])
		q.order = slices.Delete(q.order, 0, 1)
	}
}
