// Package providertest is the suite that every provider passes. A provider's
// test hands it samples of its kinds, the answers by which its cloud refuses,
// and a cloud to talk to (the emulator, without a socket); Run does the rest.
// Everything that waits runs in a bubble of testing/synctest, so the suite
// takes no time for the clouds' seconds.
package providertest

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/sync/call"
	"weir/sync/provider"
	"weir/sync/resource"
	"weir/sync/secret"
)

// Leak stands in a Refusal's body for the account's secrets: a cloud that
// echoes them must not make them visible.
const Leak = "@LEAK@"

// Suite is what a provider's test supplies. Every field but Lag is required.
type Suite struct {
	New func() provider.Provider
	// Client returns the provider's raw caller for Account.
	Client func(transport http.RoundTripper, keys func() (secret.Key, error)) (call.Caller, error)
	// Cloud returns a fresh cloud which accepts Key, holds none of the samples,
	// and has what they need (domains, streams on air).
	Cloud    func() http.RoundTripper
	Account  string
	Key      secret.Key
	Samples  []Sample  // at least one of each kind, and one with Edited
	Refusals []Refusal // at least every code of the provider's tables
	// Params are the documented parameters of each operation used, nested ones
	// as in "GroupDetails[].Servers[].RelaySourceDomain"; "X.*" allows any name
	// below X.
	Params map[string][]string
	// Lag is how old the state is with which Cloud answers reads; usually 0.
	Lag time.Duration
}

// Sample is a resource as somebody declares it.
type Sample struct {
	Name   string
	ID     resource.ID
	Spec   resource.Spec
	Edited resource.Spec // the same resource declared otherwise; "" to leave out
	// Draw makes other specs of the kind that its schema accepts; nil to leave
	// out. Their identity may differ from ID.
	Draw func(*rapid.T) resource.Spec
}

// Refusal is an answer by which the cloud refuses a call.
type Refusal struct {
	Name        string
	Status      int
	ContentType string // "" for application/json
	Body        string
	Want        call.Code
	CloudCode   string // the code in the body; "" to leave unchecked
}

// Run runs the suite. Each check is a subtest of its own.
func Run(t *testing.T, s Suite) {
	t.Run("Complete", s.complete)
	t.Run("Normal", s.normal)
	t.Run("Pure", s.pure)
	t.Run("Operations", s.operations)
	t.Run("Lifecycle", s.lifecycle)
	t.Run("Observe", s.observe)
	t.Run("List", s.list)
	t.Run("OnAir", s.onAir)
	t.Run("Client", s.client)
}

// RunLifecycle runs only the lives of the samples, for clouds that behave
// oddly in time (Lag).
func RunLifecycle(t *testing.T, s Suite) { s.lifecycle(t) }

// complete holds the fixture against the provider: a kind without a sample
// would pass every check.
func (s Suite) complete(t *testing.T) {
	kinds := s.New().Kinds()
	sampled, edited := map[string]bool{}, map[string]bool{}
	for _, one := range s.Samples {
		if _, ok := kinds[one.ID.Kind]; !ok {
			t.Errorf("sample %s: the provider has no kind %q", one.Name, one.ID.Kind)
		}
		if one.ID.Account != s.Account {
			t.Errorf("sample %s: account %q, want %q", one.Name, one.ID.Account, s.Account)
		}
		sampled[one.ID.Kind] = true
		edited[one.ID.Kind] = edited[one.ID.Kind] || one.Edited != ""
	}
	for name, kind := range kinds {
		if !sampled[name] || !edited[name] {
			t.Errorf("kind %s: sampled %t, with an edit %t", name, sampled[name], edited[name])
		}
		if kind.APIVersion == "" || kind.Normal == nil || kind.Judge == nil || kind.Calls == nil ||
			kind.Reads == nil || kind.Verify == nil {
			t.Errorf("kind %s: APIVersion or a function is missing", name)
		}
	}
}

// desired returns the sample in normal form.
func (s Suite) desired(t *testing.T, one Sample, spec resource.Spec) resource.Resource {
	t.Helper()
	normal, err := s.New().Kinds()[one.ID.Kind].Normal(spec)
	if err != nil {
		t.Fatalf("normal form of sample %s: %v", one.Name, err)
	}
	return resource.Resource{ID: one.ID, Spec: normal}
}

// all returns every sample in normal form.
func (s Suite) all(t *testing.T) []resource.Resource {
	t.Helper()
	var out []resource.Resource
	for _, one := range s.Samples {
		out = append(out, s.desired(t, one, one.Spec))
	}
	return out
}

// keys returns the account's key each time it is asked.
func (s Suite) keys() (secret.Key, error) { return s.Key, nil }

// caller returns the provider's raw caller over a transport.
func (s Suite) caller(t *testing.T, transport http.RoundTripper) call.Caller {
	t.Helper()
	c, err := s.Client(transport, s.keys)
	if err != nil {
		t.Fatalf("client: %v", err)
	}
	return c
}

// secrets returns what must never be seen.
func (s Suite) secrets() []string {
	out := []string{s.Key.Secret.Reveal()}
	if !s.Key.Token.Empty() {
		out = append(out, s.Key.Token.Reveal())
	}
	return out
}

// quiet fails where text shows a secret.
func (s Suite) quiet(t *testing.T, text string) {
	t.Helper()
	if slices.ContainsFunc(s.secrets(), func(v string) bool { return strings.Contains(text, v) }) {
		t.Errorf("a secret is visible: %s", strings.ReplaceAll(text, s.Key.Secret.Reveal(), "<SECRET>"))
	}
}
