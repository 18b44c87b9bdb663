package simulation

import (
	"slices"
	"strings"
	"time"

	"weir/sync/emulator"
)

// faultKind is a way in which a run is disturbed. Each run switches a random
// half of them off.
type faultKind struct {
	name string
	of   string // API, network, disk, process, people, source, time
	// faults returns what the clouds do while it is in force; nil for a kind that
	// is not the clouds'.
	faults func(d *dice) []emulator.Fault
	// chance is the part of the moments that it strikes, for kinds of network and
	// disk.
	chance float64
}

// faultKinds is the table. What is of process, people, source and time is a
// step (see steps), counted under the same name.
func faultKinds() []faultKind {
	return []faultKind{
		{name: "unavailable", of: "API", faults: func(d *dice) []emulator.Fault {
			return errorsOf(d, "ServiceUnavailable", "ServiceUnavailableTemp", 503)
		}},
		{name: "internal-error", of: "API", faults: func(d *dice) []emulator.Fault {
			return errorsOf(d, "InternalError", "InternalError", 500)
		}},
		{name: "denied", of: "API", faults: func(d *dice) []emulator.Fault {
			return errorsOf(d, "Forbidden", "AccessDenied", 403)
		}},
		{name: "ok-with-error", of: "API", faults: func(d *dice) []emulator.Fault {
			return on(volcOperations(), emulator.Fault{Kind: "error", Code: "CommonErr", Status: 200, Probability: some(d)})
		}},
		{name: "auth-loss", of: "API", faults: func(d *dice) []emulator.Fault {
			if d.chance(0.5) {
				return on(aliOperations(), emulator.Fault{Kind: "error", Code: "InvalidAccessKeyId.NotFound", Status: 404})
			}
			return on(volcOperations(), emulator.Fault{Kind: "error", Code: "InvalidAccessKey", Status: 401})
		}},
		{name: "reads-fail", of: "API", faults: func(d *dice) []emulator.Fault {
			return on(reading(), emulator.Fault{Kind: "error", Code: "ServiceUnavailable", Status: 503, Probability: one(d, 0.5, 1)})
		}},
		{name: "stream-not-found", of: "API", faults: func(*dice) []emulator.Fault {
			return on([]string{"RealTimeRecordCommand"}, emulator.Fault{Kind: "error", Code: "StreamNotFound", Status: 409, Probability: 0.8})
		}},
		{name: "throttle", of: "API", faults: simple("throttle")},
		{name: "garbage", of: "API", faults: simple("garbage")},
		{name: "reset", of: "API", faults: simple("reset")},
		{name: "lost-response", of: "API", faults: simple("lost-response")},
		{name: "latency", of: "API", faults: func(d *dice) []emulator.Fault {
			delay := emulator.Duration(d.within(200*time.Millisecond, 4*time.Second))
			return []emulator.Fault{{Operation: "*", Kind: "latency", Delay: delay, Probability: some(d)}}
		}},
		{name: "hang", of: "API", faults: func(*dice) []emulator.Fault {
			return []emulator.Fault{{Operation: "*", Kind: "latency", Delay: emulator.Duration(hangTime), Probability: 0.15}}
		}},
		{name: "stale-read", of: "API", faults: func(d *dice) []emulator.Fault {
			delay := emulator.Duration(d.within(2*time.Second, staleMost))
			return on(reading(), emulator.Fault{Kind: "stale-read", Delay: delay, Probability: one(d, 0.3, 1)})
		}},
		{name: "lag", of: "API"},
		{name: "quota-lowered", of: "API"},
		{name: "unconnected", of: "network", chance: 0.2},
		{name: "late", of: "network", chance: 0.1},
		{name: "disk-full", of: "disk", chance: 0.3},
		{name: "disk-unreadable", of: "disk", chance: 0.1},
		{name: "disk-slow", of: "disk"},
	}
}

// hangTime is more than a client waits.
const hangTime = 21*time.Second + 7

// staleMost is how old the state that a read shows may be.
const staleMost = 20 * time.Second

func some(d *dice) float64 { return one(d, 0.1, 0.3, 0.6) }

func simple(kind string) func(*dice) []emulator.Fault {
	return func(d *dice) []emulator.Fault {
		return []emulator.Fault{{Operation: "*", Kind: kind, Probability: some(d)}}
	}
}

// errorsOf lets the operations of both clouds, or only one operation, fail.
func errorsOf(d *dice, aliCode, volcCode string, status int) []emulator.Fault {
	p := some(d)
	all := append(on(aliOperations(), emulator.Fault{Kind: "error", Code: aliCode, Status: status, Probability: p}),
		on(volcOperations(), emulator.Fault{Kind: "error", Code: volcCode, Status: status, Probability: p})...)
	if d.chance(0.5) {
		return all
	}
	i := d.below(len(all))
	return all[i : i+1]
}

// on makes a fault one of each operation.
func on(operations []string, f emulator.Fault) []emulator.Fault {
	var out []emulator.Fault
	for _, name := range operations {
		f.Operation = name
		out = append(out, f)
	}
	return out
}

func aliOperations() []string {
	return []string{
		"SetLiveDomainMultiStreamConfig", "DescribeLiveDomainMultiStreamConfig", "ForbidLiveStream", "ResumeLiveStream",
		"DescribeLiveStreamsBlockList", "DescribeLiveDomainMapping", "RealTimeRecordCommand",
		"DescribeLiveStreamsOnlineList", "HotLiveRtcStream",
	}
}

func volcOperations() []string {
	return []string{"UpdateRelaySourceV3", "DeleteRelaySourceV3", "DescribeRelaySourceV3", "DescribeLiveStreamInfoByPage"}
}

func reading() []string {
	var out []string
	for _, name := range append(aliOperations(), volcOperations()...) {
		if reads(name) {
			out = append(out, name)
		}
	}
	return out
}

func reads(operation string) bool { return strings.HasPrefix(operation, "Describe") }

// namedFault is a fault with the name of its kind.
type namedFault struct {
	name string
	emulator.Fault
}

// strikeOf counts what a journal's entry shows of the faults in force.
func (r *run) strikeOf(c emulator.Call) {
	for kind := range strings.SplitSeq(c.Fault, ",") {
		for _, f := range r.faults {
			ours := f.Kind == kind && (f.Operation == "*" || f.Operation == c.Operation)
			if ours && (kind != "error" || f.Code == c.Code) {
				r.tally.strike(f.name)
				break
			}
		}
	}
}

// disturb puts a drawn set of the kinds that are switched on in force.
func (r *run) disturb() {
	active := map[string]float64{}
	var list []namedFault
	kinds := slices.Clone(r.kinds)
	for range min(r.dice.below(4), len(kinds)) {
		i := r.dice.below(len(kinds))
		k := kinds[i]
		kinds = slices.Delete(kinds, i, i+1)
		active[k.name] = k.chance
		if k.faults == nil {
			continue
		}
		for _, f := range k.faults(&r.dice) {
			list = append(list, namedFault{k.name, f})
		}
	}
	r.apply(active, list)
}

// heal ends every fault.
func (r *run) heal() { r.apply(nil, nil) }

func (r *run) apply(active map[string]float64, list []namedFault) {
	r.drain()
	r.faults = list
	plain := make([]emulator.Fault, 0, len(list))
	for _, f := range list {
		plain = append(plain, f.Fault)
	}
	r.mu.Lock()
	r.active = active
	r.mu.Unlock()
	r.must(r.clouds.SetFaults(uint64(r.dice.next()), plain...))
	settings := r.settings
	if _, lagging := active["lag"]; lagging {
		settings.Lag = emulator.Duration(r.dice.within(time.Second, 10*time.Second))
		r.struckNow("lag")
	}
	r.must(r.clouds.SetSettings(settings))
	_, lowered := active["quota-lowered"]
	if lowered || r.lowered {
		r.must(r.clouds.SetQuotas(r.cloudQuotas(lowered)...))
		r.struckNow("quota-lowered")
	}
	r.lowered = lowered
	for name := range active {
		r.tally.use(name)
	}
	r.note("faults: %d kinds, %d of the clouds", len(active), len(list))
}

// cloudQuotas are the limits that the clouds enforce in place of the documented
// ones.
func (r *run) cloudQuotas(lowered bool) []emulator.Quota {
	var out []emulator.Quota
	for _, name := range append(aliOperations(), volcOperations()...) {
		limit, ok := r.quotas[name]
		if lowered {
			limit, ok = 1, true
		}
		if ok {
			out = append(out, emulator.Quota{Operation: name, Limit: limit})
		}
	}
	return out
}

// struck reports whether a kind of fault that is in force strikes now.
func (r *run) struck(kind string, luck draw) bool {
	r.mu.Lock()
	chance, ok := r.active[kind]
	r.mu.Unlock()
	if !ok || !luck.chance(chance) {
		return false
	}
	r.struckNow(kind)
	return true
}

// diskTime is the most that a write takes.
func (r *run) diskTime() time.Duration {
	r.mu.Lock()
	_, slow := r.active["disk-slow"]
	r.mu.Unlock()
	if !slow {
		return 60 * time.Microsecond
	}
	r.struckNow("disk-slow")
	return 400 * time.Millisecond
}
