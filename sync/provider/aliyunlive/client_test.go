package aliyunlive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/secret"
)

func TestClientIsUnderstoodByTheCloud(t *testing.T) {
	c := newCloud(t, emulator.DefaultWorld())
	resp := c.must(t, opSetMultiStream, map[string]any{"Domain": "live.example.com", "Switch": "on"})
	if resp.Status != http.StatusOK || resp.RequestID == "" {
		t.Errorf("got %+v", resp)
	}
	got := c.must(t, opReadMultiStream, map[string]any{"Domain": "live.example.com"})
	if !strings.Contains(string(got.Body), `"Switch":"on"`) {
		t.Errorf("the switch is not on: %s", got.Body)
	}
}

func TestClientSignsAwkwardCharacters(t *testing.T) {
	c := newCloud(t, emulator.DefaultWorld())
	c.must(t, opPrefetch, map[string]any{
		"DomainName": "live.example.com", "AppName": "a b*c~d+e/f=&", "StreamName": "直播%2A", "RegionCode": "ZHJ",
		"AudioMsid": "rts audio", "VideoMsid": "rts video", "ConnectionTimeout": "",
	})
	got := c.World().Prefetches
	if len(got) != 1 || got[0].App != "a b*c~d+e/f=&" || got[0].Stream != "直播%2A" {
		t.Errorf("the cloud understood %+v", got)
	}
}

func TestClientSendsTheSessionToken(t *testing.T) {
	w := emulator.DefaultWorld()
	w.Credentials = []emulator.Credential{{
		Cloud: emulator.Aliyun, AccessKeyID: "STS.1", AccessKeySecret: "s", SecurityToken: "tok/en==",
	}}
	e := emulator.New(w)
	key := func(token string) func() (secret.Key, error) {
		return func() (secret.Key, error) {
			return secret.Key{ID: "STS.1", Secret: secret.New("s"), Token: secret.New(token)}, nil
		}
	}
	req := &call.Request{Operation: opReadMultiStream, Params: map[string]any{"Domain": "live.example.com"}}
	if _, err := clientOf(t, e.Transport(), key("tok/en==")).Call(context.Background(), req); err != nil {
		t.Errorf("with the token: %v", err)
	}
	_, err := clientOf(t, e.Transport(), key("other")).Call(context.Background(), req)
	if call.CodeOf(err) != call.Unauthentic {
		t.Errorf("with another token: got %v, want %s", err, call.Unauthentic)
	}
}

func TestFailure_A22_RotatedKeyIsReadAnew(t *testing.T) {
	current := secret.New("old")
	c := clientOf(t, emulator.New(emulator.DefaultWorld()).Transport(), func() (secret.Key, error) {
		return secret.Key{ID: "weir-emulator", Secret: current}, nil
	})
	req := &call.Request{Operation: opReadMultiStream, Params: map[string]any{"Domain": "live.example.com"}}
	if _, err := c.Call(context.Background(), req); call.CodeOf(err) != call.Unauthentic {
		t.Fatalf("with the old secret: got %v, want %s", err, call.Unauthentic)
	}
	current = secret.New("weir-emulator")
	if _, err := c.Call(context.Background(), req); err != nil {
		t.Errorf("with the new secret: %v", err)
	}
}

func TestFailure_A24_ClockIsCorrectedOnce(t *testing.T) {
	w := emulator.DefaultWorld()
	w.Settings.ClockSkew = emulator.Duration(time.Hour)
	c := newCloud(t, w)
	params := map[string]any{"Domain": "live.example.com"}
	_, err := c.call(opReadMultiStream, params)
	if call.CodeOf(err) != call.Clock {
		t.Fatalf("got %v, want %s", err, call.Clock)
	}
	c.must(t, opReadMultiStream, params)
	if n := c.counts()[opReadMultiStream]; n != 2 {
		t.Errorf("%d calls arrived, want 2", n)
	}
}

func TestFailure_A25_EveryAttemptHasItsOwnNonce(t *testing.T) {
	c := newCloud(t, emulator.DefaultWorld())
	for range 5 {
		c.must(t, opReadMultiStream, map[string]any{"Domain": "live.example.com"})
	}
}

func TestFailure_A07_ThrottledSaysHowLong(t *testing.T) {
	c := newCloud(t, emulator.DefaultWorld())
	c.faults(t, emulator.Fault{Operation: opResume, Kind: "throttle"})
	_, err := c.call(opResume, map[string]any{})
	var e *call.Error
	if !errors.As(err, &e) || e.Code != call.Throttled || e.Status != http.StatusBadRequest || e.After != time.Second {
		t.Errorf("got %+v, want %s after a second", e, call.Throttled)
	}
}

func TestClientKeepsTheCloudsWords(t *testing.T) {
	c := newCloud(t, emulator.DefaultWorld())
	_, err := c.call(opReadMultiStream, map[string]any{"Domain": "foreign.test"})
	var e *call.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	if e.Code != call.NotFound || e.CloudCode != "InvalidDomain.NotFound" || e.Status != http.StatusNotFound ||
		e.RequestID == "" || e.Message == "" || e.Operation != opReadMultiStream {
		t.Errorf("got %+v", e)
	}
}

func TestClientConnectionFaults(t *testing.T) {
	tests := []struct {
		name    string
		fault   emulator.Fault
		want    call.Code
		effects int
	}{
		{"A01 before the effect", emulator.Fault{Kind: "reset"}, call.Unknown, 0},
		{"A02 after the effect", emulator.Fault{Kind: "lost-response"}, call.Unknown, 1},
		{"A05 internal error", emulator.Fault{Kind: "error"}, call.Unavailable, 0},
		{"A05 unavailable", emulator.Fault{Kind: "error", Code: "ServiceUnavailable"}, call.Unavailable, 0},
		{"A17 not live", emulator.Fault{Kind: "error", Code: "StreamNotFound"}, call.NotLive, 0},
		{"A23 forbidden", emulator.Fault{Kind: "error", Code: "Forbidden.RAM"}, call.Denied, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCloud(t, emulator.DefaultWorld())
			tt.fault.Operation = opForbid
			c.faults(t, tt.fault)
			_, err := c.call(opForbid, map[string]any{
				"DomainName": "push.example.com", "AppName": "live", "StreamName": "s1", "LiveStreamType": publisher,
			})
			if got := call.CodeOf(err); got != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if got := len(c.World().Blocked); got != tt.effects {
				t.Errorf("%d streams are blocked, want %d", got, tt.effects)
			}
		})
	}
}

// canned is a gateway that answers everything alike.
func canned(t *testing.T, status int, contentType, body string) call.Caller {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	c, err := NewClient(ClientOptions{Endpoint: server.URL, Keys: emulatorKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.(*client).wire.Close)
	return c
}

func TestFailure_A09_A11_AnswersThatAreNoSuccess(t *testing.T) {
	const asJSON = "application/json"
	tests := []struct {
		name, contentType, body string
		status                  int
		want                    call.Code
	}{
		{"A09 error with 200", asJSON, `{"RequestId":"r","Code":"InvalidParameter","Message":"m"}`, 200, call.Invalid},
		{"A09 throttling with 200", asJSON, `{"RequestId":"r","Code":"Throttling"}`, 200, call.Throttled},
		{"A09 no request id", asJSON, `{}`, 200, call.Unknown},
		{"A09 blank request id", asJSON, `{"RequestId":" "}`, 200, call.Unknown},
		{"A09 success with 202", asJSON, `{"RequestId":"r"}`, 202, call.Unknown},
		{"A11 empty", asJSON, ``, 200, call.Unknown},
		{"A11 truncated", asJSON, `{"RequestId":"r","Sw`, 200, call.Unknown},
		{"A11 an array", asJSON, `["RequestId"]`, 200, call.Unknown},
		{"A11 html", "text/html", `<html>login</html>`, 200, call.Unknown},
		{"A11 json said to be html", "text/html", `{"RequestId":"r"}`, 200, call.Unknown},
		{"A11 bad gateway", "text/html", `<html>502</html>`, 502, call.Unknown},
		{"A11 gateway unavailable", "text/html", `<html>503</html>`, 503, call.Unavailable},
		{"A30 code is a number", asJSON, `{"RequestId":"r","Code":7}`, 200, call.Unknown},
		{"A29 unknown fields", asJSON, `{"RequestId":"r","New":{"A":[1]}}`, 200, call.OK},
		{"redirect", asJSON, `{"RequestId":"r"}`, 302, call.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := canned(t, tt.status, tt.contentType, tt.body).
				Call(context.Background(), &call.Request{Operation: opResume})
			if got := call.CodeOf(err); got != tt.want {
				t.Errorf("got %s (%v), want %s", got, err, tt.want)
			}
			if (resp != nil) != (tt.want == call.OK) {
				t.Errorf("response %+v with code %s", resp, tt.want)
			}
		})
	}
}

func TestClientCleansTheRequestID(t *testing.T) {
	resp, err := canned(t, 200, "application/json", `{"RequestId":"r\u001b[31m"}`).
		Call(context.Background(), &call.Request{Operation: opResume})
	if err != nil || resp.RequestID != `r\x1b[31m` {
		t.Errorf("got %+v, %v", resp, err)
	}
	_, err = canned(t, 400, "application/json", `{"RequestId":"r\n1","Code":"InvalidParam"}`).
		Call(context.Background(), &call.Request{Operation: opResume})
	var e *call.Error
	if !errors.As(err, &e) || e.RequestID != `r\n1` {
		t.Errorf("got %v", err)
	}
}

func TestStopOfNothingIsDone(t *testing.T) {
	c := newCloud(t, emulator.DefaultWorld())
	c.patch(t, emulator.World{Streams: []emulator.Stream{
		{Domain: "live.example.com", App: "live", Stream: "s1", Online: true},
	}})
	tests := []struct {
		command string
		want    call.Code
	}{
		{"stop", call.AlreadyDone},
		{"cancel_delay", call.AlreadyDone},
		{"restart", call.Invalid},
		{"start", call.OK},
		{"start", call.AlreadyDone},
		{"bogus", call.Invalid},
	}
	for _, tt := range tests {
		_, err := c.call(opRecord, map[string]any{
			"Command": tt.command, "DomainName": "live.example.com", "AppName": "live", "StreamName": "s1",
		})
		if got := call.CodeOf(err); got != tt.want {
			t.Errorf("%s: got %v, want %s", tt.command, err, tt.want)
		}
	}
}

func TestClientRefusesParametersThatAreNoText(t *testing.T) {
	c := newCloud(t, emulator.DefaultWorld())
	_, err := c.call(opPrefetch, map[string]any{"ConnectionTimeout": 5})
	if call.CodeOf(err) != call.Internal || len(c.Journal()) != 0 {
		t.Errorf("got %v and %d calls", err, len(c.Journal()))
	}
}

func TestNewClientNamesWhatIsWrong(t *testing.T) {
	tests := []struct {
		name string
		o    ClientOptions
		want string
	}{
		{"no keys", ClientOptions{Account: "acc"}, "account acc: keys: there is no source of access keys"},
		{
			"bad endpoint",
			ClientOptions{Account: "acc", Endpoint: "ftp://x", Keys: emulatorKey},
			"account acc: endpoint: scheme must be https, or http for an emulator",
		},
		{
			"no URL",
			ClientOptions{Account: "acc", Endpoint: "http://[", Keys: emulatorKey},
			`account acc: endpoint: parse "http://[": missing ']' in host`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if c, err := NewClient(tt.o); err == nil || err.Error() != tt.want || c != nil {
				t.Errorf("got %v, %v; want %s", c, err, tt.want)
			}
		})
	}
}

func TestDefaultEndpoint(t *testing.T) {
	tests := map[string]string{
		"":               "https://live.aliyuncs.com",
		"cn-shanghai":    "https://live.aliyuncs.com",
		"ap-southeast-1": "https://live.ap-southeast-1.aliyuncs.com",
		"eu-central-1":   "https://live.eu-central-1.aliyuncs.com",
	}
	for region, want := range tests {
		if got := defaultEndpoint(region); got != want {
			t.Errorf("%q: got %s, want %s", region, got, want)
		}
	}
}

// FuzzJudgeAnswer holds that no answer from outside panics or passes for a
// success without a RequestId.
func FuzzJudgeAnswer(f *testing.F) {
	f.Add(200, []byte(`{"RequestId":"r"}`))
	f.Add(400, []byte(`{"RequestId":"r","Code":"Throttling.User","Message":"m"}`))
	f.Add(502, []byte(`<html>`))
	f.Add(200, []byte(`[[[[[[[[`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		resp, failure := judgeAnswer(opResume, answerOf(status, body))
		if (resp == nil) == (failure == nil) {
			t.Fatalf("both or none: %+v, %+v", resp, failure)
		}
		if resp != nil && (resp.RequestID == "" || status != 200) {
			t.Errorf("accepted %d %q", status, body)
		}
		if failure != nil && failure.Code == call.OK {
			t.Errorf("a failure is called %s", failure.Code)
		}
	})
}
