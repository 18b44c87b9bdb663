package channel

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"weir/sync/notify/message"
)

// TestAnAnswerThatQuotesTheAddressTellsNothing: servers name the path in a page of
// "not found", and robots the token that they do not know.
func TestAnAnswerThatQuotesTheAddressTellsNothing(t *testing.T) {
	for name, r := range robots() {
		t.Run(name, func(t *testing.T) {
			c := newChat(t, func(_ *chat, req *http.Request, _ []byte) (int, string) {
				return http.StatusNotFound, fmt.Sprintf("The requested URL %s was not found, nor %q", req.URL.Path, req.URL.Query())
			})
			to := r.dial(t, c, r.path, message.English)
			l, err := to.Compose(message.Sample(message.Failed, false), "id")
			if err != nil {
				t.Fatal(err)
			}
			err = to.Send(t.Context(), l)
			if err == nil || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "[redacted]") {
				t.Errorf("%v", err)
			}
			time.Sleep(2 * time.Millisecond) // with another time and signature it is the same fault, which is said once
			if again := to.Send(t.Context(), l); again == nil || again.Error() != err.Error() {
				t.Errorf("%v, want %v", again, err)
			}
		})
	}
}

// TestTextOfQuotesFits: what a body's JSON takes to write a text counts too.
func TestTextOfQuotesFits(t *testing.T) {
	for name, most := range map[string]int{"dingtalk": 20_000, "feishu": 20_000} {
		r := robots()[name]
		to := r.dial(t, newChat(t, r.serve), r.path, message.Chinese)
		d := message.Sample(message.Failed, false)
		for range 19 {
			d.Events = append(d.Events, d.Events[0])
		}
		for i := range d.Events {
			d.Events[i].Reason = strings.Repeat(`"`, 500)
			d.Events[i].Origin.Author = strings.Repeat(`"`, 500)
		}
		d.Total = len(d.Events)
		l, err := to.Compose(d, "id")
		if err != nil || len(l.Body) > most-500 { // where a signature and a time are added
			t.Errorf("%s: %d bytes, %v", name, len(l.Body), err)
		}
	}
}
