package aliyunlive_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/provider"
	"weir/sync/provider/aliyunlive"
	"weir/sync/provider/providertest"
	"weir/sync/resource"
	"weir/sync/secret"
)

// The suite runs against both domains that a block list may print, since it is
// not documented which it is.
func TestProvider(t *testing.T) {
	for _, listed := range []string{"streaming", "ingest"} {
		t.Run(listed, func(t *testing.T) { providertest.Run(t, suite(listed, 0)) })
	}
}

// A cloud that answers reads with an older state leads to the same end.
func TestFailure_A14_ReadAfterWriteLag(t *testing.T) {
	providertest.RunLifecycle(t, suite("streaming", 4*time.Second))
}

func suite(listed string, lag time.Duration) providertest.Suite {
	key := secret.Key{ID: "STS.suite", Secret: secret.New("SKsuite/Zx81=="), Token: secret.New("STSsuite+Zx82")}
	return providertest.Suite{
		New: func() provider.Provider { return aliyunlive.New() },
		Client: func(rt http.RoundTripper, keys func() (secret.Key, error)) (call.Caller, error) {
			return aliyunlive.NewClient(aliyunlive.ClientOptions{Account: "aliyun-main", Keys: keys, Transport: rt})
		},
		Cloud:    func() http.RoundTripper { return cloud(key, listed, lag) },
		Account:  "aliyun-main",
		Key:      key,
		Samples:  samples(),
		Refusals: refusals(),
		Params:   parameters(),
		Lag:      lag,
	}
}

// cloud holds the domains and streams of the samples. Its streams have been on
// air since before every test.
func cloud(key secret.Key, listed string, lag time.Duration) http.RoundTripper {
	w := emulator.DefaultWorld()
	w.Credentials = append(w.Credentials, emulator.Credential{
		Cloud: emulator.Aliyun, AccessKeyID: key.ID, AccessKeySecret: key.Secret.Reveal(), SecurityToken: key.Token.Reveal(),
	})
	w.Settings.BlockListDomain, w.Settings.Lag = listed, emulator.Duration(lag)
	for _, stream := range []string{"s1", "s2", "s3"} {
		w.Streams = append(w.Streams, emulator.Stream{
			Domain: "live.rec.example.com", App: "live", Stream: stream, Online: true,
			PublishTime: time.Date(1999, 12, 31, 23, 0, 0, 0, time.UTC),
		})
	}
	return emulator.New(w).Transport()
}

// parameters are those documented for the operations used.
func parameters() map[string][]string {
	stream := []string{"DomainName", "AppName", "StreamName"}
	with := func(more ...string) []string { return append(more, stream...) }
	return map[string][]string{
		"SetLiveDomainMultiStreamConfig":      {"Domain", "Switch"},
		"DescribeLiveDomainMultiStreamConfig": {"Domain"},
		"DescribeLiveDomainMapping":           {"DomainName"},
		"DescribeLiveStreamsBlockList":        {"DomainName", "PageNum", "PageSize"},
		"DescribeLiveUserDomains": {
			"PageNumber", "PageSize", "LiveDomainType", "DomainName", "DomainSearchType", "DomainStatus", "RegionName",
		},
		"DescribeLiveStreamsOnlineList": with("PageNum", "PageSize", "StreamType", "QueryType", "OnlyStream"),
		"ForbidLiveStream":              with("LiveStreamType", "Oneshot", "ResumeTime"),
		"ResumeLiveStream":              with("LiveStreamType"),
		"RealTimeRecordCommand":         with("Command"),
		"HotLiveRtcStream": with(
			"RegionCode", "AudioMsid", "VideoMsid", "ConnectionTimeout", "MediaTimeout",
		),
	}
}

func samples() []providertest.Sample {
	return append(append(switches(), ingests()...), append(recordings(), prefetches()...)...)
}

func switches() []providertest.Sample {
	sample := func(name, domain, edited string) providertest.Sample {
		return providertest.Sample{
			Name: name, ID: resource.ID{Account: "aliyun-main", Kind: "MultiStream", Key: domain},
			Spec: resource.Spec(`{"domain":"` + domain + `","enabled":true}`), Edited: resource.Spec(edited),
		}
	}
	return []providertest.Sample{
		sample("switch turned on", "live.one.example.com", ""),
		sample("switch turned on and off", "live.two.example.com", `{"domain":"Live.Two.example.com","enabled":false}`),
	}
}

func ingests() []providertest.Sample {
	sample := func(name, domain, stream, before, after string) providertest.Sample {
		spec := func(rest string) resource.Spec {
			return resource.Spec(fmt.Sprintf(`{"domain":%q,"app":"live","stream":%q,%s}`, domain, stream, rest))
		}
		return providertest.Sample{
			Name: name, ID: resource.ID{Account: "aliyun-main", Kind: "StreamIngest", Key: domain + "/live/" + stream},
			Spec: spec(before), Edited: spec(after), Draw: drawIngest,
		}
	}
	return []providertest.Sample{
		sample("blocked, then allowed", "push.one.example.com", "s1", `"allowed":false`, `"allowed":true`),
		sample("blocked, then with an end", "push.one.example.com", "s2", `"allowed":false`,
			`"allowed":false,"until":"2030-01-31T12:00:00+08:00"`),
		sample("blocked with an end, then another", "push.three.example.com", "s1",
			`"allowed":false,"until":"2030-01-31T12:00:00Z"`, `"allowed":false,"until":"2031-01-31T12:00:00Z"`),
	}
}

func recordings() []providertest.Sample {
	sample := func(name, stream, before, after string) providertest.Sample {
		spec := func(rest string) resource.Spec {
			return resource.Spec(fmt.Sprintf(`{"domain":"live.rec.example.com","app":"live","stream":%q,%s}`, stream, rest))
		}
		return providertest.Sample{
			Name: name, ID: resource.ID{Account: "aliyun-main", Kind: "Recording", Key: "live.rec.example.com/live/" + stream},
			Spec: spec(before), Edited: spec(after),
		}
	}
	return []providertest.Sample{
		sample("recorded, then restarted", "s1", `"state":"recording"`, `"state":"recording","restart":"2"`),
		sample("recorded, then finished", "s2", `"state":"recording"`, `"state":"stopped","finish":"immediate"`),
		sample("stopped, then recorded", "s3", `"state":"stopped"`, `"state":"recording","restart":"1"`),
	}
}

func prefetches() []providertest.Sample {
	spec := func(stream, regions, rest string) resource.Spec {
		return resource.Spec(fmt.Sprintf(`{"domain":"live.rtc.example.com","app":"live","stream":%q,"regions":[%s],`+
			`"audioMsid":"rts audio","videoMsid":"rts video"%s}`, stream, regions, rest))
	}
	sample := func(name, stream string, before, after resource.Spec) providertest.Sample {
		return providertest.Sample{
			Name: name, ID: resource.ID{Account: "aliyun-main", Kind: "RtcPrefetch", Key: "live.rtc.example.com/live/" + stream},
			Spec: before, Edited: after, Draw: drawPrefetch,
		}
	}
	return []providertest.Sample{
		sample("another region", "s1", spec("s1", `"ZHJ","BEJ"`, ""), spec("s1", `"NO","ZHJ"`, "")),
		sample("another lifetime", "s2", spec("s2", `"HKG"`, ""), spec("s2", `"HKG"`,
			`,"connectionTimeout":"90m","mediaTimeout":"100s","renew":true`)),
	}
}

func drawIngest(t *rapid.T) resource.Spec {
	v := map[string]any{
		"domain":  rapid.StringMatching(`[A-Za-z0-9]{1,8}\.example\.com`).Draw(t, "domain"),
		"app":     rapid.StringMatching(`[A-Za-z0-9_-]{1,9}`).Draw(t, "app"),
		"stream":  rapid.StringMatching(`[A-Za-z0-9_-]{1,9}`).Draw(t, "stream"),
		"allowed": false,
	}
	switch rapid.IntRange(0, 2).Draw(t, "sort") {
	case 0:
		v["app"], v["allowed"] = "*", true
	case 1:
		zone := time.FixedZone("", rapid.IntRange(-12, 14).Draw(t, "zone")*3600)
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "until"), rapid.Int64Range(0, 999_999_999).Draw(t, "part"))
		v["until"] = at.In(zone).Format(time.RFC3339Nano)
	}
	return spec(t, v)
}

func drawPrefetch(t *rapid.T) resource.Spec {
	timeout := rapid.Custom(func(t *rapid.T) string {
		return (time.Duration(rapid.Int64Range(0, 1e10).Draw(t, "ms")) * time.Millisecond).String()
	})
	v := map[string]any{
		"domain": "live.example.com", "app": "live", "stream": "s1",
		"regions":   rapid.SliceOfN(rapid.SampledFrom([]string{"ZHJ", "BEJ", "NO", "HKG"}), 1, 5).Draw(t, "regions"),
		"audioMsid": rapid.String().Draw(t, "audio"), "videoMsid": rapid.String().Draw(t, "video"),
		"renew": rapid.Bool().Draw(t, "renew"),
	}
	if rapid.Bool().Draw(t, "limited") {
		v["connectionTimeout"], v["mediaTimeout"] = timeout.Draw(t, "connection"), timeout.Draw(t, "media")
	}
	return spec(t, v)
}

func spec(t *rapid.T, v any) resource.Spec {
	s, err := resource.NewSpec(v)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// refusals are the cloud's codes as answers, some with several statuses as on
// several pages. MalformedParam is not among them, since it depends on the
// command: see TestStopOfNothingIsDone.
func refusals() []providertest.Refusal {
	rows := []struct {
		status int
		code   string
		want   call.Code
	}{
		{400, "InvalidParameter", call.Invalid},
		{200, "InvalidParameter", call.Invalid},
		{400, "InvalidParam", call.Invalid},
		{400, "CodeGetPushbackDomainError", call.Invalid},
		{500, "InternalError", call.Unavailable},
		{400, "NoSpecialConfiguration", call.Invalid},
		{400, "CodeRegionHasNoNode", call.Invalid},
		{400, "MissingParam", call.Invalid},
		{400, "MissingDomainName", call.Invalid},
		{400, "CodeConfigNotFound", call.Invalid},
		{404, "InvalidConfig.NotFound", call.Invalid},
		{409, "StreamNotFound", call.NotLive},
		{404, "InvalidStream.NotFound", call.NotLive},
		{409, "TaskAlreadyStarted", call.AlreadyDone},
		{404, "InvalidDomain.NotFound", call.NotFound},
		{403, "IllegalOperation", call.Denied},
		{400, "InvalidResumeTime.Malformed", call.Invalid},
		{400, "QuotaExceeded.Blacklist", call.Invalid},
		{400, "Throttling", call.Throttled},
		{400, "Throttling.User", call.Throttled},
		{429, "Throttling.Api", call.Throttled},
		{503, "ServiceUnavailable", call.Unavailable},
		{400, "SignatureNonceUsed", call.Unknown},
		{400, "InvalidTimeStamp.Expired", call.Clock},
		{400, "InvalidTimeStamp.Format", call.Invalid},
		{403, "SignatureDoesNotMatch", call.Unauthentic},
		{400, "SignatureDoesNotMatch", call.Unauthentic},
		{404, "InvalidAccessKeyId.NotFound", call.Unauthentic},
		{400, "InvalidAccessKeyId.Inactive", call.Unauthentic},
		{400, "InvalidSecurityToken.Expired", call.Unauthentic},
		{401, "Forbidden", call.Denied},
		{403, "Forbidden.RAM", call.Denied},
		{403, "NoPermission", call.Denied},
		{400, "UnsupportedHTTPMethod", call.Unsupported},
		{404, "InvalidApi.NotFound", call.Unsupported},
		{404, "InvalidProduct.NotFound", call.Unsupported},
		{404, "InvalidProtocol.NeedSsl", call.Unsupported},
		{400, "LiveServiceNotFound", call.Billing},
	}
	var out []providertest.Refusal
	for _, r := range rows {
		out = append(out, providertest.Refusal{
			Name: fmt.Sprintf("%s %d", r.code, r.status), Status: r.status, Want: r.want, CloudCode: r.code,
			Body: fmt.Sprintf(`{"RequestId":"6EBD","HostId":"live.aliyuncs.com","Code":%q,"Message":"because %s"}`,
				r.code, providertest.Leak),
		})
	}
	return out
}
