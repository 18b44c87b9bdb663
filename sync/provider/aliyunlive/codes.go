package aliyunlive

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"weir/sync/call"
)

// maxAfter bounds how long an answer may ask us to wait.
const maxAfter = time.Minute

// classify turns the cloud's own code into weir's. It goes by the code alone,
// because one code comes with different HTTP statuses on different pages of
// the documentation and throttling is a 400; the status serves only where the
// code is not known. Letter case is not trusted either.
func classify(cloud string, status int) call.Code {
	name := strings.ToLower(cloud)
	if code, ok := exactCodes()[name]; ok {
		return code
	}
	for _, family := range codeFamilies() {
		if strings.HasPrefix(name, family.prefix) {
			return family.code
		}
	}
	return byStatus(status)
}

// exactCodes holds the codes of Live's operations and of the gateway, in lower
// case, where they differ from their family.
func exactCodes() map[string]call.Code {
	return map[string]call.Code{
		"internalerror":                 call.Unavailable,
		"serviceunavailable":            call.Unavailable,
		"serviceunavailabletemporary":   call.Unavailable,
		"signaturenonceused":            call.Unknown, // the first copy of the request arrived
		"invalidtimestamp.expired":      call.Clock,
		"signaturedoesnotmatch":         call.Unauthentic,
		"incompletesignature":           call.Unauthentic,
		"nopermission":                  call.Denied,
		"illegaloperation":              call.Denied,
		"streamnotfound":                call.NotLive,
		"invalidstream.notfound":        call.NotLive, // the older spelling
		"taskalreadystarted":            call.AlreadyDone,
		"liveservicenotfound":           call.Billing, // Live is not activated
		"invalidaccount.overdue":        call.Billing,
		"invaliddomain.notfound":        call.NotFound,
		"codeconfignotfound":            call.Invalid,
		"nospecialconfiguration":        call.Invalid,
		"coderegionhasnonode":           call.Invalid,
		"codegetpushbackdomainerror":    call.Invalid,
		"quotaexceeded.blacklist":       call.Invalid,
		"invalidapi.notfound":           call.Unsupported,
		"invalidproduct.notfound":       call.Unsupported,
		"invalidversion":                call.Unsupported,
		"invalidaction.notfound":        call.Unsupported,
		"unsupportedhttpmethod":         call.Unsupported,
		"invalidprotocol.needssl":       call.Unsupported,
		"configalreadyexists":           call.Exists,
		"forbidden.accesskeydisabled":   call.Unauthentic,
		"invalidaccesskeyid":            call.Unauthentic,
		"accountarrears":                call.Billing,
		"forbidden.arrears":             call.Billing,
		"forbidden.insufficientbalance": call.Billing,
	}
}

// family is a set of codes that begin alike.
type family struct {
	prefix string
	code   call.Code
}

// codeFamilies lists prefixes, a longer one before the shorter it contains.
func codeFamilies() []family {
	return []family{
		{"throttling", call.Throttled},
		{"invalidaccesskeyid", call.Unauthentic},
		{"invalidsecuritytoken", call.Unauthentic},
		{"invalidcredentials", call.Unauthentic},
		{"arrear", call.Billing},
		{"overdue", call.Billing},
		{"forbidden.overdue", call.Billing},
		{"forbidden", call.Denied},
		{"missing", call.Invalid},
		{"malformed", call.Invalid},
		{"invalid", call.Invalid},
	}
}

// byStatus judges a code that is in no document we know. Nothing says that the
// call had no effect where the server itself failed.
func byStatus(status int) call.Code {
	switch {
	case status == http.StatusTooManyRequests:
		return call.Throttled
	case status == http.StatusUnauthorized:
		return call.Unauthentic
	case status == http.StatusForbidden:
		return call.Denied
	case status == http.StatusServiceUnavailable:
		return call.Unavailable
	case status >= 400 && status < 500:
		return call.Invalid
	}
	return call.Unknown
}

// retryAfter reads how long a throttled call should wait from the headers
// x-ratelimit-user-api and x-ratelimit-user, for example
// "Limit:1,Remain:0,TimeLeft:2000,Reset:1234". The unit of TimeLeft is not
// documented; the example suggests milliseconds.
func retryAfter(h http.Header) time.Duration {
	var after time.Duration
	for _, name := range []string{"x-ratelimit-user-api", "x-ratelimit-user"} {
		for field := range strings.SplitSeq(h.Get(name), ",") {
			key, value, _ := strings.Cut(strings.TrimSpace(field), ":")
			if n, err := strconv.Atoi(value); key == "TimeLeft" && err == nil {
				after = max(after, time.Duration(min(n, int(maxAfter/time.Millisecond)))*time.Millisecond)
			}
		}
	}
	return after
}
