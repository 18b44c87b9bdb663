package volcenginelive

import (
	"testing"

	"weir/sync/call"
)

func TestClassify(t *testing.T) {
	cases := []struct {
		status int
		name   string
		number int
		want   call.Code
	}{
		// The operations' own table.
		{200, "CommonErr", 0, call.Unavailable},
		{400, "InvalidParam", 0, call.Invalid},
		{400, "InvalidParam.BindError", 0, call.Invalid},
		{400, "InvalidParam.OutOfRange", 0, call.Invalid},
		{403, "RequestForbidden", 0, call.Denied},
		{403, "RequestForbidden.AccountIDNotAllow", 0, call.Denied},
		{403, "RequestForbidden.BillingStatus", 0, call.Billing},
		{404, "ResourceNotFound", 0, call.NotFound},
		{429, "RequestLimitExceeded.Exist", 0, call.Exists},
		{500, "InternalError", 0, call.Unavailable},
		{500, "InternalError.DB", 0, call.Unavailable},
		{502, "InternalServiceError", 0, call.Unavailable},
		{502, "InternalServiceError.BadResponse", 0, call.Unavailable},
		{504, "InternalServiceTimeout", 0, call.Unknown},
		// The gateway's.
		{500, "UndefinedError", 100001, call.Unavailable},
		{400, "MissingParameter", 100002, call.Invalid},
		{401, "MissingAuthenticationToken", 100003, call.Unauthentic},
		{400, "MissingRequestInfo", 100004, call.Invalid},
		{401, "MissingSignature", 100005, call.Unauthentic},
		{400, "InvalidTimestamp", 100006, call.Clock},
		{403, "InvalidTimestamp", 100006, call.Clock},
		{404, "ServiceNotFound", 100007, call.Unsupported},
		{404, "InvalidActionOrVersion", 100008, call.Unsupported},
		{401, "InvalidAccessKey", 100009, call.Unauthentic},
		{401, "SignatureDoesNotMatch", 100010, call.Unauthentic},
		{403, "LackPolicy", 100012, call.Denied},
		{403, "AccessDenied", 100013, call.Denied},
		{429, "FlowLimitExceeded", 100018, call.Throttled},
		{0, "ServiceUnavailableTemp", 100019, call.Unavailable},
		{400, "InvalidAuthorization", 100024, call.Unauthentic},
		{400, "InvalidCredential", 100025, call.Unauthentic},
		{401, "InvalidSecretToken", 100026, call.Unauthentic},
		// The same throttling under every status that was reported.
		{200, "AccountFlowLimitExceeded", 100027, call.Throttled},
		{400, "AccountFlowLimitExceeded", 0, call.Throttled},
		{429, "AccountFlowLimitExceeded", 0, call.Throttled},
		{400, "UserFlowLimitExceeded", 0, call.Throttled},
		// A name that no table lists: the number, then the status.
		{400, "Renamed", 100018, call.Throttled},
		{200, "", 100027, call.Throttled},
		{200, "Novel", 0, call.Unknown},
		{400, "Novel", 0, call.Invalid},
		{401, "Novel", 0, call.Unauthentic},
		{403, "Novel", 0, call.Denied},
		{404, "Novel", 0, call.Invalid},
		{429, "Novel", 0, call.Throttled},
		{500, "Novel", 0, call.Unavailable},
		{504, "Novel", 0, call.Unknown},
	}
	for _, tc := range cases {
		if got := classify(tc.status, tc.name, tc.number); got != tc.want {
			t.Errorf("%d %q %d: %s, want %s", tc.status, tc.name, tc.number, got, tc.want)
		}
	}
}

// Every name and number of the tables stands for the same code with any
// status, since statuses differ from page to page.
func TestClassifyIgnoresStatusOfKnownNames(t *testing.T) {
	for _, status := range []int{0, 200, 400, 401, 403, 404, 429, 500, 502, 504} {
		for name, want := range byName() {
			if got := classify(status, name, 0); got != want {
				t.Errorf("%d %s: %s, want %s", status, name, got, want)
			}
		}
		for number, want := range byNumber() {
			if got := classify(status, "", number); got != want {
				t.Errorf("%d CodeN %d: %s, want %s", status, number, got, want)
			}
		}
	}
}
