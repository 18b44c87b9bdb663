package channel

import (
	"encoding/json"
	"html"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/sync/notify/message"
)

// hostile is a text that would be markup everywhere.
const hostile = "<@all> <!channel> <at id=all></at> [here](https://evil.example.com) **b** `c` <https://evil.example.com|ok> <script>alert(1)</script> |\r\nBcc: x@example.com"

// english are the texts, made once.
var english = sync.OnceValues(func() (*message.Templates, error) {
	return message.NewTemplates(message.English, "", time.UTC)
})

// said is what becomes of a text in a message of each channel.
func said(t testing.TB, text string) map[string]string {
	t.Helper()
	d := message.Sample(message.Failed, false)
	d.Events[0].Reason, d.Events[0].Origin.Author, d.Events[0].Origin.File = text, text, text
	texts, err := english()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for name, m := range map[string]message.Markup{"slack": slackMarkup(), "robot": robotMarkup(nil), "html": htmlMarkup()} {
		made, err := texts.Render(d, m, nil)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = made.Body
	}
	return out
}

// calls is what would call somebody, lead somewhere, or run.
var calls = map[string]*regexp.Regexp{
	"slack": regexp.MustCompile(`<[^>]*>`),
	"robot": regexp.MustCompile(`<[^>]*>|\]\(`),
	"html":  regexp.MustCompile(`(?i)<(?:/?(?:b|code|a|br|html|body)\b)?[^>]*script|<at |<@|<!c|href`),
}

func TestNothingFromOutsideIsMarkup(t *testing.T) {
	for name, body := range said(t, hostile) {
		if found := calls[name].FindString(body); found != "" {
			t.Errorf("%s: %q in\n%s", name, found, body)
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add(hostile)
	f.Add("`<@all>`")
	f.Add("]( <")
	f.Fuzz(func(t *testing.T, text string) {
		plain := said(t, "x")
		for name, body := range said(t, "x"+text+"x") { // what is empty is left out
			if found := calls[name].FindString(body); found != "" {
				t.Errorf("%s: %q in\n%s", name, found, body)
			}
			if strings.Count(body, "\n") != strings.Count(plain[name], "\n") {
				t.Errorf("%s: another number of lines:\n%s", name, body)
			}
			if name != "html" && strings.Count(body, "`") != strings.Count(plain[name], "`") {
				t.Errorf("%s: code begins or ends elsewhere:\n%s", name, body)
			}
		}
	})
}

// TestHTMLIsWhatItWas: escaped once, and only once.
func TestHTMLIsWhatItWas(t *testing.T) {
	body := said(t, `a < b & "c"`)["html"]
	if !strings.Contains(body, html.EscapeString(`a < b & "c"`)) || strings.Contains(body, "&amp;lt;") {
		t.Error(body)
	}
}

// TestBodiesAreJSON: whatever is in an event.
func TestBodiesAreJSON(t *testing.T) {
	for name, r := range robots() {
		to := r.dial(t, newChat(t, r.serve), r.path, message.English)
		d := message.Sample(message.Refused, false)
		d.Events[0].Problems[0].Message = hostile + "\u2028\x00\xff"
		l, err := to.Compose(d, "id")
		if err != nil || !json.Valid(l.Body) {
			t.Errorf("%s: %v\n%s", name, err, l.Body)
		}
	}
}
