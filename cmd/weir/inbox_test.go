package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// eventKey is what events are signed with in the stories.
const eventKey = "event-key-91c4f0-of-the-story"

// startInbox starts somebody who wants to know of held plans: `inbox`. It sets
// INBOX and EVENT_KEY, and writes each event to the file events, with the word
// unsigned where its signature is not right.
func startInbox(ts *testscript.TestScript, _ bool, _ []string) {
	file := filepath.Join(ts.Getenv("WORK"), "events")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
		mac := hmac.New(sha256.New, []byte(eventKey))
		mac.Write(body)
		if err != nil || req.Header.Get("X-Signature-256") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			body = append(body, " unsigned"...)
		}
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.Write(append(body, '\n'))
		}
		if err != nil || f.Close() != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	ts.Defer(server.Close)
	ts.Setenv("INBOX", server.URL)
	ts.Setenv("EVENT_KEY", eventKey)
}
