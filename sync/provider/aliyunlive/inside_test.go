package aliyunlive

import (
	"testing"

	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/secret"
)

// TestFailure_A04_BrokenInsideIsDoubt: a prefetch that the cloud answers with
// InternalError may have happened; one refused as too busy has not.
func TestFailure_A04_BrokenInsideIsDoubt(t *testing.T) {
	tests := map[string]struct {
		cloudCode  string
		repeatable bool
		want       call.Code
	}{
		"broken inside":                  {"InternalError", false, call.Unknown},
		"broken inside, may be repeated": {"InternalError", true, call.Unavailable},
		"not available":                  {"ServiceUnavailable", false, call.Unavailable},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			clouds := emulator.New(emulator.DefaultWorld())
			if err := clouds.SetFaults(1, emulator.Fault{Operation: "*", Kind: "error", Code: tc.cloudCode}); err != nil {
				t.Fatal(err)
			}
			c, err := NewClient(ClientOptions{
				Account: "ali", Endpoint: "http://emulator", Transport: clouds.Transport(),
				Keys: func() (secret.Key, error) {
					return secret.Key{ID: "weir-emulator", Secret: secret.New("weir-emulator")}, nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Call(t.Context(), &call.Request{
				Operation: opPrefetch, Write: true, Repeatable: tc.repeatable,
				Params: map[string]any{"DomainName": "live.example.com", "AppName": "a", "StreamName": "s", "RegionCode": "NO", "AudioMsid": "a", "VideoMsid": "v"},
			})
			if got := call.CodeOf(err); got != tc.want {
				t.Errorf("code %s, want %s", got, tc.want)
			}
		})
	}
}
