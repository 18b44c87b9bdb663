package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"weir/sync/config"
)

// TestPasswordInTheAddress: it is neither sent nor told.
func TestPasswordInTheAddress(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer s.Close()
	d := daemonAt(strings.Replace(s.URL, "http://", "http://alice:pass-word@", 1), config.Client{})
	_, err := askStatus(t.Context(), d)
	if err == nil || strings.Contains(err.Error()+d.name, "pass-word") || asked != 0 {
		t.Errorf("%s: %v, asked %d times", d.name, err, asked)
	}
}

// TestStatusOfSomethingElse: another program, or a weir that answers in another
// shape, is not taken for one that is not ready.
func TestStatusOfSomethingElse(t *testing.T) {
	for _, answer := range []string{`{}`, `{"ready":true,"version":"0.1"}`, `null`, `[]`, `<html>log in</html>`, ``, `{"states":{"in-sync":"many"}}`} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
		over, err := askStatus(t.Context(), daemonAt(s.URL, config.Client{}))
		s.Close()
		if err == nil || !strings.Contains(err.Error(), "no weir of this version") || over.Status.Ready {
			t.Errorf("%s: %v", answer, err)
		}
	}
}
