package commitstatus

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestFailure_HostDownThenUp(t *testing.T) {
	bubble(t, "github", func(t *testing.T, h *gitHost, in *inside, r *rig) {
		in.set(true)
		r.Report(Status{commitOf(1), Success, "a"})
		r.Report(Status{commitOf(2), Success, "b"})
		time.Sleep(5 * time.Minute)
		same(t, in.at(), 0, 2, 6, 14, 30, 62, 126, 246)
		in.set(false)
		time.Sleep(2 * time.Minute)
		if got := h.statuses(); len(got) != 2 {
			t.Errorf("%+v", got)
		}
		if r.warnings() != 1 || !strings.Contains(r.log.String(), "reported again") {
			t.Errorf("%d warnings:\n%s", r.warnings(), r.log.String())
		}
		r.counted(2, 0)
		r.end()
	})
}

// A host that stays away is given up, and what is said anew is tried anew.
func TestFailure_HostDownForAnHour(t *testing.T) {
	bubble(t, "gitea", func(t *testing.T, h *gitHost, in *inside, r *rig) {
		in.set(true)
		r.Report(Status{commit, Success, "a"})
		time.Sleep(time.Hour)
		r.counted(0, 1)
		if n := len(in.at()); n > 20 {
			t.Errorf("tried %d times", n)
		}
		in.set(false)
		r.Report(Status{commit, Success, "a"})
		time.Sleep(5 * time.Minute)
		if len(h.statuses()) != 1 {
			t.Errorf("%+v", h.statuses())
		}
		r.end()
	})
}

// A newer status of a commit takes the place of one that is tried again and
// again.
func TestFailure_NewerWhileDown(t *testing.T) {
	bubble(t, "gitlab", func(t *testing.T, h *gitHost, in *inside, r *rig) {
		in.set(true)
		r.Report(Status{commit, Pending, "old"})
		time.Sleep(time.Minute)
		r.Report(Status{commit, Failure, "new"})
		in.set(false)
		time.Sleep(5 * time.Minute)
		if got := h.statuses(); len(got) != 1 || got[0].text != "new" {
			t.Errorf("%+v", got)
		}
		r.counted(1, 0)
		r.end()
	})
}

func TestFailure_TokenRotated(t *testing.T) {
	for _, kind := range []string{"github", "gitlab", "gitea", "gitee"} {
		t.Run(kind, func(t *testing.T) {
			bubble(t, kind, func(t *testing.T, h *gitHost, in *inside, r *rig) {
				h.token = "another-" + token
				r.Report(Status{commit, Success, "a"})
				time.Sleep(30 * time.Minute)
				same(t, in.at(), 0, 60, 180, 420, 720, 1020)
				if r.warnings() != 1 || !strings.Contains(r.log.String(), "401") {
					t.Errorf("%d warnings:\n%s", r.warnings(), r.log.String())
				}
				r.rotate("another-" + token)
				time.Sleep(6 * time.Minute)
				if len(h.statuses()) != 1 {
					t.Errorf("%+v", h.statuses())
				}
				r.counted(1, 0)
				r.end()
			})
		})
	}
}

func TestFailure_TokenUnreadable(t *testing.T) {
	bubble(t, "github", func(t *testing.T, h *gitHost, in *inside, r *rig) {
		r.rotate("")
		r.Report(Status{commit, Success, "a"})
		time.Sleep(time.Minute / 2)
		if len(in.at()) != 0 || r.warnings() != 1 {
			t.Errorf("%d requests without a token:\n%s", len(in.at()), r.log.String())
		}
		r.rotate(token)
		time.Sleep(time.Minute)
		if len(h.statuses()) != 1 {
			t.Errorf("%+v", h.statuses())
		}
		r.end()
	})
}

func TestFailure_Limited(t *testing.T) {
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	unix := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }
	for name, c := range map[string]struct {
		answer func() func(http.ResponseWriter, *http.Request) bool
		want   int // seconds until the second try
	}{
		"seconds": {func() func(http.ResponseWriter, *http.Request) bool { return answer(429, "Retry-After", "97") }, 97},
		"date": {func() func(http.ResponseWriter, *http.Request) bool {
			return answer(429, "Retry-After", date(97*time.Second))
		}, 97},
		"503":      {func() func(http.ResponseWriter, *http.Request) bool { return answer(503, "Retry-After", "97") }, 97},
		"403":      {func() func(http.ResponseWriter, *http.Request) bool { return answer(403, "Retry-After", "97") }, 97},
		"none":     {func() func(http.ResponseWriter, *http.Request) bool { return answer(429) }, 2},
		"nonsense": {func() func(http.ResponseWriter, *http.Request) bool { return answer(429, "Retry-After", "-5") }, 2},
		"past": {func() func(http.ResponseWriter, *http.Request) bool {
			return answer(429, "Retry-After", date(-time.Hour))
		}, 2},
		"for ever": {func() func(http.ResponseWriter, *http.Request) bool { return answer(429, "Retry-After", "99999999") }, 3600},
		"larger still": {func() func(http.ResponseWriter, *http.Request) bool {
			return answer(429, "Retry-After", "99999999999999")
		}, 2},
		"reset": {func() func(http.ResponseWriter, *http.Request) bool {
			return answer(403, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", unix(97*time.Second))
		}, 97},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, "github", func(t *testing.T, h *gitHost, in *inside, r *rig) {
				h.answerWith(c.answer())
				r.Report(Status{commitOf(1), Success, "a"})
				r.Report(Status{commitOf(2), Success, "b"}) // waits as well
				time.Sleep(time.Second)
				h.answerWith(nil)
				time.Sleep(2 * time.Hour)
				same(t, in.at(), 0, c.want, c.want)
				r.counted(2, 0)
				r.end()
			})
		})
	}
}

func TestFailure_Answers(t *testing.T) {
	html := func(status int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			_, _ = w.Write([]byte("<html>" + token + strings.Repeat("x", 1<<20)))
			return true
		}
	}
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request) bool
		log    string
		sent   int // in the end
		tries  []int
	}{
		"500":           {answer(500), "status 500: no: [redacted]", 1, []int{0, 2}},
		"502 page":      {html(502), "status 502", 1, []int{0, 2}},
		"200 page":      {html(200), `not that of a git host's API (status 200, \"text/html\")`, 1, []int{0, 2}},
		"201 page":      {html(201), "not that of a git host's API", 1, []int{0, 2}},
		"204":           {answer(204), "not that of a git host's API", 1, []int{0, 2}},
		"409":           {answer(409), "status 409", 1, []int{0, 2}},
		"403":           {answer(403), "refuses", 1, []int{0, 60}},
		"404":           {answer(404), "refuses", 1, []int{0, 60}},
		"422":           {answer(422), "does not take", 0, []int{0}},
		"400":           {answer(400), "does not take", 0, []int{0}},
		"moved":         {answer(301, "Location", "https://git.example.com/elsewhere"), "elsewhere (status 301)", 1, []int{0, 60}},
		"redirect away": {answer(307, "Location", "https://evil.example.com/"), "elsewhere (status 307)", 1, []int{0, 60}},
		"plain http":    {answer(307, "Location", "http://git.example.com/"), "elsewhere (status 307)", 1, []int{0, 60}},
		"in a circle":   {answer(307, "Location", "/circle"), "elsewhere (status 307)", 1, []int{0, 0, 0, 0, 60}},
		"no location":   {answer(307), "elsewhere (status 307)", 1, []int{0, 60}},
	} {
		for _, kind := range []string{"github", "gitlab", "gitea", "gitee"} {
			t.Run(name+", "+kind, func(t *testing.T) {
				bubble(t, kind, func(t *testing.T, h *gitHost, in *inside, r *rig) {
					h.answerWith(c.answer)
					r.Report(Status{commit, Success, "a"})
					time.Sleep(time.Second)
					h.answerWith(nil)
					time.Sleep(10 * time.Minute)
					same(t, in.at(), c.tries...)
					if !strings.Contains(r.log.String(), c.log) {
						t.Errorf("the log lacks %q:\n%s", c.log, r.log.String())
					}
					r.counted(c.sent, 1-c.sent)
					r.end()
				})
			})
		}
	}
}

// A commit the host does not know keeps no other back.
func TestFailure_UnknownCommit(t *testing.T) {
	bubble(t, "gitlab", func(t *testing.T, h *gitHost, _ *inside, r *rig) {
		h.answerWith(func(w http.ResponseWriter, req *http.Request) bool {
			return strings.Contains(req.URL.Path, commitOf(1)) && answer(404)(w, req)
		})
		r.Report(Status{commitOf(1), Success, "a"})
		r.Report(Status{commitOf(2), Success, "b"})
		time.Sleep(time.Second)
		if got := h.statuses(); len(got) != 1 || got[0].commit != commitOf(2) {
			t.Errorf("%+v", got)
		}
		time.Sleep(24 * time.Hour)
		r.counted(1, 1)
		r.end()
	})
}

// GitLab refuses what is running to run again: it is as it should be. What was
// held or has ended may be said again with another text.
func TestFailure_GitLabTransitions(t *testing.T) {
	bubble(t, "gitlab", func(t *testing.T, h *gitHost, _ *inside, r *rig) {
		for i, state := range []State{Pending, Pending, Held, Held, Success, Success, Pending, Failure} {
			r.Report(Status{commit, state, "text " + strconv.Itoa(i)})
			time.Sleep(time.Second)
		}
		if len(h.complaints()) != 1 || len(h.statuses()) != 7 || r.warnings() != 0 {
			t.Errorf("%v, %+v\n%s", h.complaints(), h.statuses(), r.log.String())
		}
		r.counted(8, 0)
		r.end()
	})
}

func hang(_ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	return true
}

func TestFailure_SlowHost(t *testing.T) {
	bubble(t, "github", func(t *testing.T, h *gitHost, in *inside, r *rig) {
		h.answerWith(hang)
		r.Report(Status{commit, Success, "a"})
		time.Sleep(16 * time.Second)
		h.answerWith(nil)
		time.Sleep(4 * time.Second)
		same(t, in.at(), 0, 17)
		if !strings.Contains(r.log.String(), "no answer within 15s") {
			t.Error(r.log.String())
		}
		r.counted(1, 0)
		r.end()
	})
}

func TestFailure_CloseWhileHostHangs(t *testing.T) {
	bubble(t, "gitea", func(t *testing.T, h *gitHost, _ *inside, r *rig) {
		h.answerWith(hang)
		for n := range 10 {
			r.Report(Status{commitOf(n), Success, "a"})
		}
		time.Sleep(time.Second)
		start := time.Now()
		err := r.close()
		if took := time.Since(start); took > 5*time.Second || err == nil || !strings.Contains(err.Error(), "10") {
			t.Errorf("%v after %v", err, took)
		}
		r.counted(0, 10)
	})
}

// The caller's patience counts where it is less than ours.
func TestFailure_CloseWithoutTime(t *testing.T) {
	bubble(t, "gitea", func(t *testing.T, h *gitHost, _ *inside, r *rig) {
		h.answerWith(hang)
		r.Report(Status{commit, Success, "a"})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r.closed = true
		start := time.Now()
		if err := r.Close(ctx); err == nil || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		r.counted(0, 1)
	})
}

// What is kept back when the end comes is tried once more at once.
func TestFailure_CloseWhileWaiting(t *testing.T) {
	bubble(t, "gitlab", func(t *testing.T, h *gitHost, in *inside, r *rig) {
		in.set(true)
		for n := range 3 {
			r.Report(Status{commitOf(n), Success, "a"})
		}
		time.Sleep(10 * time.Minute)
		in.set(false)
		r.end()
		if len(h.statuses()) != 3 {
			t.Errorf("%+v", h.statuses())
		}
		r.counted(3, 0)
	})
}

// A flood blocks nobody and is held in a bounded queue; the newest are kept.
func TestFailure_Flood(t *testing.T) {
	bubble(t, "github", func(t *testing.T, h *gitHost, in *inside, r *rig) {
		in.set(true)
		for n := range 10_000 {
			r.Report(Status{commitOf(n), Success, "a"})
		}
		synctest.Wait()
		r.mu.Lock()
		if n := len(r.queue.waiting); n > maxWaiting {
			t.Errorf("%d wait", n)
		}
		r.mu.Unlock()
		in.set(false)
		time.Sleep(5 * time.Minute)
		got := h.statuses()
		if len(got) < maxWaiting || len(got) > maxWaiting+2 || got[len(got)-1].commit != commitOf(9_999) {
			t.Errorf("%d were sent, the last %+v", len(got), got[len(got)-1])
		}
		r.counted(len(got), 10_000-len(got))
		for n := range 1000 { // what was sent is remembered, but not for ever
			r.Report(Status{commitOf(n), Failure, "a"})
			synctest.Wait()
		}
		r.mu.Lock()
		if len(r.queue.sent) != maxRemember || len(r.queue.order) != maxRemember {
			t.Errorf("%d, %d are remembered", len(r.queue.sent), len(r.queue.order))
		}
		r.mu.Unlock()
		r.end()
	})
}
