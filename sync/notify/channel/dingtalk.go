package channel

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"

	"weir/sync/notify/message"
	"weir/sync/secret"
)

// dingtalkMost is how many bytes a message may have: DingTalk takes 20,000.
const dingtalkMost = 19_000

// DingTalk is a custom robot of a DingTalk group. It takes 20 messages a minute and
// none for ten minutes after more. A request is signed by its time in milliseconds,
// which may be off by an hour.
type DingTalk struct {
	poster
	texts   *message.Templates
	mention []string
	secret  secret.Ref
}

var _ Channel = (*DingTalk)(nil)

// NewDingTalk returns a DingTalk. Without a secret requests are not signed: the robot
// knows them by a keyword or an address then.
func NewDingTalk(opt RobotOptions, signing secret.Ref) (*DingTalk, error) {
	p, err := newPoster(opt.Address, opt.CAFile, opt.Transport)
	return &DingTalk{p, opt.Texts, opt.Mention, signing}, err
}

// Traits says that three quarters of what DingTalk takes are used.
func (*DingTalk) Traits() Traits { return Traits{Most: 20, Rate: 15, Repeats: true} }

func dingtalkCodes() codes {
	return codes{
		busy: []int{130101, 410100}, rest: 10 * time.Minute,
		// -1: the system is busy; 300001, 400101: no such token; 310000: signature, keyword or
		// address; 400102: the robot is off; 400106: it is gone.
		mended: []int{-1, 300001, 310000, 400101, 400102, 400106},
	}
}

// Compose writes Markdown. A line ends where two spaces come before its end.
func (t *DingTalk) Compose(d message.Data, id string) (Letter, error) {
	markup := robotMarkup(func(body string) string { return strings.ReplaceAll(body, "\n", "  \n") })
	at, calls := dingtalkAt{}, ""
	if needsPeople(d) {
		at, calls = t.calls()
	}
	return compose(t.texts, d, markup, id, dingtalkMost, func(text message.Text) any {
		return map[string]any{
			"msgtype":  "markdown",
			"markdown": map[string]string{"title": text.Title, "text": "### " + wide(text.Title) + "\n\n" + text.Body + calls},
			"at":       at,
		}
	})
}

// dingtalkAt is who is called.
type dingtalkAt struct {
	Mobiles []string `json:"atMobiles,omitempty"`
	Users   []string `json:"atUserIds,omitempty"`
	All     bool     `json:"isAtAll"`
}

// calls says who is called, which the text has to say too. A telephone number has
// digits alone.
func (t *DingTalk) calls() (at dingtalkAt, text string) {
	for _, who := range t.mention {
		switch {
		case who == everybody:
			at.All = true
			continue
		case strings.Trim(who, "+-0123456789") == "":
			at.Mobiles = append(at.Mobiles, who)
		default:
			at.Users = append(at.Users, who)
		}
		text += " @" + who
	}
	if text != "" {
		text = "\n\n" + text[1:]
	}
	return at, text
}

// Send signs by the time of now and posts.
func (t *DingTalk) Send(ctx context.Context, l Letter) error {
	key, err := t.secret.Read()
	if err != nil {
		return err
	}
	r := request{body: l.Body, hide: []secret.Secret{key}}
	if !key.Empty() {
		at := strconv.FormatInt(time.Now().UnixMilli(), 10)
		mac := hmac.New(sha256.New, []byte(key.Reveal()))
		mac.Write([]byte(at + "\n" + key.Reveal()))
		r.query = url.Values{"timestamp": {at}, "sign": {base64.StdEncoding.EncodeToString(mac.Sum(nil))}}
	}
	return t.tell(ctx, r, dingtalkCodes())
}
