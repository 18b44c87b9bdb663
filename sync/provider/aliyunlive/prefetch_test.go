package aliyunlive

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"weir/sync/plan"
	"weir/sync/resource"
)

func warm(timeout string, renew bool, regions ...string) prefetch {
	return prefetch{
		Domain: "d.example.com", App: "live", Stream: "s1", Regions: regions,
		AudioMsid: "rts audio", VideoMsid: "rts video", ConnectionTimeout: timeout, MediaTimeout: "0s", Renew: renew,
	}
}

// did returns the done act of a region whose effect ends at ends.
func did(t *testing.T, p prefetch, region string, round int, ends time.Time) resource.Act {
	t.Helper()
	return resource.Act{
		Name: regionAct + region, Token: tokenOf(t, p, round),
		Begun: now().Add(-time.Hour), Done: now().Add(-time.Hour), Ends: ends,
	}
}

func doubt(t *testing.T, p prefetch, region string, round int) resource.Act {
	t.Helper()
	act := did(t, p, region, round, time.Time{})
	act.Done = time.Time{}
	return act
}

func tokenOf(t *testing.T, p prefetch, round int) string {
	t.Helper()
	return fmt.Sprintf("%s@%d", newWarming(plan.Case{Want: wantOf(t, p)}).params, round)
}

func TestJudgePrefetch(t *testing.T) {
	var never time.Time
	hour := warm("1h", true, "BEJ", "ZHJ")
	once := warm("1h", false, "BEJ", "ZHJ")
	forever := warm("0s", true, "BEJ", "ZHJ")
	edited := hour
	edited.AudioMsid = "other audio"
	far, near, over := now().Add(31*time.Second), now().Add(30*time.Second), now().Add(-time.Minute)
	settle := "nobody knows how region BEJ ended; settle: weir settle a/RtcPrefetch/d.example.com/live/s1 done|again"
	both := []string{"region BEJ", "region ZHJ"}
	tests := []struct {
		name  string
		last  *resource.Applied
		want  prefetch
		acts  []resource.Act
		out   outcome
		due   []string
		round int
		next  time.Time
	}{
		{"new", nil, hour, nil, outcome{plan.Create, plan.New, plan.Pending, ""}, both, 0, never},
		{
			"done", lastOf(t, "", hour), hour,
			[]resource.Act{did(t, hour, "BEJ", 0, far), did(t, hour, "ZHJ", 0, far)},
			outcome{plan.None, "", plan.Unknown, cannotBeRead},
			nil, 0, now().Add(time.Second),
		},
		{
			"kept for ever", lastOf(t, "", forever), forever,
			[]resource.Act{did(t, forever, "BEJ", 0, never), did(t, forever, "ZHJ", 0, never)},
			outcome{plan.None, "", plan.Unknown, cannotBeRead},
			nil, 0, never,
		},
		{
			"one region failed", nil, hour,
			[]resource.Act{did(t, hour, "BEJ", 0, far)},
			outcome{plan.Create, plan.New, plan.Pending, ""},
			[]string{"region ZHJ"},
			0, now().Add(time.Second),
		},
		{
			"renewal is due", lastOf(t, "", hour), hour,
			[]resource.Act{did(t, hour, "BEJ", 0, near), did(t, hour, "ZHJ", 0, far)},
			outcome{plan.Update, plan.Expired, plan.Pending, ""},
			[]string{"region BEJ"},
			1, now().Add(time.Second),
		},
		{
			"renewal is late", lastOf(t, "", hour), hour,
			[]resource.Act{did(t, hour, "BEJ", 7, over), did(t, hour, "ZHJ", 7, over)},
			outcome{plan.Update, plan.Expired, plan.Pending, ""},
			both, 8, never,
		},
		{
			"ended", lastOf(t, "", once), once,
			[]resource.Act{did(t, once, "BEJ", 0, over), did(t, once, "ZHJ", 0, far)},
			outcome{plan.None, "", plan.Unknown, "ended at 2026-11-22T11:59:00Z"},
			nil, 0, never,
		},
		{
			"not renewed before the end", lastOf(t, "", once), once,
			[]resource.Act{did(t, once, "BEJ", 0, near), did(t, once, "ZHJ", 0, near)},
			outcome{plan.None, "", plan.Unknown, cannotBeRead},
			nil, 0, never,
		},
		{
			"edited", lastOf(t, "", hour), edited,
			[]resource.Act{did(t, hour, "BEJ", 3, far), did(t, hour, "ZHJ", 3, far)},
			outcome{plan.Update, plan.Edited, plan.Pending, ""},
			both, 0, never,
		},
		{
			"a region more", lastOf(t, "", warm("1h", true, "BEJ")), hour,
			[]resource.Act{did(t, hour, "BEJ", 0, far)},
			outcome{plan.Update, plan.Edited, plan.Pending, ""},
			[]string{"region ZHJ"},
			0, now().Add(time.Second),
		},
		{
			"a region less", lastOf(t, "", hour), warm("1h", true, "BEJ"),
			[]resource.Act{did(t, hour, "BEJ", 0, far), did(t, hour, "ZHJ", 0, far)},
			outcome{
				plan.Update, plan.Edited, plan.Pending, "no longer declared and not undone in the cloud: ZHJ",
			},
			nil, 0, now().Add(time.Second),
		},
		{
			"renew turned on", lastOf(t, "", once), hour,
			[]resource.Act{did(t, once, "BEJ", 0, far), did(t, once, "ZHJ", 0, far)},
			outcome{plan.Update, plan.Edited, plan.Pending, ""},
			nil, 0, now().Add(time.Second),
		},
		{
			"in doubt, the other due", nil, hour,
			[]resource.Act{doubt(t, hour, "BEJ", 0)},
			outcome{plan.Create, plan.New, plan.Unknown, settle},
			[]string{"region ZHJ"},
			0, never,
		},
		{
			"in doubt, the other done", nil, hour,
			[]resource.Act{doubt(t, hour, "BEJ", 0), did(t, hour, "ZHJ", 0, far)},
			outcome{plan.None, "", plan.Unknown, settle},
			nil, 0, now().Add(time.Second),
		},
		{
			"renewal in doubt", lastOf(t, "", hour), hour,
			[]resource.Act{doubt(t, hour, "BEJ", 1), did(t, hour, "ZHJ", 0, far)},
			outcome{plan.None, "", plan.Unknown, settle},
			nil, 0, now().Add(time.Second),
		},
		{
			"doubt about other parameters", lastOf(t, "", hour), edited,
			[]resource.Act{doubt(t, hour, "BEJ", 0), doubt(t, hour, "ZHJ", 0)},
			outcome{plan.Update, plan.Edited, plan.Pending, ""},
			both, 0, never,
		},
		{
			"settled as not happened", nil, warm("1h", true, "BEJ"),
			[]resource.Act{{Name: "region BEJ", Token: tokenOf(t, hour, 2)}},
			outcome{plan.Create, plan.Expired, plan.Pending, ""},
			[]string{"region BEJ"},
			2, never,
		},
		{
			"all done and not written down", nil, hour,
			[]resource.Act{did(t, hour, "BEJ", 0, far), did(t, hour, "ZHJ", 0, far)},
			outcome{plan.Create, plan.New, plan.Pending, ""},
			nil, 0, now().Add(time.Second),
		},
		{
			"foreign token", nil, warm("1h", true, "BEJ"),
			[]resource.Act{{Name: "region BEJ", Token: "?", Begun: now()}},
			outcome{plan.Create, plan.New, plan.Pending, ""},
			[]string{"region BEJ"},
			0, never,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := judgePrefetch(plan.Case{
				ID:   resource.ID{Account: "a", Kind: kindPrefetch, Key: "d.example.com/live/s1"},
				Want: wantOf(t, tt.want), Last: tt.last, Acts: tt.acts, Now: now(),
				Seen: &resource.Observation{},
			})
			if tt.out.note == "" && len(v.Acts) == 0 {
				tt.out.note = writtenDown
			}
			tt.out.check(t, v)
			if got := names(v.Acts); !slices.Equal(got, tt.due) {
				t.Errorf("acts %v, want %v", got, tt.due)
			}
			for _, a := range v.Acts {
				if want := (plan.Act{
					Name: a.Name, Token: tokenOf(t, tt.want, tt.round), Lasts: duration(tt.want.ConnectionTimeout),
				}); a != want {
					t.Errorf("act %+v, want %+v", a, want)
				}
			}
			if !v.Next.Equal(tt.next) {
				t.Errorf("next is %s, want %s", v.Next, tt.next)
			}
		})
	}
}

func TestJudgePrefetchRemovalIsOnlyForgotten(t *testing.T) {
	last := lastOf(t, "", warm("0s", false, "BEJ"))
	v := judgePrefetch(plan.Case{Last: last, Seen: unreadable(), Now: now()})
	outcome{
		plan.Delete, plan.Removed, plan.Pending, "cannot be undone in the cloud; only forgotten",
	}.check(t, v)
	if v.Before != last.Spec || v.After != "" || len(v.Acts) != 0 {
		t.Errorf("before %s, after %q, acts %v", v.Before, v.After, v.Acts)
	}
}

func TestRenewalMargin(t *testing.T) {
	tests := []struct {
		timeout string
		want    time.Duration
	}{
		{"10s", time.Second}, {"5m", 30 * time.Second}, {"4m", 24 * time.Second}, {"24h", 30 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.timeout, func(t *testing.T) {
			if got := newWarming(plan.Case{Want: wantOf(t, warm(tt.timeout, true))}).margin(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
