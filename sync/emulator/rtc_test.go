package emulator_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/sync/emulator"
)

func (c *client) prefetch(domain, region string, more ...string) got {
	return c.aliyun("HotLiveRtcStream", append([]string{
		"DomainName", domain, "AppName", "a", "StreamName", "s", "RegionCode", region,
		"AudioMsid", "rts audio", "VideoMsid", "rts video",
	}, more...)...)
}

func unlimited(w *emulator.World) {
	w.Quotas = []emulator.Quota{{Operation: "HotLiveRtcStream", Limit: 0}}
}

func TestPrefetchIsCountedAndExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, c := start(nil)
		c.prefetch("live.example.com", "BEJ").ok(t)
		c.prefetch("live.example.com", "SG", "ConnectionTimeout", "60000", "MediaTimeout", "1500").ok(t)
		time.Sleep(59 * time.Second)
		c.prefetch("live.example.com", "BEJ", "ConnectionTimeout", "0").ok(t)
		began := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		base := emulator.Prefetch{
			Domain: "live.example.com", App: "a", Stream: "s", AudioMsid: "rts audio", VideoMsid: "rts video", Active: true,
		}
		bej, sg := base, base
		bej.Region, bej.Count, bej.Since = "BEJ", 2, began.Add(59*time.Second)
		sg.Region, sg.Count, sg.Since, sg.Expires = "SG", 1, began, began.Add(time.Minute)
		sg.ConnectionTimeout, sg.MediaTimeout = emulator.Duration(time.Minute), emulator.Duration(1500*time.Millisecond)
		check := func() {
			t.Helper()
			got := e.World().Prefetches
			if len(got) != 2 || got[0] != bej || got[1] != sg {
				t.Errorf("got  %+v\nwant %+v", got, []emulator.Prefetch{bej, sg})
			}
		}
		check()
		time.Sleep(time.Second)
		sg.Active = false
		check()
		c.prefetch("live.example.com", "SG").ok(t)
		sg.Active, sg.Count, sg.Since, sg.Expires = true, 2, began.Add(time.Minute), time.Time{}
		sg.ConnectionTimeout, sg.MediaTimeout = 0, 0
		check()
	})
}

func TestEveryRegionCode(t *testing.T) {
	_, c := start(unlimited)
	countries := `PG SK PE LV AE CA CU MR JP AM TM RU BY GN IQ AR CL SZ CD BE KZ RS TR NA LT PR CG NC MA GL KW LR UA
		ID MM BO MD GR NZ SB ET FJ YE CY BA ER DE PK CF HR EG TH CR TZ LA LY TN PL GB GQ CN IS OM MN TD US MX KG SR IN
		GW VE IT DZ QA FR ZA NO PT HU KR UZ BI EE BD BT AF CH BZ TL HT TG AL CM NI NG HN BF MZ GE VU PY LU LB UG ML SA
		PS ME CO PH SE FI KE RO PA JO RW LS MK ZM SY ES EC GA IE DO GH MG MY AT TJ DK UY KH SN SV SL BN EH NE IR GY AO
		BW BR AU CI CZ GM BJ VN SD NL DJ SI NP ZW JM MW AZ SO IL FK KP GT BS LK SG BH`
	provinces := `BEJ TAJ HEB SHX NMG LIA JIL HLJ SHH JSU ZHJ ANH FUJ JXI SHD HEN HUB HUN GUD GXI HAI CHQ SCH GUI YUN
		TIB SHA GAN QIH NXA XIN TAI HKG MAC`
	codes := strings.Fields(provinces + " " + countries)
	if len(codes) != 204 {
		t.Fatalf("%d codes, want 204", len(codes))
	}
	for _, code := range codes {
		c.prefetch("live.example.com", code).ok(t)
	}
	for _, code := range []string{"BG", "HK", "MO", "TW", "MT", "SS", "bej", "XX", "B", "BEJ ", " BEJ", "PG SK", "EJ"} {
		c.prefetch("live.example.com", code).is(t, "InvalidParam", 400)
	}
}

func TestPrefetchRefusals(t *testing.T) {
	no := false
	e, c := start(func(w *emulator.World) {
		unlimited(w)
		w.Domains = []emulator.Domain{
			{Name: "cold.example.org", Type: "vhost", RTCSwitch: &no},
			{Name: "sub.example.org", Type: "play", Main: "cold.example.org"},
			{Name: "in.example.org", Type: "publish", Main: "cold.example.org"},
		}
		w.Settings.RegionsWithoutNode = []string{"KP"}
	})
	for _, without := range []string{"DomainName", "AppName", "StreamName", "RegionCode", "AudioMsid", "VideoMsid"} {
		c.prefetch("live.example.com", "BEJ", without, "").is(t, "InvalidParam", 400)
	}
	for _, timeout := range []string{"-1", "1.5", "1s", "99999999999999999999", "9999999999999"} {
		c.prefetch("live.example.com", "BEJ", "ConnectionTimeout", timeout).is(t, "InvalidParam", 400)
		c.prefetch("live.example.com", "BEJ", "MediaTimeout", timeout).is(t, "InvalidParam", 400)
	}
	c.prefetch("live.example.com", "KP").is(t, "CodeRegionHasNoNode", 400)
	c.prefetch("cold.example.org", "BEJ").is(t, "NoSpecialConfiguration", 400)
	c.prefetch("sub.example.org", "BEJ").is(t, "NoSpecialConfiguration", 400)
	c.prefetch("in.example.org", "BEJ").is(t, "InvalidDomain.NotFound", 404)
	c.prefetch("x.example.net", "BEJ").is(t, "InvalidDomain.NotFound", 404)
	if got := e.World().Prefetches; len(got) != 0 {
		t.Errorf("refused calls prefetched %+v", got)
	}
}
