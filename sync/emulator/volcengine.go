package emulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"weir/sync/emulator/signature"
)

const volcengineVersion = "2023-01-01"

// volcengineOperations returns Volcengine's operations, each with the limit of
// its page. Whether they share one is not said; here they do not. BytePlus
// gives ListDomainDetail 1 a second; a world's quotas may say so.
func volcengineOperations() map[string]operation {
	limit := window{10, time.Second}
	return map[string]operation{
		"UpdateRelaySourceV3":   {Volcengine, "POST", false, limit, updateRelay},
		"DescribeRelaySourceV3": {Volcengine, "POST", true, limit, describeRelay},
		"DeleteRelaySourceV3":   {Volcengine, "POST", false, limit, deleteRelay},
		"ListDomainDetail":      {Volcengine, "POST", true, limit, listDomainDetail},

		"DescribeLiveStreamInfoByPage": {Volcengine, "GET", true, limit, describeLiveStreams},
	}
}

func volcengineCloud() *cloud {
	c := &cloud{
		name: Volcengine, code: volcengineCode, refusal: volcengineRefusal, write: writeVolcengine,
		unknownKey: "InvalidAccessKey", wrongToken: "InvalidSecretToken",
		wrongSignature: "SignatureDoesNotMatch", expired: "InvalidTimestamp",
		throttling: "FlowLimitExceeded", hint: func(int, time.Duration) map[string]string { return nil },
	}
	c.read = func(m *message, ops map[string]operation) (*apiCall, *failure) {
		call := &apiCall{cloud: Volcengine, operation: m.query.Get("Action"), body: m.body, region: "cn-north-1"}
		if m.Method == http.MethodGet {
			call.params = m.query
		}
		return call, c.acceptVolcengine(call, m, ops)
	}
	return c
}

// acceptVolcengine checks, in the gateway's order, what needs no key.
func (c *cloud) acceptVolcengine(call *apiCall, m *message, ops map[string]operation) *failure {
	signed, err := signature.Volcengine(m.Request, m.query, m.body)
	if err != nil {
		return problemOf(c, err)
	}
	call.signed, call.keyID, call.region = signed, signed.KeyID, signed.Scope[1]
	op, known := ops[call.operation]
	if signed.Scope[2] != "live" {
		return c.fail("ServiceNotFound", "the service is live")
	}
	if !known || op.cloud != Volcengine || m.query.Get("Version") != volcengineVersion ||
		!op.allows(m.Method) || strings.Trim(m.URL.Path, "/") != "" {
		return c.fail("InvalidActionOrVersion", "no such action in this version for this method")
	}
	call.op = op
	return nil
}

// volcengineRefusal names the code for a signature that cannot be read.
func volcengineRefusal(p *signature.Problem) string {
	switch {
	case p.Fault == signature.Missing && p.Part == "Authorization":
		return "MissingAuthenticationToken"
	case p.Fault == signature.Missing:
		return "MissingRequestInfo"
	case p.Fault == signature.BadTime:
		return "InvalidTimestamp"
	case p.Fault == signature.Malformed && p.Part == "Credential":
		return "InvalidCredential"
	case p.Fault == signature.Malformed:
		return "InvalidAuthorization"
	}
	return "SignatureDoesNotMatch"
}

// metadata is in every answer of Volcengine.
type metadata struct {
	RequestID string `json:"RequestId"`
	Action    string
	Version   string
	Service   string
	Region    string
	Error     *volcengineError `json:",omitempty"`
}

type volcengineError struct {
	CodeN   int `json:",omitempty"`
	Code    string
	Message string
}

// writeVolcengine writes the envelope.
func writeVolcengine(call *apiCall, d *decision) {
	meta := metadata{
		RequestID: call.id, Action: printedAction(call.operation), Version: volcengineVersion,
		Service: "live", Region: call.region,
	}
	d.status = http.StatusOK
	if d.fail != nil {
		d.status = d.fail.status
		meta.Error = &volcengineError{d.fail.number, d.fail.code, d.fail.message}
	}
	d.header["Content-Type"] = "application/json; charset=utf-8"
	d.header["X-Tt-Logid"] = call.id
	d.body = envelope(meta, d)
}

// envelope writes the metadata and, of a success, the result if it has one.
func envelope(meta metadata, d *decision) []byte {
	head, _ := json.Marshal(meta)
	body := slices.Concat([]byte(`{"ResponseMetadata":`), head)
	if result, ok := d.result.(json.RawMessage); ok && d.fail == nil {
		body = append(append(body, `,"Result":`...), result...)
	}
	return append(body, '}')
}

// printedAction is the action as the pages' samples show it: with a suffix, or
// under another name. Clients must not compare it.
func printedAction(operation string) string {
	switch operation {
	case "UpdateRelaySourceV3":
		return "UpdateRelaySourceV3_1h0pbmhmb"
	case "DeleteRelaySourceV3":
		return "DeleteRelaySourceV3_1h0pchjqf"
	case "DescribeRelaySourceV3":
		return "DescribeRelaySource"
	}
	return operation
}
