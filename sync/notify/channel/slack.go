package channel

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"weir/sync/notify/message"
)

// Slack takes at most so many characters of a section's text.
const slackMost = 3000

// Slack is an incoming webhook of Slack, or of what speaks its language
// (Mattermost). It answers 200 with "ok", 429 with Retry-After above one message a
// second, and others with a word for what is wrong.
type Slack struct {
	poster
	texts   *message.Templates
	mention []string
}

// RobotOptions says where the webhook of a chat is, and what is written there.
type RobotOptions struct {
	Address   Address
	Texts     *message.Templates
	Mention   []string // who is called where a person is needed; "all" for everybody
	CAFile    string
	Transport http.RoundTripper
}

var _ Channel = (*Slack)(nil)

// NewSlack returns a Slack.
func NewSlack(opt RobotOptions) (*Slack, error) {
	p, err := newPoster(opt.Address, opt.CAFile, opt.Transport)
	return &Slack{p, opt.Texts, opt.Mention}, err
}

// Traits says that half of what Slack takes is used.
func (*Slack) Traits() Traits { return Traits{Most: 20, Rate: 30, Repeats: true} }

// slackPlain escapes the three characters that Slack reads as links and calls. It
// has no escape for bold and italic, which do no harm.
func slackPlain(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

func slackMarkup() message.Markup {
	plain := func(text string) string { return slackPlain(strings.ReplaceAll(text, "`", "'")) }
	return message.Markup{
		Escape: plain,
		Bold:   func(s string) string { return "*" + s + "*" },
		Code:   func(s string) string { return "`" + plain(s) + "`" },
		Link: func(text, url string) string {
			return "<" + slackPlain(strings.ReplaceAll(url, "|", "%7C")) + "|" + strings.ReplaceAll(text, "|", "/") + ">"
		},
	}
}

// block is a piece of a Slack message.
type block struct {
	Type string     `json:"type"`
	Text *slackText `json:"text,omitempty"`
}

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// Compose writes a header and a section.
func (s *Slack) Compose(d message.Data, id string) (Letter, error) {
	calls := ""
	if needsPeople(d) {
		calls = s.calls()
	}
	text, err := s.texts.Render(d, slackMarkup(), func(t message.Text) bool {
		return utf8.RuneCountInString(calls+t.Body) <= slackMost
	})
	if err != nil {
		return Letter{}, err
	}
	body, err := encode(map[string]any{
		"text": slackPlain(text.Title), // what a notification shows
		"blocks": []block{
			{"header", &slackText{"plain_text", text.Title}},
			{"section", &slackText{"mrkdwn", calls + text.Body}},
		},
	})
	return Letter{ID: id, Title: text.Title, Body: body}, err
}

// calls is the line that calls people.
func (s *Slack) calls() string {
	var out []string
	for _, who := range s.mention {
		switch {
		case who == everybody:
			out = append(out, "<!channel>")
		case strings.HasPrefix(who, "S"): // a group of users
			out = append(out, "<!subteam^"+who+">")
		default:
			out = append(out, "<@"+who+">")
		}
	}
	if len(out) == 0 {
		return ""
	}
	return strings.Join(out, " ") + "\n"
}

// Send posts it.
func (s *Slack) Send(ctx context.Context, l Letter) error {
	_, err := s.post(ctx, request{body: l.Body})
	return err
}

// everybody is the name under which all people of a chat are called.
const everybody = "all"

// needsPeople reports whether somebody is to be called.
func needsPeople(d message.Data) bool { return !d.Over && d.Name.Severity() != message.Info }

// encode writes JSON as people would: without escapes for HTML.
func encode(v any) ([]byte, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return []byte(strings.TrimSuffix(b.String(), "\n")), err
}
