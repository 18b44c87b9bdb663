package emulator

import "net/http"

// failure is an answer that is not a success.
type failure struct {
	code    string
	status  int
	number  int // Volcengine's CodeN, 0 for the codes of an operation
	message string
	header  map[string]string
}

// documented is what a cloud's pages say of a code.
type documented struct {
	status, number int
}

// aliyunCodes are ApsaraVideo's statuses, from api/aliyun-live.md 1 and 4.5.
// Where pages disagree (SignatureDoesNotMatch 400 or 403, InvalidAccessKeyId
// .NotFound 400 or 404) the status is that of the page nearest to Live. The
// last group is not on Live's pages but on its sister's or the gateway's.
func aliyunCode(code string) documented {
	switch code {
	case "InternalError":
		return documented{status: http.StatusInternalServerError}
	case "ServiceUnavailable":
		return documented{status: http.StatusServiceUnavailable}
	case "StreamNotFound", "TaskAlreadyStarted":
		return documented{status: http.StatusConflict}
	case "Forbidden", "Forbidden.RAM", "NoPermission", "IllegalOperation":
		return documented{status: http.StatusForbidden}
	case "InvalidAccessKeyId.NotFound", "InvalidApi.NotFound", "InvalidProduct.NotFound", "InvalidDomain.NotFound",
		"InvalidProtocol.NeedSsl":
		return documented{status: http.StatusNotFound}
	}
	return documented{status: http.StatusBadRequest}
}

// volcengineCode returns Volcengine's statuses and numbers, from
// api/volcengine-live.md 1.7 and 2.2.
func volcengineCode(code string) documented {
	switch code {
	case "CommonErr":
		return documented{status: http.StatusOK}
	case "RequestForbidden", "RequestForbidden.AccountIDNotAllow", "RequestForbidden.BillingStatus":
		return documented{status: http.StatusForbidden}
	case "ResourceNotFound":
		return documented{status: http.StatusNotFound}
	case "RequestLimitExceeded.Exist":
		return documented{status: http.StatusTooManyRequests}
	case "InternalError", "InternalError.DB":
		return documented{status: http.StatusInternalServerError}
	case "InternalServiceError", "InternalServiceError.BadResponse":
		return documented{status: http.StatusBadGateway}
	case "InternalServiceTimeout":
		return documented{status: http.StatusGatewayTimeout}
	}
	if d, known := gatewayCode(code); known {
		return d
	}
	return documented{status: http.StatusBadRequest}
}

// gatewayCode returns the codes that Volcengine's gateway answers before an
// operation sees the call; only they have a number.
func gatewayCode(code string) (documented, bool) {
	d, known := map[string]documented{
		"UndefinedError":             {500, 100001},
		"MissingParameter":           {400, 100002},
		"MissingAuthenticationToken": {401, 100003},
		"MissingRequestInfo":         {400, 100004},
		"MissingSignature":           {401, 100005},
		"InvalidTimestamp":           {400, 100006},
		"ServiceNotFound":            {404, 100007},
		"InvalidActionOrVersion":     {404, 100008},
		"InvalidAccessKey":           {401, 100009},
		"SignatureDoesNotMatch":      {401, 100010},
		"LackPolicy":                 {403, 100012},
		"AccessDenied":               {403, 100013},
		"FlowLimitExceeded":          {429, 100018},
		"ServiceUnavailableTemp":     {503, 100019},
		"InvalidAuthorization":       {400, 100024},
		"InvalidCredential":          {400, 100025},
		"InvalidSecretToken":         {401, 100026},
		"AccountFlowLimitExceeded":   {429, 100027},
	}[code]
	return d, known
}

func aliyunFailure(code, message string) *failure {
	return &failure{code: code, status: aliyunCode(code).status, message: message}
}

func volcengineFailure(code, message string) *failure {
	d := volcengineCode(code)
	return &failure{code: code, status: d.status, number: d.number, message: message}
}
