package emulator

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// The kinds of faults.
const (
	kindError    = "error"         // answers Code and Status, without effect
	kindLatency  = "latency"       // answers Delay later
	kindReset    = "reset"         // closes the connection before the effect
	kindLost     = "lost-response" // closes the connection after the effect
	kindGarbage  = "garbage"       // answers what is not the API's, without effect
	kindThrottle = "throttle"      // answers the cloud's own throttling
	kindStale    = "stale-read"    // answers reads with the state of Delay ago
)

// Fault disturbs calls of an operation. Several may hit one call: latency and
// stale-read add to the others, of which the first ends it.
type Fault struct {
	Operation string `json:"operation"` // name or "*"
	Kind      string `json:"kind"`
	// Code and Status of an error; default InternalError, and the status
	// documented for the code. A garbage answer may be given a Status.
	Code   string   `json:"code,omitempty"`
	Status int      `json:"status,omitempty"`
	Delay  Duration `json:"delay,omitempty"`
	// Probability is above 0 and at most 1; left out (0) it is 1.
	Probability float64 `json:"probability,omitempty"`
	Count       int     `json:"count,omitempty"` // how often it strikes, 0: for ever
	Seed        uint64  `json:"seed,omitempty"`  // added to the seed of all
}

// Check returns what is wrong with f.
func (f Fault) Check() error {
	kinds := []string{kindError, kindLatency, kindReset, kindLost, kindGarbage, kindThrottle, kindStale}
	switch {
	case f.Operation == "":
		return fmt.Errorf(`operation: missing, a name or "*"`)
	case !slices.Contains(kinds, f.Kind):
		return fmt.Errorf("kind: %.40q, want one of %q", f.Kind, kinds)
	case f.Probability < 0 || f.Probability > 1:
		return fmt.Errorf("probability: %g, want above 0 and at most 1", f.Probability)
	case f.Count < 0:
		return fmt.Errorf("count: %d, want 0 (for ever) or more", f.Count)
	case f.Delay < 0 || time.Duration(f.Delay) > horizon:
		return fmt.Errorf("delay: %s, want 0s to %s", time.Duration(f.Delay), horizon)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status: %d, want 200 to 599", f.Status)
	}
	return nil
}

// faults are the faults in force. Chance is derived from the seed, the
// operation and the how-manieth call of the operation it is since the faults
// were set, so that a run repeats whatever the other operations do.
type faults struct {
	seed  uint64
	list  []Fault
	left  []int // strikes left, -1 for ever
	calls map[string]uint64
}

func newFaults(seed uint64, list []Fault) faults {
	f := faults{seed: seed, list: slices.Clone(list), calls: map[string]uint64{}}
	for _, one := range list {
		left := one.Count
		if left == 0 {
			left = -1
		}
		f.left = append(f.left, left)
	}
	return f
}

// strike is what faults do to one call.
type strike struct {
	kinds []string
	delay time.Duration
	stale time.Duration
	end   Fault  // the fault that ends the call, zero for none
	shape uint64 // chance, for the kind of garbage
}

// strike rolls for a call of an operation.
func (f *faults) strike(operation string) strike {
	var s strike
	if len(f.list) == 0 {
		return s
	}
	f.calls[operation]++
	for i, one := range f.list {
		roll := mix((f.seed + one.Seed) ^ mix(hash(operation)^mix(f.calls[operation])^mix(uint64(i)<<32)))
		if f.left[i] == 0 || !one.hits(operation, roll) || s.end.Kind != "" && one.ends() {
			continue
		}
		if f.left[i] > 0 {
			f.left[i]--
		}
		s.add(one, roll)
	}
	return s
}

func (f Fault) hits(operation string, roll uint64) bool {
	if f.Operation != "*" && f.Operation != operation {
		return false
	}
	return f.Probability == 0 || float64(roll>>11)/(1<<53) < f.Probability
}

func (f Fault) ends() bool { return f.Kind != kindLatency && f.Kind != kindStale }

func (s *strike) add(f Fault, roll uint64) {
	s.kinds = append(s.kinds, f.Kind)
	switch f.Kind {
	case kindLatency:
		s.delay += time.Duration(f.Delay)
	case kindStale:
		s.stale = max(s.stale, time.Duration(f.Delay))
	default:
		s.end, s.shape = f, mix(roll)
	}
}

// disturb lets the strike act on a call. A failure ends it without effect.
func (s *strike) disturb(c *cloud, call *apiCall, d *decision) *failure {
	d.delay = s.delay
	if stale := call.at.Add(-s.stale); stale.Before(call.view) {
		call.view = stale
	}
	switch s.end.Kind {
	case kindReset:
		d.cut = cutBefore
		return &failure{code: "fault.reset"}
	case kindLost:
		d.cut = cutAfter
	case kindError:
		return s.failure(c)
	case kindGarbage:
		return &failure{code: "fault.garbage", status: s.garbageStatus()}
	}
	return nil
}

func (s *strike) failure(c *cloud) *failure {
	code := s.end.Code
	if code == "" {
		code = "InternalError"
	}
	f := c.fail(code, "a fault was injected")
	if s.end.Status != 0 {
		f.status = s.end.Status
	}
	return f
}

// The shapes of garbage: a proxy's page, nothing, an answer cut in the middle,
// JSON that is no answer, bytes.
const garbageShapes = 5

func (s *strike) garbageStatus() int {
	if s.end.Status != 0 {
		return s.end.Status
	}
	if s.shape%garbageShapes == 0 {
		return http.StatusBadGateway
	}
	return http.StatusOK
}

// garbage fills the answer with what is not the API's.
func (d *decision) garbage() {
	bodies := [garbageShapes]string{
		"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
		"",
		`{"RequestId":"6EBD1AC4-C34D-4AE1`,
		`[1,"two",null]`,
		"\x1f\x8b\x08\x00\xff\xfe\x00garbage",
	}
	kinds := [garbageShapes]string{
		"text/html", "application/json", "application/json", "application/json",
		"application/octet-stream",
	}
	shape := d.struck.shape % garbageShapes
	d.status, d.body = d.fail.status, []byte(bodies[shape])
	d.header["Content-Type"] = kinds[shape]
}

// hash is FNV-1a.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
