package channel

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"

	"weir/sync/notify/message"
	"weir/sync/secret"
)

// feishuMost is how many bytes a message may have: Feishu takes 20 kB, with time and
// signature.
const feishuMost = 19_000

// Feishu is a custom bot of a Feishu or Lark group. It takes 100 messages a minute
// and five a second. A request says its time in seconds, which may be off by an
// hour, and is signed by it within its body.
type Feishu struct {
	poster
	texts   *message.Templates
	mention []string
	secret  secret.Ref
}

var _ Channel = (*Feishu)(nil)

// NewFeishu returns a Feishu. Without a secret requests are not signed: the bot
// knows them by a keyword or an address then.
func NewFeishu(opt RobotOptions, signing secret.Ref) (*Feishu, error) {
	p, err := newPoster(opt.Address, opt.CAFile, opt.Transport)
	return &Feishu{p, opt.Texts, opt.Mention, signing}, err
}

// Traits says that a part of what Feishu takes is used.
func (*Feishu) Traits() Traits { return Traits{Most: 20, Rate: 60, Repeats: true} }

func feishuCodes() codes {
	return codes{
		busy: []int{11232, 11233, 11247, 99991400}, rest: time.Minute,
		// 19001: no such bot; 19021: signature or time; 19022: address; 19024: keyword.
		mended: []int{19001, 19021, 19022, 19024},
	}
}

// card is a message card.
type card struct {
	Config   map[string]bool `json:"config"`
	Header   map[string]any  `json:"header"`
	Elements []cardElement   `json:"elements"`
}

type cardElement struct {
	Tag     string `json:"tag"`
	Content string `json:"content"`
}

// feishuBody is a request. What is signed comes first.
type feishuBody struct {
	Timestamp string `json:"timestamp,omitempty"`
	Sign      string `json:"sign,omitempty"`
	Type      string `json:"msg_type"`
	Card      card   `json:"card"`
}

// Compose writes a card.
func (f *Feishu) Compose(d message.Data, id string) (Letter, error) {
	calls := ""
	if needsPeople(d) {
		calls = called(f.mention, "<at id=", "></at>")
	}
	return compose(f.texts, d, robotMarkup(nil), id, feishuMost, func(text message.Text) any {
		return feishuBody{Type: "interactive", Card: card{
			Config: map[string]bool{"wide_screen_mode": true},
			Header: map[string]any{
				"title":    map[string]string{"tag": "plain_text", "content": text.Title},
				"template": color(d, "green", "blue", "orange", "red"),
			},
			Elements: []cardElement{{"markdown", text.Body + calls}},
		}}
	})
}

// Send signs by the time of now and posts.
func (f *Feishu) Send(ctx context.Context, l Letter) error {
	key, err := f.secret.Read()
	if err != nil {
		return err
	}
	r := request{body: l.Body, hide: []secret.Secret{key}}
	if !key.Empty() {
		if r.body, err = feishuSigned(l.Body, key, time.Now()); err != nil {
			return &Fault{Final: true, Err: err}
		}
	}
	return f.tell(ctx, r, feishuCodes())
}

// feishuSigned puts time and signature into a body: the time and the secret are the
// key, and nothing is what is signed.
func feishuSigned(body []byte, key secret.Secret, now time.Time) ([]byte, error) {
	var b feishuBody
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, err
	}
	b.Timestamp = strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(b.Timestamp+"\n"+key.Reveal()))
	b.Sign = base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return encode(b)
}
