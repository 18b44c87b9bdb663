package emulator

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// isRegion says whether a code is one of HotLiveRtcStream's: the provinces of
// China, then the countries (api/rtc-regions.json).
func isRegion(code string) bool {
	const provinces = "BEJ TAJ HEB SHX NMG LIA JIL HLJ SHH JSU ZHJ ANH FUJ JXI SHD HEN HUB HUN GUD GXI HAI CHQ SCH " +
		"GUI YUN TIB SHA GAN QIH NXA XIN TAI HKG MAC "
	const countries = "PG SK PE LV AE CA CU MR JP AM TM RU BY GN IQ AR CL SZ CD BE KZ RS TR NA LT PR CG NC MA GL KW LR " +
		"UA ID MM BO MD GR NZ SB ET FJ YE CY BA ER DE PK CF HR EG TH CR TZ LA LY TN PL GB GQ CN IS OM MN " +
		"TD US MX KG SR IN GW VE IT DZ QA FR ZA NO PT HU KR UZ BI EE BD BT AF CH BZ TL HT TG AL CM NI NG " +
		"HN BF MZ GE VU PY LU LB UG ML SA PS ME CO PH SE FI KE RO PA JO RW LS MK ZM SY ES EC GA IE DO GH " +
		"MG MY AT TJ DK UY KH SN SV SL BN EH NE IR GY AO BW BR AU CI CZ GM BJ VN SD NL DJ SI NP ZW JM MW " +
		"AZ SO IL FK KP GT BS LK SG BH "
	known := len(code) == 2 || len(code) == 3
	return known && strings.Contains(" "+provinces+countries, " "+code+" ")
}

// maxTimeout bounds the two timeouts.
const maxTimeout = 10 * 365 * 24 * time.Hour

type prefetchKey struct {
	streamRef
	region string
}

func keyOf(p Prefetch) prefetchKey {
	return prefetchKey{streamRef{p.Domain, streamKey{p.App, p.Stream}}, p.Region}
}

// prefetchStream is HotLiveRtcStream. Whether the stream has to be live is not
// documented; here it has not.
func prefetchStream(h *held, c *apiCall) (any, *failure) {
	main, f := prefetchDomain(h, c)
	if f != nil {
		return nil, f
	}
	region := c.param("RegionCode")
	connection, okConnection := milliseconds(c.param("ConnectionTimeout"))
	media, okMedia := milliseconds(c.param("MediaTimeout"))
	switch {
	case !isRegion(region) || !okConnection || !okMedia:
		return nil, aliyunFailure("InvalidParam", "RegionCode or a timeout is not valid")
	case slices.Contains(h.settings.RegionsWithoutNode, region):
		return nil, aliyunFailure("CodeRegionHasNoNode", "the region has no node")
	}
	p := Prefetch{
		Domain: main, App: c.param("AppName"), Stream: c.param("StreamName"), Region: region,
		AudioMsid: c.param("AudioMsid"), VideoMsid: c.param("VideoMsid"), Since: c.now().wall.UTC(),
		ConnectionTimeout: Duration(connection), MediaTimeout: Duration(media),
	}
	if connection > 0 {
		p.Expires = p.Since.Add(connection)
	}
	p.Count = h.prefetches[keyOf(p)].Count + 1
	h.prefetches[keyOf(p)] = p
	return &reply{}, nil
}

// prefetchDomain finds the domain and looks at its prefetch switch.
func prefetchDomain(h *held, c *apiCall) (string, *failure) {
	f := lacks("InvalidParam", c, "DomainName", "AppName", "StreamName", "RegionCode", "AudioMsid", "VideoMsid")
	if f != nil {
		return "", f
	}
	main, f := h.find(c, "DomainName", typeMain, typePlay)
	if f != nil {
		return "", f
	}
	for _, name := range []string{c.param("DomainName"), main} {
		if on := h.domains[name].RTCSwitch; on != nil && !*on {
			return "", aliyunFailure("NoSpecialConfiguration", "the prefetch switch of the domain is off")
		}
	}
	return main, nil
}

// milliseconds reads a timeout; "" is 0.
func milliseconds(text string) (time.Duration, bool) {
	if text == "" {
		return 0, true
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 0 || text[0] == '+' || text[0] == '-' || ms > maxTimeout.Milliseconds() {
		return 0, false
	}
	return time.Duration(ms) * time.Millisecond, true
}
