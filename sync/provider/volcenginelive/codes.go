package volcenginelive

import (
	"strings"

	"weir/sync/call"
)

// The codes come from the error tables of the three operations' pages and from
// the gateway's table (pages 1126872 and 6369/68677). Codes decide before
// statuses, because the cloud misuses those: a 429 may mean "exists already"
// and a 200 may carry an error.

// classify returns our code for an error of the cloud. The most specific name
// wins, then its family (what stands before the dot), then the gateway's
// number, then the HTTP status.
func classify(status int, name string, number int) call.Code {
	if strings.HasSuffix(name, "FlowLimitExceeded") {
		return call.Throttled
	}
	family, _, _ := strings.Cut(name, ".")
	names := byName()
	for _, key := range []string{name, family} {
		if code, ok := names[key]; ok {
			return code
		}
	}
	if code, ok := byNumber()[number]; ok {
		return code
	}
	return byStatus(status)
}

func byName() map[string]call.Code {
	return map[string]call.Code{
		"AccessDenied":                   call.Denied,
		"AccountFlowLimitExceeded":       call.Throttled,
		"CommonErr":                      call.Unavailable, // "retry, else ask support", with status 200
		"FlowLimitExceeded":              call.Throttled,
		"InternalError":                  call.Unavailable,
		"InternalServiceError":           call.Unavailable,
		"InternalServiceTimeout":         call.Unknown,
		"InvalidAccessKey":               call.Unauthentic,
		"InvalidActionOrVersion":         call.Unsupported,
		"InvalidAuthorization":           call.Unauthentic,
		"InvalidCredential":              call.Unauthentic,
		"InvalidParam":                   call.Invalid,
		"InvalidSecretToken":             call.Unauthentic,
		"InvalidTimestamp":               call.Clock,
		"LackPolicy":                     call.Denied,
		"MissingAuthenticationToken":     call.Unauthentic,
		"MissingParameter":               call.Invalid,
		"MissingRequestInfo":             call.Invalid,
		"MissingSignature":               call.Unauthentic,
		"RequestForbidden":               call.Denied,
		"RequestForbidden.BillingStatus": call.Billing,
		"RequestLimitExceeded.Exist":     call.Exists, // status 429, and no throttling
		"ResourceNotFound":               call.NotFound,
		"ServiceNotFound":                call.Unsupported,
		"ServiceUnavailableTemp":         call.Unavailable,
		"SignatureDoesNotMatch":          call.Unauthentic,
		"UndefinedError":                 call.Unavailable,
	}
}

// byNumber holds the gateway's CodeN, for answers whose Code is new or absent.
func byNumber() map[int]call.Code {
	return map[int]call.Code{
		100001: call.Unavailable, 100002: call.Invalid, 100003: call.Unauthentic, 100004: call.Invalid,
		100005: call.Unauthentic, 100006: call.Clock, 100007: call.Unsupported, 100008: call.Unsupported,
		100009: call.Unauthentic, 100010: call.Unauthentic, 100012: call.Denied, 100013: call.Denied,
		100014: call.Unavailable, 100016: call.Unknown, 100018: call.Throttled, 100019: call.Unavailable,
		100023: call.Unavailable, 100024: call.Unauthentic, 100025: call.Unauthentic, 100026: call.Unauthentic,
		100027: call.Throttled,
	}
}

// byStatus is for codes that no table lists. A 404 among them is not taken for
// "the resource is absent": only ResourceNotFound says that.
func byStatus(status int) call.Code {
	switch {
	case status == 401:
		return call.Unauthentic
	case status == 403:
		return call.Denied
	case status == 429:
		return call.Throttled
	case status == 504:
		return call.Unknown
	case status >= 500:
		return call.Unavailable
	case status >= 400:
		return call.Invalid
	}
	return call.Unknown
}
