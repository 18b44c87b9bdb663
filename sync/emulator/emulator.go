// Package emulator is both clouds, ApsaraVideo Live and Volcengine Live, as far
// as weir uses them: signatures are verified, quotas are enforced over any
// sliding window, answers carry the clouds' own codes, statuses and forms, and
// what the operations do is kept. It is an http.Handler, and through Transport
// an http.RoundTripper that needs no socket.
//
// A request goes: read (which cloud, which operation) → signed by a known key?
// → within the quota? → a fault to inject? → the operation → the journal → the
// answer. What the vendors' documents leave open is a setting of the World, or
// said at the place that chooses a reading.
//
// The package imports nothing else of weir's: it proves the clients by knowing
// only what the clouds' documents say.
package emulator

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Emulator is a running pair of clouds. It is safe for concurrent use.
type Emulator struct {
	ops map[string]operation

	mu      sync.Mutex
	held    *held
	quotas  quotas
	nonces  nonces
	faults  faults
	journal journal
	serial  serial
}

// New returns the clouds as w has them. Of a world that Check refuses, the
// entries that make no sense are never found.
func New(w World) *Emulator {
	now := time.Now()
	e := &Emulator{ops: operations(), held: newHeld(), serial: serial{seed: uint64(now.UnixNano())}}
	e.journal.most = journalCap
	e.quotas = newQuotas(e.ops, w.Quotas)
	e.held.quotas = w.Quotas
	e.held.settings = w.Settings
	e.held.merge(w, time.Time{}, now)
	return e
}

// operation is one operation of a cloud.
type operation struct {
	cloud   string
	methods string // allowed HTTP methods, separated by spaces
	read    bool
	quota   window
	run     func(h *held, c *apiCall) (any, *failure)
}

// operations returns all that is known, by name.
func operations() map[string]operation {
	ops := aliyunOperations()
	maps.Copy(ops, volcengineOperations())
	return ops
}

// respond carries out one request.
func (e *Emulator) respond(r *http.Request) *answer {
	m, err := readMessage(r)
	if err != nil {
		return plain(http.StatusRequestEntityTooLarge, err.Error())
	}
	switch c := cloudOf(m); {
	case c != nil:
		return e.serve(c, m)
	case strings.HasPrefix(r.URL.Path, adminPath):
		return e.admin(m)
	}
	return plain(http.StatusNotFound, "neither a call of a cloud's API nor below "+adminPath)
}

// serve carries out a request that is a call of c's API.
func (e *Emulator) serve(c *cloud, m *message) *answer {
	call, fail := c.read(m, e.ops)
	if fail == nil {
		fail = e.authenticate(c, call)
	}
	d := &decision{fail: fail}
	e.mu.Lock()
	e.arrive(call, time.Now())
	e.decide(c, call, d)
	e.mu.Unlock()
	d.finish(c, call)
	return &d.answer
}

// decision is what becomes of a call.
type decision struct {
	answer
	result any      // of the operation
	fail   *failure // in place of a result
	struck strike   // the faults that hit the call
}

// arrive gives a call its time and number.
func (e *Emulator) arrive(call *apiCall, now time.Time) {
	call.at, call.id = now, e.serial.next(call.cloud, now)
	call.view = now.Add(-time.Duration(e.held.settings.Lag))
	call.skew = time.Duration(e.held.settings.ClockSkew)
}

// decide admits, disturbs and carries out a call, and enters it in the
// journal.
func (e *Emulator) decide(c *cloud, call *apiCall, d *decision) {
	if d.fail == nil {
		d.fail = e.admit(c, call, d)
	}
	if d.fail == nil {
		d.fail = d.struck.disturb(c, call, d)
	}
	if d.fail == nil {
		d.result, d.fail = call.op.run(e.held, call)
	}
	e.enter(call, d)
}

// admit refuses a call that is stale, a replay or above a quota, and counts
// the others.
func (e *Emulator) admit(c *cloud, call *apiCall, d *decision) *failure {
	if fail := e.fresh(c, call); fail != nil {
		return fail
	}
	key := quotaKey{call.cloud, call.account, call.operation}
	if full, wait := e.quotas.exceeded(key, call.at); full != nil {
		return c.throttle(full.limit, wait)
	}
	d.struck = e.faults.strike(call.operation)
	if d.struck.end.Kind == kindThrottle {
		return c.throttle(call.op.quota.limit, time.Second)
	}
	e.quotas.count(key, call.at)
	return nil
}

// enter writes a call and what became of it into the journal.
func (e *Emulator) enter(call *apiCall, d *decision) {
	one := Call{
		Time: call.at.UTC(), Cloud: call.cloud, AccessKeyID: call.keyID, Account: call.account,
		Operation: call.operation, Status: http.StatusOK, RequestID: call.id, Fault: strings.Join(d.struck.kinds, ","),
	}
	if d.fail != nil {
		one.Status, one.Code = d.fail.status, d.fail.code
	}
	e.journal.add(entry{Call: one, query: call.params, body: call.body})
}

// finish writes the answer out.
func (d *decision) finish(c *cloud, call *apiCall) {
	d.header = map[string]string{"Date": call.wall(call.at).UTC().Format(http.TimeFormat)}
	switch {
	case d.cut != whole:
	case d.struck.end.Kind == kindGarbage && d.fail != nil:
		d.garbage()
	default:
		c.write(call, d)
	}
}
