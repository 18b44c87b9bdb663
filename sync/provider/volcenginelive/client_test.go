package volcenginelive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"weir/sync/call"
	"weir/sync/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const canary = "SKcanary/Zx81=="

func testKey() (secret.Key, error) {
	return secret.Key{ID: "AKLTexample", Secret: secret.New(canary)}, nil
}

// recorded is an answer of the cloud, as its pages show them.
type recorded struct {
	status      int
	contentType string
	body        string
}

// meta is the envelope of an answer with a request id and an error of the code
// given, "" for none.
func meta(code string) string {
	fault := ""
	if code != "" {
		fault = `,"Error":{"Code":"` + code + `","Message":"because of ` + canary + `"}`
	}
	return `{"ResponseMetadata":{"Service":"live","Region":"cn-north-1","Version":"2023-01-01",` +
		`"Action":"UpdateRelaySourceV3_1h0pbmhmb","RequestId":"20231103113406A0"` + fault + `}}`
}

// caller returns a client of a server that gives the answer to everything.
func caller(t *testing.T, a recorded) *Client {
	t.Helper()
	return callerOf(t, func(w http.ResponseWriter, _ *http.Request) {
		if a.contentType != "" {
			w.Header().Set("Content-Type", a.contentType)
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	})
}

func callerOf(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := NewClient(ClientOptions{Account: "volc-main", Endpoint: s.URL, Keys: testKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func someRequest() *call.Request {
	return &call.Request{
		Account: "volc-main", Operation: opDescribe, Params: map[string]any{"Vhost": "push.example.com", "App": "live"},
	}
}

func TestCallSendsWhatThePageSays(t *testing.T) {
	c := callerOf(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got := r.Method + " " + r.URL.RequestURI() + " " + r.Header.Get("Content-Type") + " " + string(body)
		const want = "POST /?Action=DescribeRelaySourceV3&Version=2023-01-01 application/json " +
			`{"App":"live","Vhost":"push.example.com"}`
		if got != want {
			t.Errorf("request\n got %s\nwant %s", got, want)
		}
		_, _ = io.WriteString(w, meta(""))
	})
	resp, err := c.Call(context.Background(), someRequest())
	if err != nil {
		t.Fatal(err)
	}
	if resp.RequestID != "20231103113406A0" || resp.Status != 200 || string(resp.Body) != meta("") || resp.RTT <= 0 {
		t.Errorf("response %+v", resp)
	}
}

// fault is an answer with the error object given.
func fault(object string) string {
	return `{"ResponseMetadata":{"RequestId":"a","Error":` + object + `}}`
}

func TestCallClassesAnswers(t *testing.T) {
	js := "application/json; charset=utf-8"
	cases := []struct {
		name string
		a    recorded
		want call.Code
	}{
		{"success", recorded{200, js, meta("")}, call.OK},
		{"request id in capitals", recorded{200, js, `{"ResponseMetadata":{"RequestID":"a"}}`}, call.OK},
		{"null error", recorded{200, js, fault("null")}, call.OK},
		{"A09 200 with CommonErr", recorded{200, js, meta("CommonErr")}, call.Unavailable},
		{"A09 200 with an error of another code", recorded{200, js, meta("Novel")}, call.Unknown},
		{"A09 200 with an empty error", recorded{200, js, fault("{}")}, call.Unknown},
		{"A09 200 without request id", recorded{200, js, `{"ResponseMetadata":{}}`}, call.Unknown},
		{"A09 200 without metadata", recorded{200, js, `{}`}, call.Unknown},
		{"A09 201", recorded{201, js, meta("")}, call.Unknown},
		{"A07 throttled as 429", recorded{429, js, meta("FlowLimitExceeded")}, call.Throttled},
		{"A07 throttled as 200", recorded{200, js, meta("AccountFlowLimitExceeded")}, call.Throttled},
		{"A08 exists as 429", recorded{429, js, meta("RequestLimitExceeded.Exist")}, call.Exists},
		{"A10 not found", recorded{404, js, meta("ResourceNotFound")}, call.NotFound},
		{"A05 500", recorded{500, js, meta("InternalError")}, call.Unavailable},
		{"A05 504", recorded{504, js, meta("InternalServiceTimeout")}, call.Unknown},
		{"A22 key disabled", recorded{401, js, meta("InvalidAccessKey")}, call.Unauthentic},
		{"A22 STS expired", recorded{401, js, meta("InvalidSecretToken")}, call.Unauthentic},
		{"A23 vhost of others", recorded{403, js, meta("RequestForbidden")}, call.Denied},
		{"A23 in arrears", recorded{403, js, meta("RequestForbidden.BillingStatus")}, call.Billing},
		{"A35 mangled", recorded{401, js, meta("SignatureDoesNotMatch")}, call.Unauthentic},
		{"A11 empty", recorded{200, js, ""}, call.Unknown},
		{"A11 cut JSON", recorded{200, js, `{"ResponseMetadata":{"Req`}, call.Unknown},
		{"A11 html", recorded{200, "text/html", "<html>login</html>"}, call.Unknown},
		{"A11 html type with JSON", recorded{200, "text/html", meta("")}, call.Unknown},
		{"A11 wrong type of field", recorded{200, js, `{"ResponseMetadata":[]}`}, call.Unknown},
		{"A11 deep", recorded{200, js, strings.Repeat(`{"a":`, 80) + "1" + strings.Repeat("}", 80)}, call.Unknown},
		{"A11 too long", recorded{200, js, `"` + strings.Repeat("x", 4<<20) + `"`}, call.Unknown},
		{"A11 gateway page 502", recorded{502, "text/html", "<html>"}, call.Unknown},
		{"A11 gateway page 503", recorded{503, "text/html", "<html>"}, call.Unavailable},
		{"A11 gateway page 403", recorded{403, "text/html", "<html>"}, call.Unavailable},
		{"number only", recorded{400, js, fault(`{"CodeN":100018}`)}, call.Throttled},
		{"number as text", recorded{400, js, fault(`{"CodeN":"100018"}`)}, call.Throttled},
	}
	for _, tc := range cases {
		t.Run("Failure_"+strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			_, err := caller(t, tc.a).Call(context.Background(), someRequest())
			if got := call.CodeOf(err); got != tc.want {
				t.Errorf("code %s, want %s: %v", got, tc.want, err)
			}
			if err != nil && (strings.Contains(err.Error(), canary) || len(err.Error()) > 800) {
				t.Errorf("error text %q", err)
			}
		})
	}
}

func TestErrorHoldsWhatThePageShows(t *testing.T) {
	c := caller(t, recorded{429, "application/json", meta("FlowLimitExceeded")})
	_, err := c.Call(context.Background(), someRequest())
	var e *call.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	want := call.Error{
		Code: call.Throttled, Operation: opDescribe, CloudCode: "FlowLimitExceeded", Message: "because of [redacted]",
		Status: 429, RequestID: "20231103113406A0", RTT: e.RTT,
	}
	if *e != want || e.RTT <= 0 {
		t.Errorf("error %+v, want %+v", *e, want)
	}
}

func TestFailure_D10_DeleteWithoutAppIsNotSent(t *testing.T) {
	c := callerOf(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %s", r.URL) })
	for _, params := range []map[string]any{
		nil,
		{},
		{"Vhost": "push.example.com"},
		{"Vhost": "push.example.com", "App": ""},
		{"Vhost": "push.example.com", "App": "*"},
		{"Vhost": "push.example.com", "App": nil},
		{"Vhost": "push.example.com", "Group": "main"},
		{"Vhost": "push.example.com", "App": []string{"live"}},
		{"Vhost": "push.example.com", "app": "live"},
		{"Vhost": "push.example.com", "App": "live", "Group": ""},
		{"Vhost": "push.example.com", "App": "live", "Group": nil},
	} {
		req := &call.Request{Account: "volc-main", Operation: opDelete, Params: params, Write: true}
		if _, err := c.Call(context.Background(), req); call.CodeOf(err) != call.Invalid {
			t.Errorf("%v: %v, want invalid", params, err)
		}
	}
}

func TestCallRefusesOtherAccountsAndOddParameters(t *testing.T) {
	c := callerOf(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %s", r.URL) })
	other, odd := someRequest(), someRequest()
	other.Account = "volc-spare"
	odd.Params = map[string]any{"Vhost": func() {}}
	for _, req := range []*call.Request{other, odd} {
		if _, err := c.Call(context.Background(), req); call.CodeOf(err) != call.Internal {
			t.Errorf("%v: %v, want internal", req, err)
		}
	}
}

func TestNewClientRefuses(t *testing.T) {
	for name, o := range map[string]ClientOptions{
		"no keys": {Account: "a"}, "endpoint": {Account: "a", Keys: testKey, Endpoint: "ftp://x"},
		"unreadable": {Account: "a", Keys: testKey, Endpoint: "https://u:" + canary + "\x7f@x"},
	} {
		_, err := NewClient(o)
		if err == nil || !strings.HasPrefix(err.Error(), "account a: ") || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	c, err := NewClient(ClientOptions{Keys: testKey})
	if err != nil || c.endpoint.String() != DefaultEndpoint || c.opt.Region != DefaultRegion {
		t.Errorf("defaults %v %v", c, err)
	}
}

// A refusal of our time makes the next attempt sign with the cloud's: A24.
func TestFailure_A24_NextAttemptSignsWithCloudTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ahead = 20 * time.Minute
		var dates []string
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			dates = append(dates, r.Header.Get("X-Date"))
			rec := httptest.NewRecorder()
			rec.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			rec.WriteHeader(400)
			_, _ = io.WriteString(rec, meta("InvalidTimestamp"))
			return rec.Result(), nil
		})
		c, err := NewClient(ClientOptions{Keys: testKey, Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err = c.Call(t.Context(), someRequest())
			if call.CodeOf(err) != call.Clock || !strings.Contains(err.Error(), "the cloud's clock is 20m") {
				t.Errorf("error %v", err)
			}
		}
		if got := fmt.Sprint(dates); got != "[20000101T000000Z 20000101T002000Z]" {
			t.Errorf("signed at %s", got)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
