package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// robotKey is what messages to the robot are signed with in the stories.
const robotKey = "SEC-robot-key-5e2b90-of-the-story"

// startRobot starts a robot of a DingTalk group: `robot`. It sets ROBOT, whose token
// is a secret, and ROBOT_KEY, and writes the text of each message that it takes to the
// file group; what is not signed as its document says it refuses in its own way.
func startRobot(ts *testscript.TestScript, _ bool, _ []string) {
	file := filepath.Join(ts.Getenv("WORK"), "group")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var m struct{ Markdown struct{ Text string } }
		q := req.URL.Query()
		mac := hmac.New(sha256.New, []byte(robotKey))
		mac.Write([]byte(q.Get("timestamp") + "\n" + robotKey))
		signed := q.Get("sign") == base64.StdEncoding.EncodeToString(mac.Sum(nil)) && q.Get("access_token") == "robot-token-77aa"
		if err := json.NewDecoder(req.Body).Decode(&m); err != nil || !signed {
			fmt.Fprint(w, `{"errcode":310000,"errmsg":"sign not match"}`)
			return
		}
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = fmt.Fprintln(f, m.Markdown.Text)
		}
		if err != nil || f.Close() != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, `{"errcode":0,"errmsg":"ok"}`)
	}))
	ts.Defer(server.Close)
	ts.Setenv("ROBOT", server.URL+"/robot/send?access_token=robot-token-77aa")
	ts.Setenv("ROBOT_KEY", robotKey)
}
