package emulator

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"weir/sync/emulator/signature"
)

const aliyunVersion = "2016-11-01"

// aliyunOperations returns ApsaraVideo's operations with the limits documented
// on their pages (api/aliyun-live.md 1 and 2). For
// DescribeLiveDomainMultiStreamConfig no page has a limit: it is given the one
// of its setter.
func aliyunOperations() map[string]operation {
	perSecond := func(n int) window { return window{n, time.Second} }
	perMinute := func(n int) window { return window{n, time.Minute} }
	const both, get = "GET POST", "GET"
	return map[string]operation{
		"SetLiveDomainMultiStreamConfig":      {Aliyun, get, false, perSecond(10), setMultiStream},
		"DescribeLiveDomainMultiStreamConfig": {Aliyun, get, true, perSecond(10), describeMultiStream},
		"DescribeLiveDomainMapping":           {Aliyun, get, true, perMinute(500), describeMapping},
		"DescribeLiveUserDomains":             {Aliyun, both, true, perSecond(100), describeUserDomains},
		"ForbidLiveStream":                    {Aliyun, both, false, perSecond(20), forbidStream},
		"ResumeLiveStream":                    {Aliyun, both, false, perSecond(30), resumeStream},
		"DescribeLiveStreamsBlockList":        {Aliyun, both, true, perSecond(50), describeBlockList},
		"DescribeLiveStreamsOnlineList":       {Aliyun, both, true, perMinute(10_000), describeOnlineList},
		"DescribeLiveStreamState":             {Aliyun, both, true, perSecond(100), describeStreamState},
		"RealTimeRecordCommand":               {Aliyun, both, false, perSecond(50), recordCommand},
		"HotLiveRtcStream":                    {Aliyun, both, false, perSecond(10), prefetchStream},
	}
}

// aliyunHeaders is ApsaraVideo called with the signature method V3, in which
// action and version are headers.
func aliyunHeaders() *cloud {
	c := aliyunCloud()
	c.read = func(m *message, ops map[string]operation) (*apiCall, *failure) {
		call := &apiCall{cloud: Aliyun, operation: m.Header.Get("X-Acs-Action"), host: m.Host, params: params(m)}
		accept := m.Header.Get("Accept") + m.query.Get("Format")
		call.asXML = strings.Contains(strings.ToLower(accept), "xml") && !strings.Contains(accept, "json")
		signed, err := signature.ACS3(m.Request, m.query, m.body)
		return call, c.accept(call, m, ops, m.Header.Get("X-Acs-Version"), signed, err)
	}
	return c
}

// aliyunParams is ApsaraVideo called in the RPC way, all of it in parameters.
func aliyunParams() *cloud {
	c := aliyunCloud()
	c.read = func(m *message, ops map[string]operation) (*apiCall, *failure) {
		p := params(m)
		call := &apiCall{cloud: Aliyun, operation: p.Get("Action"), host: m.Host, params: p}
		call.asXML = !strings.EqualFold(p.Get("Format"), "JSON")
		if !p.Has("Format") {
			call.asXML = !strings.Contains(m.Header.Get("Accept"), "json")
		}
		signed, err := signature.RPC(m.Method, p)
		return call, c.accept(call, m, ops, p.Get("Version"), signed, err)
	}
	return c
}

func aliyunCloud() *cloud {
	return &cloud{
		name: Aliyun, code: aliyunCode, refusal: aliyunRefusal, write: writeAliyun,
		unknownKey: "InvalidAccessKeyId.NotFound", wrongToken: "InvalidSecurityToken.MismatchWithAccessKey",
		wrongSignature: "SignatureDoesNotMatch", expired: "InvalidTimeStamp.Expired",
		throttling: "Throttling.User", hint: aliyunHint,
	}
}

// params merges the parameters of query and form.
func params(m *message) url.Values {
	body := form(m)
	if len(body) == 0 {
		return m.query
	}
	for name, values := range m.query {
		body[name] = append(body[name], values...)
	}
	return body
}

// accept checks, in the gateway's order, what needs no key.
func (c *cloud) accept(
	call *apiCall, m *message, ops map[string]operation, version string, signed *signature.Signed, err error,
) *failure {
	if err != nil {
		return problemOf(c, err)
	}
	call.signed, call.keyID = signed, signed.KeyID
	op, known := ops[call.operation]
	switch {
	case !known || op.cloud != Aliyun || strings.Trim(m.URL.Path, "/") != "":
		return c.fail("InvalidApi.NotFound", "no such operation")
	case version != aliyunVersion:
		return c.fail("InvalidVersion", "the version is "+aliyunVersion)
	case !op.allows(m.Method):
		return c.fail("UnsupportedHTTPMethod", "this operation is called with "+op.methods)
	}
	call.op = op
	return nil
}

// aliyunRefusal names the code for a signature that cannot be read.
func aliyunRefusal(p *signature.Problem) string {
	part := strings.TrimPrefix(p.Part, "X-Acs-")
	switch p.Fault {
	case signature.Missing:
		return "Missing" + strings.ReplaceAll(part, "-", "")
	case signature.BadTime:
		return "InvalidTimeStamp.Format"
	case signature.Malformed:
		return "Invalid" + part
	}
	return "SignatureDoesNotMatch"
}

// aliyunHint is the throttling hint; milliseconds, as the vendor's SDK reads
// it.
func aliyunHint(limit int, wait time.Duration) map[string]string {
	ms := (wait + time.Millisecond - 1).Milliseconds()
	return map[string]string{
		"X-Ratelimit-User-Api": fmt.Sprintf("Limit:%d,Remain:0,TimeLeft:%d,Reset:%d", limit, ms, ms),
	}
}

// aliyunError is the body of a failure.
type aliyunError struct {
	XMLName   xml.Name `json:"-" xml:"Error"`
	RequestID string   `json:"RequestId" xml:"RequestId"`
	HostID    string   `json:"HostId" xml:"HostId"`
	Code      string   `json:"Code" xml:"Code"`
	Message   string   `json:"Message" xml:"Message"`
	Recommend string   `json:"Recommend" xml:"Recommend"`
}

// reply is what every success of ApsaraVideo has.
type reply struct {
	RequestID string `json:"RequestId" xml:"RequestId"`
}

func (r *reply) identify(id string) { r.RequestID = id }

// writeAliyun writes JSON or XML, as the caller asked.
func writeAliyun(call *apiCall, d *decision) {
	body := d.result
	d.status = http.StatusOK
	if d.fail != nil {
		d.status = d.fail.status
		maps.Copy(d.header, d.fail.header)
		body = &aliyunError{
			RequestID: call.id, HostID: call.host, Code: d.fail.code, Message: d.fail.message,
			Recommend: "https://api.aliyun.com/troubleshoot?q=" + url.QueryEscape(d.fail.code) + "&product=live",
		}
	}
	if r, ok := body.(interface{ identify(string) }); ok {
		r.identify(call.id)
	}
	if call.asXML {
		d.header["Content-Type"] = "text/xml;charset=utf-8"
		d.body = xmlBody(call.operation+"Response", body)
		return
	}
	d.header["Content-Type"] = "application/json;charset=utf-8"
	d.body, _ = json.Marshal(body)
}

// xmlBody writes a body as XML; its own XMLName goes before name.
func xmlBody(name string, body any) []byte {
	var b bytes.Buffer
	b.WriteString("<?xml version='1.0' encoding='UTF-8'?>")
	enc := xml.NewEncoder(&b)
	if _, failed := body.(*aliyunError); failed {
		_ = enc.Encode(body)
	} else {
		_ = enc.EncodeElement(body, xml.StartElement{Name: xml.Name{Local: name}})
	}
	return b.Bytes()
}

// missing refuses a call of an operation whose page has no code of its own for
// a missing parameter: the gateway's, which carries the name.
func missing(c *apiCall, names ...string) *failure {
	for _, name := range names {
		if c.param(name) == "" {
			return aliyunFailure("Missing"+name, name+" is mandatory for this action")
		}
	}
	return nil
}

// lacks refuses a call with an operation's own code for a missing parameter.
func lacks(code string, c *apiCall, names ...string) *failure {
	for _, name := range names {
		if c.param(name) == "" {
			return aliyunFailure(code, name+" is missing")
		}
	}
	return nil
}
