package aliyunlive

import (
	"context"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/sync/call"
	"weir/sync/emulator"
	"weir/sync/provider/wire"
	"weir/sync/resource"
	"weir/sync/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cloud is an emulator and a client of it.
type cloud struct {
	*emulator.Emulator
	caller call.Caller
}

func newCloud(t *testing.T, w emulator.World) cloud {
	t.Helper()
	e := emulator.New(w)
	return cloud{e, clientOf(t, e.Transport(), emulatorKey)}
}

func emulatorKey() (secret.Key, error) {
	return secret.Key{ID: "weir-emulator", Secret: secret.New("weir-emulator")}, nil
}

func clientOf(t *testing.T, transport http.RoundTripper, keys func() (secret.Key, error)) call.Caller {
	t.Helper()
	c, err := NewClient(ClientOptions{Account: "acc", Keys: keys, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// call makes one call and returns its code.
func (c cloud) call(operation string, params map[string]any) (*call.Response, error) {
	return c.caller.Call(context.Background(), &call.Request{Account: "acc", Operation: operation, Params: params})
}

// must makes a call that has to succeed.
func (c cloud) must(t *testing.T, operation string, params map[string]any) *call.Response {
	t.Helper()
	resp, err := c.call(operation, params)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func (c cloud) patch(t *testing.T, w emulator.World) {
	t.Helper()
	if err := c.Patch(w); err != nil {
		t.Fatal(err)
	}
}

func (c cloud) faults(t *testing.T, list ...emulator.Fault) {
	t.Helper()
	if err := c.SetFaults(1, list...); err != nil {
		t.Fatal(err)
	}
}

// counts returns how often each operation arrived.
func (c cloud) counts() map[string]int {
	n := map[string]int{}
	for _, one := range c.Journal() {
		n[one.Operation]++
	}
	return n
}

// resourceOf returns a wanted resource in normal form.
func resourceOf(t *testing.T, kind, key string, v any) resource.Resource {
	t.Helper()
	spec, err := New().Kinds()[kind].Normal(specOf(t, v))
	if err != nil {
		t.Fatal(err)
	}
	return resource.Resource{ID: resource.ID{Account: "acc", Kind: kind, Key: key}, Spec: spec}
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func answerOf(status int, body []byte) *wire.Answer {
	return &wire.Answer{Status: status, Header: http.Header{}, Body: body}
}
