package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/apply"
	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/plan"
	"weir/sync/quota"
)

// prospect is a plan whose time is foreseen, and then taken.
type prospect struct {
	name        string
	rtt, jitter time.Duration
	before      []string // documents that are in force already
	docs        []string // documents that are to be
	prepare     func(h *house)
	beside      call.Priority // that of the calls of another process
	busy        bool          // there is another process
	ahead       int           // calls that it says it has left, 0 for none
}

// The documents of prospects: so many of each kind.
func switches(n int) (docs []string) {
	for i := range n {
		docs = append(docs, strings.Replace(multiOn, "live.example.com", fmt.Sprintf("live.c%d.example.com", i), 1))
	}
	return docs
}

func relays(n int, address string) (docs []string) {
	for i := range n {
		docs = append(docs, relayDoc(i, address))
	}
	return docs
}

func blocks(n int) (docs []string) {
	for i := range n {
		docs = append(docs, strings.Replace(forbid, "stream: bad", fmt.Sprintf("stream: s%d", i), 1))
	}
	return docs
}

// prospects are those of the table.
func prospects() []prospect {
	const near, far = 5 * time.Millisecond, 200 * time.Millisecond
	all := []prospect{
		{name: "500 creates", docs: relays(500, "a")},
		{name: "500 creates far away", rtt: far, docs: relays(500, "a")},
		{name: "500 updates", rtt: near, before: relays(500, "a"), docs: relays(500, "b")},
		{name: "500 updates far away", rtt: far, before: relays(500, "a"), docs: relays(500, "b")},
		{name: "11 updates far away", rtt: far, before: relays(11, "a"), docs: relays(11, "b")},
		{name: "40 removals", rtt: far, before: relays(60, "a"), docs: relays(20, "a")},
		{name: "200 removals", rtt: far, before: relays(210, "a"), docs: relays(10, "a")},
		{name: "a rename of many", rtt: near, before: relays(100, "a"), docs: relays(150, "a")[50:]},
		{
			name: "kinds and accounts", rtt: 50 * time.Millisecond,
			before: slices.Concat(relays(120, "a"), switches(30)),
			docs:   slices.Concat(relays(200, "b")[40:], blocks(700), switches(300)),
		},
		{name: "jitter of 5 ms", rtt: 50 * time.Millisecond, jitter: 5 * time.Millisecond, docs: switches(500)},
		{name: "jitter of 20 ms", rtt: 50 * time.Millisecond, jitter: 20 * time.Millisecond, docs: switches(500)},
		{name: "jitter of 200 ms", rtt: 50 * time.Millisecond, jitter: 200 * time.Millisecond, docs: switches(500)},
		{
			name: "jitter and reads back", rtt: 50 * time.Millisecond, jitter: 100 * time.Millisecond,
			before: relays(100, "a"), docs: relays(400, "a"),
		},
		{name: "half of the limit", rtt: near, docs: relays(500, "a"), prepare: (*house).throttle},
	}
	for name, p := range map[string]call.Priority{"beside an equal": call.Routine, "beside a scrub": call.Scrub} {
		all = append(all, prospect{name: name, rtt: near, docs: relays(300, "a"), busy: true, beside: p})
	}
	all = append(all, prospect{name: "beside one that ends", rtt: near, docs: relays(300, "a"), busy: true, ahead: 100})
	slices.SortFunc(all, func(a, b prospect) int { return cmp.Compare(a.name, b.name) })
	return all
}

// throttle makes weir go at half the pace: somebody else uses the account.
func (h *house) throttle() {
	h.faults(emulator.Fault{Operation: "UpdateRelaySourceV3", Kind: "throttle", Count: 1})
	h.applyAll(relayDoc(99999, "a"))
	h.faults()
}

// applyAll makes documents so, as the command line does.
func (h *house) applyAll(docs ...string) *apply.Report {
	h.t.Helper()
	return h.applyPlan(h.planAll(docs...))
}

// planAll returns the plan that makes documents so.
func (h *house) planAll(docs ...string) *plan.Plan {
	h.t.Helper()
	h.commit("all.yaml", strings.Join(docs, "---\n"))
	if _, err := h.rec.Fetch(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	p, err := h.rec.Plan(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	p.Held = nil
	return p
}

func (h *house) applyPlan(p *plan.Plan) *apply.Report {
	h.t.Helper()
	rep, err := h.rec.Apply(h.t.Context(), p)
	if err != nil || rep.Summary[apply.Done] != len(rep.Results) {
		h.t.Fatalf("%+v, %v", rep.Summary, err)
	}
	return rep
}

// take carries out the prospect and returns the report.
func (p prospect) take(t *testing.T) *apply.Report {
	h := open(t)
	if p.busy {
		h.office = &office{begin: time.Now().Add(-time.Hour), books: map[string]*quota.Book{}}
	}
	h.away = &far{rtt: p.rtt, jitter: p.jitter, rand: rand.New(rand.NewPCG(1, 1)), gate: make(chan struct{}, 1)}
	h.build(func(_ *house, o *Options) {
		o.Policy = plan.Policy{Mode: plan.Sync, MaxRemoved: 1000, MaxRemovedPercent: 100, MaxUpdatedPercent: 100}
	})
	if len(p.before) > 0 {
		h.applyAll(p.before...)
		h.wait(2 * time.Minute)
	}
	if p.prepare != nil {
		p.prepare(h)
	}
	h.clouds.ClearJournal()
	todo := h.planAll(p.docs...)
	if p.busy {
		end := h.office.work(t, "volc", p)
		defer end()
	}
	rep := h.applyPlan(todo)
	p.compareCalls(t, rep, h.clouds.Journal())
	return rep
}

// compareCalls checks that the calls foreseen are those that were made. Reads
// come from the plan too, so that of them only more may have been made.
func (p prospect) compareCalls(t *testing.T, rep *apply.Report, journal []emulator.Call) {
	t.Helper()
	made := map[string]int{}
	for _, c := range journal {
		made[c.Operation]++
	}
	for _, f := range rep.Foreseen.Calls {
		if got := made[f.Operation]; got < f.Count || f.Writes > 0 && got != f.Count {
			t.Errorf("%d calls of %s were foreseen, and %d made", f.Count, f.Operation, got)
		}
	}
}

// off is how far what was foreseen is from what came of it, as a part of it.
func off(rep *apply.Report) float64 {
	return rep.Took.Seconds()/rep.Foreseen.Took.Seconds() - 1
}

// TestPredictionIsRight: what is foreseen of a plan comes within a tenth.
func TestPredictionIsRight(t *testing.T) {
	for _, p := range prospects() {
		t.Run(p.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rep := p.take(t)
				t.Logf("%.2fs foreseen, %.2fs taken: %+.1f %%", rep.Foreseen.Took.Seconds(), rep.Took.Seconds(), 100*off(rep))
				if off(rep) > 0.1 || off(rep) < -0.1 {
					t.Errorf("%.1f %% off", 100*off(rep))
				}
			})
		})
	}
}

// TestPredictionIsReported: whoever applies reads afterwards what was foreseen.
func TestPredictionIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rep := prospect{rtt: 100 * time.Millisecond, docs: relays(30, "a")}.take(t)
		got := Report(rep).Predicted
		if got == nil || got.Seconds != rep.Foreseen.Took.Seconds() || got.Calls != 60 || got.Ratio != rep.Took.Seconds()/got.Seconds {
			t.Errorf("%+v of %+v", got, rep.Foreseen)
		}
		if Report(&apply.Report{Foreseen: rep.Foreseen}).Predicted.Ratio != 0 {
			t.Error("what was not done says how good the forecast was")
		}
		if Report(&apply.Report{}).Predicted != nil {
			t.Error("nothing was due, and something foreseen")
		}
	})
}

// BenchmarkPrediction reports how far predictions are off.
func BenchmarkPrediction(b *testing.B) {
	for _, p := range prospects() {
		b.Run(strings.ReplaceAll(p.name, " ", "-"), func(b *testing.B) {
			var rep *apply.Report
			for b.Loop() {
				inBubble(b, func(t *testing.T) { rep = p.take(t) })
			}
			b.ReportMetric(rep.Foreseen.Took.Seconds(), "s-foreseen")
			b.ReportMetric(rep.Took.Seconds(), "s-taken")
			b.ReportMetric(100*off(rep), "%off")
		})
	}
}

// inBubble runs a story in virtual time within a benchmark, which synctest by
// itself does not.
func inBubble(b *testing.B, story func(*testing.T)) {
	b.Helper()
	ok := testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{
		{Name: b.Name(), F: func(t *testing.T) { synctest.Test(t, story) }},
	})
	if !ok {
		b.Fatal("the story failed")
	}
}

// office is where the processes of one machine keep the books of their calls.
type office struct {
	begin   time.Time
	mu      sync.Mutex
	books   map[string]*quota.Book
	clients int64
}

var _ quota.Desk = (*drawer)(nil)

// drawer is an office's desk for one account.
type drawer struct {
	*office
	account string
}

func (o *office) Now() quota.Instant { return quota.Instant(time.Since(o.begin)) }

func (d *drawer) Update(ctx context.Context, operation string, f func(*quota.Book, quota.Instant)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := d.account + "/" + operation
	if d.books[name] == nil {
		d.books[name] = &quota.Book{}
	}
	f(d.books[name], d.Now())
	return ctx.Err()
}

// join makes a limiter draw on the office's books.
func (o *office) join(l *call.Limiter, account string) {
	o.clients++
	l.Share(quota.Share(&drawer{o, account}, o.clients), func(error) {})
}

// work is the other process of a prospect, with more calls of both relay operations
// than it can make, or as many as it says, until it is told to end.
func (o *office) work(t *testing.T, account string, p prospect) (end func()) {
	limits := map[string][]call.Window{}
	for _, operation := range []string{"UpdateRelaySourceV3", "DescribeRelaySourceV3"} {
		limits[operation] = []call.Window{{Limit: 9, Per: time.Second}}
	}
	l, err := call.NewLimiter(call.LimiterOptions{Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	o.join(l, account)
	cloud := call.Func(func(context.Context, *call.Request) (*call.Response, error) {
		time.Sleep(5 * time.Millisecond)
		return &call.Response{Status: 200, RTT: 5 * time.Millisecond}, nil
	})
	c := call.Limit(call.WhenReady(cloud), call.Limiters{account: l}, nil)
	ctx, cancel := context.WithCancel(call.WithPriority(t.Context(), p.beside))
	var wg sync.WaitGroup
	for operation := range limits {
		n := 1000
		if p.ahead > 0 {
			n = p.ahead + 90 // which it makes until it is looked at
			l.Expect(operation, n)
		}
		for range n {
			wg.Go(func() { _, _ = c.Call(ctx, &call.Request{Account: account, Operation: operation}) })
		}
	}
	time.Sleep(10 * time.Second)
	return func() {
		cancel()
		wg.Wait()
	}
}

// TestPredictionIsTold: a daemon tells how good its forecasts are.
func TestPredictionIsTold(t *testing.T) {
	inTime(t, nil, func(h *house) {
		h.commit("one.yaml", multiOn)
		h.wait(time.Minute)
		if s := h.rec.Status(); s.LastApply != nil || strings.Contains(h.log.String(), "carried out") {
			t.Errorf("of one call is told %+v\n%s", s.LastApply, h.log)
		}
		h.commit("all.yaml", strings.Join(relays(100, "a"), "---\n"), "one.yaml", multiOn)
		h.wait(2 * time.Minute)
		s := h.rec.Status().LastApply
		if s == nil || s.Changes != 100 || s.Predicted.Calls != 200 || s.Predicted.Ratio < 0.9 || s.Predicted.Ratio > 1.1 {
			t.Fatalf("told %+v", s)
		}
		if want := fmt.Sprintf("msg=\"carried out\" plan=%s changes=100 applied=100 seconds=%g foreseen_seconds=", s.Plan, s.Seconds); !strings.Contains(h.log.String(), want) {
			t.Errorf("no %q in the log\n%s", want, h.log)
		}
		families, err := h.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var measured uint64
		for _, f := range families {
			if f.GetName() == "weir_apply_prediction_ratio" {
				measured = f.GetMetric()[0].GetHistogram().GetSampleCount()
			}
		}
		if measured != 1 {
			t.Errorf("%d forecasts are measured", measured)
		}
	})
}

// TestPredictionOfTheDaemon: what it reads again before it writes is foreseen too.
func TestPredictionOfTheDaemon(t *testing.T) {
	for name, p := range map[string]prospect{
		"one read for all":      {docs: relays(300, "a")},
		"a read for each":       {docs: switches(300)},
		"updates":               {before: relays(200, "a"), docs: relays(200, "b")},
		"removals one by one":   {before: relays(100, "a"), docs: relays(60, "a")},
		"of both, and far away": {rtt: 200 * time.Millisecond, docs: slices.Concat(relays(200, "a"), switches(200))},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t)
				h.away = &far{rtt: p.rtt, rand: rand.New(rand.NewPCG(1, 1)), gate: make(chan struct{}, 1)}
				h.build(func(_ *house, o *Options) {
					o.Policy = plan.Policy{Mode: plan.Sync, MaxRemoved: 1000, MaxRemovedPercent: 100, MaxUpdatedPercent: 100}
				})
				h.start()
				defer h.stop()
				if len(p.before) > 0 {
					h.commit("all.yaml", strings.Join(p.before, "---\n"))
					h.wait(4 * time.Minute)
				}
				h.commit("all.yaml", strings.Join(p.docs, "---\n"))
				h.wait(4 * time.Minute)
				s := h.rec.Status().LastApply
				if s == nil {
					t.Fatal("nothing is told")
				}
				t.Logf("%d changes: %.2fs foreseen, %.2fs taken: %+.1f %%", s.Changes, s.Predicted.Seconds, s.Seconds, 100*(s.Predicted.Ratio-1))
				if s.Predicted.Ratio < 0.9 || s.Predicted.Ratio > 1.1 {
					t.Errorf("ratio %v", s.Predicted.Ratio)
				}
			})
		})
	}
}
