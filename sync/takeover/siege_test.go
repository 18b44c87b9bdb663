package takeover

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	blows = flag.Int("blows", 6, "kills, pauses and partitions of the siege")
	fall  = flag.Int("fall", 5, "with every so many of them a member of etcd dies as well")
	lease = flag.Duration("lease", 5*time.Second, "the lease of the siege")
)

// The documented quotas of what is called, a second.
func quotas() map[string]int {
	return map[string]int{
		"UpdateRelaySourceV3": 10, "DescribeRelaySourceV3": 10, "ListVhostDetail": 10, "RealTimeRecordCommand": 50,
		"ForbidLiveStream": 20, "ResumeLiveStream": 30, "DescribeLiveStreamsBlockList": 50,
	}
}

// blow is one thing that strikes a daemon, and how it is over.
type blow struct {
	name   string
	strike func(d *daemon)
	heal   func(d *daemon)
}

func kinds() []blow {
	return []blow{
		{"killed", func(d *daemon) { d.kill() }, func(d *daemon) { d.start() }},
		{"stopped", func(d *daemon) { d.signal(syscall.SIGSTOP) }, func(d *daemon) { d.signal(syscall.SIGCONT) }},
		{"cut off", func(d *daemon) { d.cut(true) }, func(d *daemon) { d.cut(false) }},
	}
}

// TestFailure_P12_P13_P14_Siege: under a load of edits daemons are killed, stopped past
// their lease and cut off from etcd; now and then a member of etcd dies as well. Nobody
// calls an account that another one leads, no quota is exceeded, nothing is lost, and
// no restart of a recording happens twice.
func TestFailure_P12_P13_P14_Siege(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	h := newHouse(t, 3, *lease)
	h.until("the first revision is applied", time.Minute, h.settled)
	stop := h.edits()
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
	var gaps []time.Duration
	for i := range *blows {
		kind := kinds()[i%len(kinds())]
		d := h.daemons[random.IntN(len(h.daemons))]
		var fallen *int
		if i%*fall == *fall-1 {
			n := random.IntN(len(h.etcd.Members))
			fallen = &n
			h.etcd.Members[n].Kill()
		}
		gaps = append(gaps, h.blow(d, kind)...)
		if fallen != nil {
			if err := h.etcd.Members[*fallen].Start(); err != nil {
				t.Fatal(err)
			}
		}
		h.until("each account is led again", time.Minute, h.reigns.all)
	}
	stop()
	h.until("all is as declared, and nothing is in doubt", 3*time.Minute, h.settled)
	h.judge()
	slices.Sort(gaps)
	if n := len(gaps); n > 0 {
		t.Logf("%d blows, %d edits, %d calls; %d accounts changed hands, the next call came after %v (median), %v at most, of leases of %v",
			*blows, h.load.edits, len(h.clouds.arrived(time.Time{})), n, gaps[n/2].Round(time.Millisecond), gaps[n-1].Round(time.Millisecond), *lease)
	}
}

// edits edits until it is told to stop.
func (h *house) edits() (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			case <-time.After(700 * time.Millisecond):
				h.load.edit(restarted(h.clouds.Journal()))
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// blow strikes a daemon for longer than its lease and returns, for each account that it
// led, how long nobody called that.
func (h *house) blow(d *daemon, kind blow) (gaps []time.Duration) {
	led := map[string]bool{}
	for account := range accounts {
		led[account] = h.reigns.leader(account) == d.name
	}
	at := time.Now()
	kind.strike(d)
	deadline := at.Add(h.lease + 20*time.Second)
	for account := range led {
		if !led[account] {
			continue
		}
		for gap := time.Duration(0); gap == 0; time.Sleep(20 * time.Millisecond) {
			for _, a := range h.clouds.arrived(at) {
				if a.account == account && a.daemon != d.name {
					gap = a.at.Sub(at)
					break
				}
			}
			if gap > 0 {
				gaps = append(gaps, gap)
			}
			if time.Now().After(deadline) {
				h.t.Errorf("%s was %s, and nobody has called %s for %v; %q leads it", d.name, kind.name, account, time.Since(at), h.reigns.leader(account))
				for _, d := range h.daemons {
					h.t.Logf("%s says:\n%s", d.name, d.log())
				}
				break
			}
		}
	}
	if rest := time.Until(at.Add(h.lease + time.Second)); rest > 0 {
		time.Sleep(rest) // a pause is to be longer than the lease
	}
	kind.heal(d)
	h.t.Logf("%s %s, %d accounts led, called again after %v", d.name, kind.name, len(gaps), gaps)
	return gaps
}

// settled says what is not as declared. What is in doubt is settled as a person would
// do it, who looks at what the cloud has.
func (h *house) settled() error {
	if err := h.load.differs(h.clouds.World()); err != nil {
		return err
	}
	done := restarted(h.clouds.Journal())
	if err := h.doubts(done); err != nil {
		return err
	}
	return h.load.undone(done)
}

// doubts settles what is in doubt.
func (h *house) doubts(done map[string]int) error {
	d := h.daemons[0]
	for i, n := range h.load.restarts {
		stream := fmt.Sprint("s", i)
		id := "aliyun-main/Recording/live.example.com/live/" + stream
		var one struct {
			InDoubt bool `json:"inDoubt"`
		}
		if err := d.get("/api/v1/resources/"+id, &one); err != nil {
			return err
		}
		if !one.InDoubt {
			continue
		}
		how := "again"
		if done[stream] >= n {
			how = "done"
		}
		if out, err := d.run("settle", id, how); err != nil {
			return fmt.Errorf("settle: %w: %s", err, out)
		}
		h.t.Logf("%s was in doubt: %s", id, how)
	}
	return nil
}

// judge holds what has arrived against who led what, and against the quotas.
func (h *house) judge() {
	calls := h.clouds.arrived(time.Time{})
	strangers := map[string]int{}
	for _, a := range calls {
		if a.daemon == "" {
			strangers["nobody knows who"]++
			continue
		}
		if !h.reigns.led(a.account, a.daemon, a.at) {
			strangers[a.daemon+" "+a.account]++
			if len(strangers) < 10 {
				h.t.Errorf("%s called %s of %s at %s, and did not lead it", a.daemon, a.operation, a.account, a.at.Format(time.StampMicro))
			}
		}
	}
	if len(strangers) > 0 {
		h.t.Logf("calls beside a lead: %v", slices.Sorted(maps.Keys(strangers)))
	}
	if over := overQuota(calls, quotas()); len(over) > 0 {
		h.t.Errorf("above the quota: %v", over)
	}
	for _, c := range h.clouds.Journal() {
		if strings.Contains(c.Code, "Throttling") || strings.Contains(c.Code, "FlowLimit") || strings.Contains(c.Code, "Exceed") {
			h.t.Errorf("%s was throttled: %s", c.Operation, c.Code)
		}
	}
}
