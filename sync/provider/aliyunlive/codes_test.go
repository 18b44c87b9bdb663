package aliyunlive

import (
	"net/http"
	"testing"
	"time"

	"weir/sync/call"
)

func TestClassify(t *testing.T) {
	tests := []struct {
		cloud  string
		status int
		want   call.Code
	}{
		{"Throttling", 400, call.Throttled},
		{"Throttling.User", 400, call.Throttled},
		{"Throttling.Api", 503, call.Throttled},
		{"ServiceUnavailable", 503, call.Unavailable},
		{"InternalError", 500, call.Unavailable},
		{"InvalidTimeStamp.Expired", 400, call.Clock},
		{"InvalidTimestamp.Expired", 400, call.Clock}, // another spelling
		{"InvalidTimeStamp.Format", 400, call.Invalid},
		{"SignatureDoesNotMatch", 403, call.Unauthentic},
		{"SignatureDoesNotMatch", 400, call.Unauthentic},
		{"InvalidAccessKeyId.NotFound", 404, call.Unauthentic},
		{"InvalidAccessKeyId.Inactive", 400, call.Unauthentic},
		{"InvalidSecurityToken.Expired", 400, call.Unauthentic},
		{"InvalidSecurityToken.Malformed", 400, call.Unauthentic},
		{"Forbidden", 401, call.Denied},
		{"Forbidden.RAM", 403, call.Denied},
		{"NoPermission", 403, call.Denied},
		{"IllegalOperation", 403, call.Denied},
		{"StreamNotFound", 409, call.NotLive},
		{"InvalidStream.NotFound", 404, call.NotLive},
		{"LiveServiceNotFound", 400, call.Billing},
		{"InvalidDomain.NotFound", 404, call.NotFound},
		{"MissingParameter", 400, call.Invalid},
		{"MissingDomainName", 400, call.Invalid},
		{"MissingParam", 400, call.Invalid},
		{"MalformedParam", 400, call.Invalid},
		{"InvalidParameter", 400, call.Invalid},
		{"InvalidParam", 400, call.Invalid},
		{"InvalidConfig.NotFound", 404, call.Invalid},
		{"InvalidResumeTime.Malformed", 400, call.Invalid},
		{"CodeConfigNotFound", 400, call.Invalid},
		{"NoSpecialConfiguration", 400, call.Invalid},
		{"CodeRegionHasNoNode", 400, call.Invalid},
		{"CodeGetPushbackDomainError", 400, call.Invalid},
		{"QuotaExceeded.Blacklist", 400, call.Invalid},
		{"InvalidApi.NotFound", 404, call.Unsupported},
		{"InvalidProduct.NotFound", 404, call.Unsupported},
		{"InvalidProtocol.NeedSsl", 404, call.Unsupported},
		{"UnsupportedHTTPMethod", 400, call.Unsupported},
		{"NewAndUnknown", 400, call.Invalid},
		{"NewAndUnknown", 401, call.Unauthentic},
		{"NewAndUnknown", 403, call.Denied},
		{"NewAndUnknown", 429, call.Throttled},
		{"NewAndUnknown", 500, call.Unknown},
		{"NewAndUnknown", 503, call.Unavailable},
		{"NewAndUnknown", 200, call.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.cloud+" "+http.StatusText(tt.status), func(t *testing.T) {
			if got := classify(tt.cloud, tt.status); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestFailure_A07_ThrottlingIs400(t *testing.T) {
	for _, code := range []string{"Throttling", "Throttling.User", "Throttling.Api", "Throttling.Something"} {
		if got := classify(code, http.StatusBadRequest); got != call.Throttled {
			t.Errorf("%s: got %s, want %s", code, got, call.Throttled)
		}
	}
}

func TestFailure_A16_TaskAlreadyStarted(t *testing.T) {
	for _, code := range []string{"TaskAlreadyStarted", "taskalreadystarted"} {
		if got := classify(code, http.StatusConflict); got != call.AlreadyDone {
			t.Errorf("%s: got %s, want %s", code, got, call.AlreadyDone)
		}
	}
}

func TestFailure_A25_NonceUsedMeansArrived(t *testing.T) {
	if got := classify("SignatureNonceUsed", http.StatusBadRequest); got != call.Unknown {
		t.Errorf("got %s, want %s: the first copy may have had its effect", got, call.Unknown)
	}
}

// TestCodeFamiliesHideNone holds that no prefix stands behind a shorter one
// that swallows it.
func TestCodeFamiliesHideNone(t *testing.T) {
	for _, f := range codeFamilies() {
		if got := classify(f.prefix+".x", 0); got != f.code {
			t.Errorf("%s.x: got %s, want %s", f.prefix, got, f.code)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	tests := []struct {
		name   string
		header http.Header
		want   time.Duration
	}{
		{"none", http.Header{}, 0},
		{"api", http.Header{"X-Ratelimit-User-Api": {"Limit:1,Remain:0,TimeLeft:2000,Reset:1234"}}, 2 * time.Second},
		{"the longer one", http.Header{
			"X-Ratelimit-User-Api": {"TimeLeft:100"}, "X-Ratelimit-User": {"Limit:1, TimeLeft:300"},
		}, 300 * time.Millisecond},
		{"bounded", http.Header{"X-Ratelimit-User": {"TimeLeft:999999999999"}}, time.Minute},
		{"negative", http.Header{"X-Ratelimit-User": {"TimeLeft:-5"}}, 0},
		{"garbage", http.Header{"X-Ratelimit-User": {"TimeLeft:soon,,:"}}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := retryAfter(tt.header); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
